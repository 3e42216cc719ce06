//! One server alone, started as the target starts it, without a keeper and without the others.

use std::{
    os::unix::fs::PermissionsExt,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use bulkhead_model::Service;
use bulkhead_target::{
    Authority, TargetSpec,
    services::{self, Place},
};

/// Boots one server, with its management API where that is `managed`, and ends it. The time from an empty folder to a
/// server that serves.
pub(crate) async fn boot(spec: &TargetSpec, service: Service, managed: bool) -> Result<Duration> {
    let (folder, place) = place(spec, service)?;
    let stand_in = services::ALL.into_iter().find(|stand_in| stand_in.service() == service);
    let start = Instant::now();
    let mut running = stand_in.context("no such stand-in")?.start(spec, &place).await?;
    if managed {
        running.management().await?.context("the server has no management API")?;
    }
    let ready = start.elapsed();
    running.stop().await;
    drop(folder);
    Ok(ready)
}

fn place(spec: &TargetSpec, service: Service) -> Result<(tempfile::TempDir, Place)> {
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
