//! What a server runs as: a process of this machine or a container.

use std::{io, path::Path, process::ExitStatus, time::Duration};

use nix::{sys::signal::Signal, unistd::Pid};

use crate::{
    Child, ChildSpec, Error,
    backends::docker::{Container, ContainerSpec, File},
    deadlines::SERVER_STOPS,
    error::Cause,
};

/// How to start one, and to start it again.
#[derive(Clone, Debug)]
pub(crate) enum InstanceSpec {
    Process(ChildSpec),
    Container(ContainerSpec),
}

/// One that was started.
#[derive(Debug)]
pub(crate) enum Instance {
    Process(Child),
    Container(Container),
}

impl InstanceSpec {
    /// Starts it. On a thread that lives as long as this process, as [`ChildSpec::spawn`] asks.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(crate) async fn start(&self) -> Result<Instance, Error> {
        match self {
            Self::Process(spec) => spec.clone().spawn().map(Instance::Process),
            Self::Container(spec) => spec.start().await.map(Instance::Container),
        }
    }

    /// Starts it again after it has ended, with the data that it had.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(crate) async fn start_again(&self, instance: &mut Instance) -> Result<(), Error> {
        match (self, &mut *instance) {
            (Self::Container(spec), Instance::Container(container)) => spec.start_again(container).await,
            _ => {
                *instance = self.start().await?;
                Ok(())
            }
        }
    }
}

impl Instance {
    /// The number of its first process; none for a container of another system.
    pub(crate) fn pid(&self) -> Option<Pid> {
        match self {
            Self::Process(child) => Some(child.pid()),
            Self::Container(container) => container.pid(),
        }
    }

    /// Tells it that it serves.
    pub(crate) async fn serves(&self) {
        if let Self::Container(container) = self {
            container.serves().await;
        }
    }

    /// Has it see a file as it is here now, which a container does not by itself. It is for everybody there.
    ///
    /// # Errors
    /// When the engine does not take it.
    pub(crate) async fn put(&self, path: &Path) -> Result<(), Cause> {
        match self {
            Self::Process(_) => Ok(()),
            Self::Container(container) => container.put(&[File { path: path.to_owned(), mode: 0o644 }]).await,
        }
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// When the system cannot say.
    pub(crate) async fn wait(&mut self) -> io::Result<ExitStatus> {
        match self {
            Self::Process(child) => child.wait().await,
            Self::Container(container) => Ok(container.wait().await),
        }
    }

    /// The error for its having ended by itself, if it has, or for the system's not knowing.
    pub(crate) fn end(&mut self) -> Option<Error> {
        match self {
            Self::Process(child) => child.end(),
            Self::Container(container) => container.exited().map(|status| self.ended(status)),
        }
    }

    /// The error for its having ended by itself.
    pub(crate) fn ended(&self, status: ExitStatus) -> Error {
        match self {
            Self::Process(child) => child.ended(status),
            Self::Container(container) => {
                Error::Exited { service: container.service(), status, log: self.log_tail(20) }
            }
        }
    }

    /// The last lines of its log.
    pub(crate) fn log_tail(&self, lines: usize) -> Vec<String> {
        match self {
            Self::Process(child) => child.log_tail(lines),
            Self::Container(container) => container.log_tail(lines),
        }
    }

    /// Stops it where it is with all its processes, or lets it go on.
    ///
    /// # Errors
    /// When it could not be told.
    pub(crate) async fn pause(&self, paused: bool) -> Result<(), Cause> {
        match self {
            Self::Process(child) => child.pause(paused).map_err(Cause::from),
            Self::Container(container) => container.pause(paused).await,
        }
    }

    /// Kills it with all its processes, and returns when none is left.
    ///
    /// # Errors
    /// When it does not go.
    pub(crate) async fn kill(&mut self) -> Result<(), Cause> {
        match self {
            Self::Process(child) => child.kill().await.map_err(Cause::from),
            Self::Container(container) => container.kill().await,
        }
    }

    /// Asks it to end with `signal`, gives it `grace`, then kills it; returns when it has ended.
    pub(crate) async fn stop(&mut self, signal: Signal, grace: Duration) {
        match self {
            Self::Process(child) => child.stop(signal, grace).await,
            Self::Container(container) => container.stop(signal, grace).await,
        }
    }

    /// Ends it at once, as `signal` ends a process, its data being of no use any more; returns when it is gone.
    pub(crate) async fn discard(&mut self, signal: Signal) {
        match self {
            Self::Process(child) => child.stop(signal, SERVER_STOPS).await,
            Self::Container(container) => container.discard().await,
        }
    }
}
