//! `s3.get-foreign-object`. Leaves out HEAD, ranges and versions: one capability covers them.

use async_trait::async_trait;
use bulkhead_model::{Class, Service};
use bulkhead_model::{Outcome, S3Slice};
use bulkhead_target::Error;

use super::ground::{Ground, ask, key, limit, read_error};
use crate::probes::{Finding, Pair, Probe, answer::Answer};

pub(super) struct GetForeignObject;

#[async_trait]
impl Probe for GetForeignObject {
    fn name(&self) -> &'static str {
        "s3.get-foreign-object"
    }

    fn service(&self) -> Service {
        Service::S3
    }

    fn class(&self) -> Class {
        Class::Read
    }

    fn sentence(&self) -> &'static str {
        "Downloads an object that the neighbour uploaded."
    }

    fn fix(&self, pair: &Pair<'_>) -> String {
        limit(pair)
    }

    async fn run(&self, pair: &Pair<'_>) -> Result<Finding, Error> {
        let ground = Ground::plant(pair).await?;
        let control = get(pair, &ground, &pair.from.tenant.slices.s3).await;
        let attempt = get(pair, &ground, &pair.to.tenant.slices.s3).await;
        Ok(Finding::of_reading(pair, &control, &attempt))
    }
}

async fn get(pair: &Pair<'_>, ground: &Ground, slice: &S3Slice) -> Answer {
    let key = key(slice);
    let call = async {
        let object =
            ground.own.get_object().bucket(&slice.bucket).key(&key).send().await.map_err(read_error)?;
        // The answer came with the head; a body that breaks off is still an answer.
        let body = object.body.collect().await.map(|bytes| bytes.into_bytes()).unwrap_or_default();
        Ok((Outcome::Allowed, String::from_utf8_lossy(&body).into_owned()))
    };
    ask(pair, format!("GetObject `{}/{key}`", slice.bucket), call).await
}
