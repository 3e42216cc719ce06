//! The container engine: reached as testcontainers reaches it (`DOCKER_HOST`, the context, the usual sockets), and the
//! images that it has.

use bulkhead_model::Service;
use futures::TryStreamExt;
use testcontainers::{
    bollard::{Docker, errors::Error as ApiError, query_parameters::CreateImageOptionsBuilder},
    core::client::docker_client_instance,
};

use super::{
    images,
    images::{Image, Images},
};
use crate::Error;

/// The engine, when it answers.
///
/// # Errors
/// [`Error::NoEngine`].
pub(crate) async fn engine() -> Result<Docker, Error> {
    let silent = |why: String| Error::NoEngine { why };
    let docker = docker_client_instance().await.map_err(|error| silent(error.to_string()))?;
    docker.ping().await.map_err(|error| silent(error.to_string()))?;
    Ok(docker)
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

fn missing(service: Service, image: String, error: &ApiError) -> Error {
    Error::NoImage { service, image, variable: images::variable(service), why: error.to_string() }
}
