//! What a keeper that was killed leaves in the engine, found by the run's label.

use std::{collections::HashMap, path::Path, time::Duration};

use bulkhead_model::Service;
use testcontainers::bollard::{
    Docker,
    query_parameters::{ListContainersOptionsBuilder, RemoveContainerOptionsBuilder},
};
use tokio::time::{Instant, sleep};

use super::engine;
use crate::Error;

/// The label of everything that a run makes.
pub(super) const LABEL: &str = "bulkhead.run";

/// The file in a server's folder, or in a run's that is of no service, that says that there is a container, or is about to be.
const NOTE: &str = "container";

/// How long none may be there before none is taken to come: a keeper may have been killed while the engine made one.
const QUIET: Duration = Duration::from_secs(2);

/// Pause between two looks.
const LOOK: Duration = Duration::from_millis(100);

/// Notes in a server's folder that there will be a container, before there is.
///
/// # Errors
/// When the note cannot be written.
pub(super) fn note(folder: &Path) -> Result<(), Error> {
    let path = folder.join(NOTE);
    std::fs::write(&path, "").map_err(Error::disk("write", path))
}

/// Takes the note back: the container is gone.
pub(super) fn forget(folder: &Path) {
    // One that stays makes the janitor look in vain.
    let _harmless = std::fs::remove_file(folder.join(NOTE));
}

/// Removes every container of a run, with its volumes, where a folder says that there may be one. Blocks.
///
/// # Errors
/// When the engine does not answer, or keeps one.
pub(crate) fn clear(run: &str, folder: &Path) -> Result<(), Error> {
    let mut folders = Service::ALL.iter().map(|service| folder.join(service.name()));
    if !folder.join(NOTE).exists() && !folders.any(|folder| folder.join(NOTE).exists()) {
        return Ok(());
    }
    let failed = Error::disk("make a runtime for", folder);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    runtime.block_on(remove_all(run))
}

async fn remove_all(run: &str) -> Result<(), Error> {
    let docker = engine().await?;
    let mut quiet_since = Instant::now();
    while quiet_since.elapsed() < QUIET {
        let there = of_run(&docker, run).await?;
        for id in &there {
            remove(&docker, id).await?;
        }
        if !there.is_empty() {
            quiet_since = Instant::now();
        }
        sleep(LOOK).await;
    }
    Ok(())
}

async fn of_run(docker: &Docker, run: &str) -> Result<Vec<String>, Error> {
    let label = HashMap::from([("label", vec![format!("{LABEL}={run}")])]);
    let options = ListContainersOptionsBuilder::new().all(true).filters(&label).build();
    let listed = docker.list_containers(Some(options)).await;
    let listed = listed.map_err(|error| Error::NoEngine { why: error.to_string() })?;
    Ok(listed.into_iter().filter_map(|container| container.id).collect())
}

/// Removes a container with its volumes, running or not.
pub(super) async fn remove(docker: &Docker, id: &str) -> Result<(), Error> {
    let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
    match docker.remove_container(id, Some(options)).await {
        // Gone, or about to be.
        Err(testcontainers::bollard::errors::Error::DockerResponseServerError {
            status_code: 404 | 409,
            ..
        }) => Ok(()),
        done => done.map_err(|error| Error::NoEngine { why: format!("it keeps container {id}: {error}") }),
    }
}
