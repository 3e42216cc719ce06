//! One process's hold on a target: it lives as long as the value does.

use bulkhead_model::{
    RunEvent, Topology,
    report::{LogTail, ServerReport},
};

use crate::{Error, TargetSpec, TenantAccess};

/// A lease on running servers.
///
/// Dropping it (or dying, by SIGKILL too) gives the lease back; when it was the last one the servers stop and their
/// folders vanish. [`Session::close`] does the same and waits until it is done.
#[derive(Debug)]
pub struct Session {}

impl Session {
    /// Joins the running servers that `spec` asks for, or starts them. `progress` is told of each server.
    ///
    /// # Errors
    /// [`Error::Missing`] before anything is started; else which server failed and how, after all were stopped again.
    pub async fn open(
        _spec: &TargetSpec,
        _progress: &(dyn Fn(RunEvent) + Send + Sync),
    ) -> Result<Self, Error> {
        todo!()
    }

    /// What answers, with versions.
    pub fn servers(&self) -> &[ServerReport] {
        todo!()
    }

    /// Makes the topology's slices under names of their own (a fresh [`bulkhead_model::Scope`]).
    ///
    /// # Errors
    /// What the server refused.
    pub async fn slices(&self, _topology: &Topology) -> Result<Vec<TenantAccess>, Error> {
        todo!()
    }

    /// Makes the topology's slices under exactly the names it gives: for `bulkhead up`.
    ///
    /// # Errors
    /// What the server refused, or that another process holds these names.
    pub async fn exact_slices(&self, _topology: &Topology) -> Result<Vec<TenantAccess>, Error> {
        todo!()
    }

    /// Removes slices that [`Session::slices`] made.
    ///
    /// # Errors
    /// What could not be removed.
    pub async fn release(&self, _slices: Vec<TenantAccess>) -> Result<(), Error> {
        todo!()
    }

    /// The ends of all servers' logs.
    ///
    /// # Errors
    /// When the keeper does not answer.
    pub async fn logs(&self, _lines: usize) -> Result<Vec<LogTail>, Error> {
        todo!()
    }

    /// Gives the lease back and waits until servers that nobody else holds are gone.
    ///
    /// # Errors
    /// When the keeper broke off before it said so.
    pub async fn close(self) -> Result<(), Error> {
        todo!()
    }
}
