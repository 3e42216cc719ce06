//! S3: the server inside this binary, or in its place a `minio` or whichever server an image holds.

use async_trait::async_trait;
use bulkhead_model::{Enforcement, Service, Tenant};

use super::{Place, Running, StandIn};
use crate::{
    Error, Missing, S3Kind, TargetSpec,
    backends::{compose::Part, docker::Image},
};

mod control;
pub mod embedded;
mod front;
mod garage;
mod keymaker;
mod minio;
mod policy;
mod product;
mod running;
mod rustfs;
mod seaweedfs;
mod server;
mod signed;

pub use control::{Options, Profile};
pub use running::Embedded;

/// The stand-in for S3.
pub struct S3;

#[async_trait]
impl StandIn for S3 {
    fn service(&self) -> Service {
        Service::S3
    }

    fn find(&self, spec: &TargetSpec) -> Result<(), Missing> {
        if spec.s3 == S3Kind::Minio {
            return minio::find(spec).map(drop);
        }
        if spec.executable.is_file() {
            return Ok(());
        }
        let looked =
            format!("`{}`, the program that plays S3 here, is not a file", spec.executable.display());
        Err(Missing { service: Service::S3, looked })
    }

    fn composed(&self, tenants: &[Tenant], enforcement: Enforcement) -> Result<Part, Error> {
        minio::composed(tenants, enforcement)
    }

    async fn start(&self, spec: &TargetSpec, place: &Place) -> Result<Box<dyn Running>, Error> {
        match spec.s3 {
            S3Kind::Embedded => Ok(Box::new(Embedded::start(spec, place, Options::default()).await?)),
            S3Kind::Minio => {
                let image = spec.images.as_ref().and_then(|images| images.of(Service::S3));
                let product = match image {
                    Some(image) => product::of(image).await?,
                    None => &minio::PRODUCT,
                };
                Ok(Box::new(server::Server::start(product, spec, image, place).await?))
            }
        }
    }
}

/// Sees that it can be told which server an image holds, and that this keeps all of these apart as they are to be. Starts
/// nothing.
///
/// # Errors
/// Why not, with what to do instead.
pub(crate) async fn check(image: &Image, slices: &[(Vec<Tenant>, Enforcement)]) -> Result<(), Error> {
    let product = product::of(image).await?;
    let refused = slices.iter().find_map(|(tenants, enforcement)| product.refusal(tenants, *enforcement));
    refused.map_or(Ok(()), Err)
}
