//! S3: the server inside this binary, or a `minio` in its place.

use async_trait::async_trait;
use bulkhead_model::{Enforcement, Service, Tenant};

use super::{Place, Running, StandIn};
use crate::{Error, Missing, S3Kind, TargetSpec, backends::compose::Part};

mod control;
pub mod embedded;
mod keymaker;
mod minio;
mod running;

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
            S3Kind::Minio => Ok(Box::new(minio::start(spec, place).await?)),
        }
    }
}
