//! Servers from this machine's own packages: which are missing, and how they get here.
//!
//! Starting them is the services' part, owning them the keeper's.

mod find;
mod install;
mod packages;

use bulkhead_model::RunEvent;

pub use find::check;
pub(crate) use find::{advice, missing};
pub(crate) use install::can_install;

use crate::{Error, TargetSpec};

/// Sees that every server is on this machine, installing what is missing when `spec` allows that.
///
/// # Errors
/// As [`check`]; [`Error::Install`] when an installation failed.
pub async fn ensure(spec: &TargetSpec, progress: &(dyn Fn(RunEvent) + Send + Sync)) -> Result<(), Error> {
    match check(spec) {
        Err(Error::Missing(_)) if spec.install => install::install(spec, progress).await,
        other => other,
    }
}
