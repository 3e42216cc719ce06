//! The container engine, and the images that it has. It is reached as testcontainers reaches it (`DOCKER_HOST`,
//! Docker's usual sockets); where none answers there, Podman's service is looked for on its own.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use bulkhead_model::Service;
use futures::TryStreamExt;
use testcontainers::{
    bollard::{
        API_DEFAULT_VERSION, Docker, errors::Error as ApiError, query_parameters::CreateImageOptionsBuilder,
    },
    core::client::docker_client_instance,
};

use super::{
    images,
    images::{Image, Images},
};
use crate::{Error, error::Cause};

/// How long a call to Podman's service may take, as testcontainers has it for every engine.
const CALL: Duration = Duration::from_secs(120);

/// The engine, when it answers.
///
/// # Errors
/// [`Error::NoEngine`].
pub(crate) async fn engine() -> Result<Docker, Error> {
    let why = match usual().await {
        Ok(docker) => return Ok(docker),
        Err(why) => why,
    };
    let found = podmans().await.map(|(_, docker)| docker);
    found.ok_or_else(|| Error::NoEngine { why: why.to_string() })
}

/// Where a process must be told that the engine is (`DOCKER_HOST`), since testcontainers would not find it there; none
/// where it would, and where there is none.
pub(crate) async fn elsewhere() -> Option<String> {
    if usual().await.is_ok() {
        return None;
    }
    podmans().await.map(|(socket, _)| format!("unix://{}", socket.display()))
}

/// Podman's service and its socket, when it answers.
async fn podmans() -> Option<(PathBuf, Docker)> {
    for socket in podman(|name| std::env::var(name).ok()) {
        if let Ok(docker) = at(&socket).await {
            return Some((socket, docker));
        }
    }
    None
}

/// Where testcontainers looks.
async fn usual() -> Result<Docker, Box<dyn std::error::Error + Send + Sync>> {
    let docker = docker_client_instance().await?;
    docker.ping().await?;
    Ok(docker)
}

/// An engine on a socket.
async fn at(socket: &Path) -> Result<Docker, ApiError> {
    let docker =
        Docker::connect_with_unix(&socket.display().to_string(), CALL.as_secs(), API_DEFAULT_VERSION)?;
    docker.ping().await?;
    Ok(docker)
}

/// Where Podman's service listens, a user's own before the machine's, as `podman-system-service(1)` says. None where
/// somebody names an engine: no other is meant.
fn podman(variable: impl Fn(&str) -> Option<String>) -> Vec<PathBuf> {
    if variable("DOCKER_HOST").is_some() {
        return Vec::new();
    }
    let own = variable("XDG_RUNTIME_DIR").into_iter();
    own.chain([String::from("/run")]).map(|folder| Path::new(&folder).join("podman/podman.sock")).collect()
}

/// Sees that every image is there, pulling those that are not, which `tell` says before.
///
/// # Errors
/// [`Error::NoEngine`]; [`Error::NoImage`] with the variable that names another.
pub(crate) async fn ensure(images: &Images, tell: impl Fn(String)) -> Result<(), Error> {
    let docker = engine().await?;
    for (service, image) in images.iter() {
        let had = have(&docker, image, &tell).await;
        had.map_err(|error| missing(service, image.to_string(), &error))?;
    }
    Ok(())
}

/// Sees that an image is there, pulling one that is not, which `tell` says before.
///
/// # Errors
/// What the engine said.
pub(super) async fn have(docker: &Docker, image: &Image, tell: impl Fn(String)) -> Result<(), ApiError> {
    let name = image.to_string();
    match docker.inspect_image(&name).await {
        Err(ApiError::DockerResponseServerError { status_code: 404, .. }) => {}
        looked => return looked.map(drop),
    }
    tell(format!("pulling the image `{name}`"));
    let options = CreateImageOptionsBuilder::new().from_image(&name).build();
    docker.create_image(Some(options), None, None).try_for_each(|_| async { Ok(()) }).await
}

/// The words of an image's entry point and command.
///
/// # Errors
/// When the engine does not tell.
pub(crate) async fn runs(image: &Image) -> Result<Vec<String>, Cause> {
    let config = engine().await?.inspect_image(&image.to_string()).await?.config.unwrap_or_default();
    Ok([config.entrypoint, config.cmd].into_iter().flatten().flatten().collect())
}

fn missing(service: Service, image: String, error: &ApiError) -> Error {
    Error::NoImage { service, image, variable: images::variable(service), why: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn podman_is_looked_for_where_its_service_listens_unless_an_engine_is_named() {
        let on = |given: &[(&str, &str)]| {
            let given = given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            let given: std::collections::HashMap<_, _> = given.collect();
            podman(|name| given.get(name).cloned())
        };
        let machine = PathBuf::from("/run/podman/podman.sock");
        assert_eq!(on(&[]), std::slice::from_ref(&machine));
        let own = PathBuf::from("/run/user/1000/podman/podman.sock");
        assert_eq!(on(&[("XDG_RUNTIME_DIR", "/run/user/1000")]), [own, machine]);
        let named = [("XDG_RUNTIME_DIR", "/run/user/1000"), ("DOCKER_HOST", "unix:///run/docker.sock")];
        assert!(on(&named).is_empty());
    }
}
