//! Faults: what is done to a case while its workloads work. Each begins, lasts and is undone.
//!
//! A new one is a file and a line in [`ALL`].

use bulkhead_model::scenario::{Chosen, Shape};
use bulkhead_target::Error;
use futures::future::BoxFuture;

use crate::links::Links;

mod down;

/// Every fault.
pub const ALL: [&dyn Fault; 1] = [&down::Down];

/// Something that is done to a case.
pub trait Fault: Sync {
    /// Its name and what it may be told. Every fault has `at` and `for`.
    fn shape(&self) -> Shape<'static>;

    /// Begins it.
    ///
    /// # Errors
    /// When it could not be begun; then nothing is changed.
    fn begin<'a>(&'a self, ground: &'a Ground<'a>, chosen: &'a Chosen) -> Doing<'a>;

    /// Undoes it, and says how many connections or bytes it touched.
    ///
    /// # Errors
    /// When it could not be undone.
    fn undo<'a>(&'a self, ground: &'a Ground<'a>, chosen: &'a Chosen) -> Doing<'a>;
}

/// A fault that begins or ends: how much it has touched.
pub type Doing<'a> = BoxFuture<'a, Result<u64, Error>>;

/// What faults reach.
pub struct Ground<'a> {
    /// The case's links.
    pub links: &'a Links,
    /// The tenant whose links they are.
    pub access: &'a bulkhead_target::TenantAccess,
}

/// The fault of that name.
pub fn find(name: &str) -> Option<&'static dyn Fault> {
    ALL.into_iter().find(|fault| fault.shape().name == name)
}

/// What a fault is called in a history.
pub fn words(chosen: &Chosen) -> String {
    match chosen.service("service") {
        Some(service) => format!("{} {service}", chosen.name),
        None => chosen.name.clone(),
    }
}
