//! `s3.list-foreign-objects`. Leaves out listing buckets, versions and unfinished uploads.

use async_trait::async_trait;
use bulkhead_model::{Class, Service};
use bulkhead_model::{Outcome, S3Slice};
use bulkhead_target::Error;

use super::ground::{Ground, ask, limit, read_error};
use crate::probes::{Finding, Pair, Probe, answer::Answer};

pub(super) struct ListForeignObjects;

#[async_trait]
impl Probe for ListForeignObjects {
    fn name(&self) -> &'static str {
        "s3.list-foreign-objects"
    }

    fn service(&self) -> Service {
        Service::S3
    }

    fn class(&self) -> Class {
        Class::Enumerate
    }

    fn sentence(&self) -> &'static str {
        "Lists the names of the neighbour's objects."
    }

    fn fix(&self, pair: &Pair<'_>) -> String {
        limit(pair)
    }

    async fn run(&self, pair: &Pair<'_>) -> Result<Finding, Error> {
        let ground = Ground::plant(pair).await?;
        let control = list(pair, &ground, &pair.from.tenant.slices.s3).await;
        let attempt = list(pair, &ground, &pair.to.tenant.slices.s3).await;
        Ok(Finding::of_reading(pair, &control, &attempt))
    }
}

async fn list(pair: &Pair<'_>, ground: &Ground, slice: &S3Slice) -> Answer {
    let prefix = slice.key("bulkhead/");
    let call = async {
        let listed = ground
            .own
            .list_objects_v2()
            .bucket(&slice.bucket)
            .prefix(&prefix)
            .send()
            .await
            .map_err(read_error)?;
        let keys: Vec<_> = listed.contents().iter().filter_map(|object| object.key()).collect();
        let outcome = if keys.is_empty() { Outcome::Invisible } else { Outcome::Allowed };
        Ok((outcome, format!("{} keys: {}", keys.len(), keys.join(", "))))
    };
    ask(pair, format!("ListObjectsV2 `{}/{prefix}*`", slice.bucket), call).await
}
