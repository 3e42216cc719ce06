//! Where one server works alone, without a keeper and without the others.

use std::{os::unix::fs::PermissionsExt, sync::Arc};

use anyhow::{Context, Result};
use bulkhead_model::Service;
use bulkhead_target::{Authority, TargetSpec, services::Place};

/// An empty folder, which goes with the first value, and what a stand-in needs to start there.
pub(crate) fn place(spec: &TargetSpec, service: Service) -> Result<(tempfile::TempDir, Place)> {
    let folder = tempfile::Builder::new().prefix("bulkhead-bench-").tempdir()?;
    // PostgreSQL, which will not run as root, must be able to pass through.
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o711))?;
    let dir = folder.path().join(service.name());
    std::fs::create_dir(&dir)?;
    std::fs::set_permissions(&dir, std::fs::Permissions::from_mode(0o700))?;
    let authority = Arc::new(Authority::new()?);
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, authority.pem())?;
    let run = folder.path().file_name().context("a folder without a name")?.to_string_lossy().into_owned();
    Ok((folder, Place { run, dir, authority, ca, deadline: spec.start_deadline, port: None, first: None }))
}
