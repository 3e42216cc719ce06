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
use crate::{Error, error::Cause};

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
        let name = image.to_string();
        match docker.inspect_image(&name).await {
            Ok(_) => continue,
            Err(ApiError::DockerResponseServerError { status_code: 404, .. }) => {}
            Err(error) => return Err(missing(service, name, &error)),
        }
        tell(format!("pulling the image `{name}`"));
        let options = CreateImageOptionsBuilder::new().from_image(&name).build();
        let pulled = docker.create_image(Some(options), None, None).try_for_each(|_| async { Ok(()) });
        pulled.await.map_err(|error| missing(service, name, &error))?;
    }
    Ok(())
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
