//! `s3.delete-foreign-object`. Leaves out deleting a version, which needs a capability of its own, and whole buckets.

use async_trait::async_trait;
use aws_sdk_s3::Client;
use bulkhead_model::{Class, Service};
use bulkhead_model::{Outcome, S3Slice};
use bulkhead_target::Error;

use super::ground::{Ground, ask, held, key, limit, read_error};
use crate::probes::{Finding, Pair, Probe, finding::Change};

pub(super) struct DeleteForeignObject;

#[async_trait]
impl Probe for DeleteForeignObject {
    fn name(&self) -> &'static str {
        "s3.delete-foreign-object"
    }

    fn service(&self) -> Service {
        Service::S3
    }

    fn class(&self) -> Class {
        Class::Delete
    }

    fn sentence(&self) -> &'static str {
        "Deletes an object that the neighbour uploaded."
    }

    fn fix(&self, pair: &Pair<'_>) -> String {
        limit(pair)
    }

    async fn run(&self, pair: &Pair<'_>) -> Result<Finding, Error> {
        let ground = Ground::plant(pair).await?;
        let control = delete(pair, &ground, &pair.from.tenant.slices.s3, &ground.own).await;
        let attempt = delete(pair, &ground, &pair.to.tenant.slices.s3, &ground.victim).await;
        Ok(Finding::of_change(pair, &control, &attempt))
    }
}

async fn delete(pair: &Pair<'_>, ground: &Ground, slice: &S3Slice, owner: &Client) -> Change {
    let key = key(slice);
    let call = async {
        ground.own.delete_object().bucket(&slice.bucket).key(&key).send().await.map_err(read_error)?;
        Ok((Outcome::Allowed, String::from("OK")))
    };
    let answer = ask(pair, format!("DeleteObject `{}/{key}`", slice.bucket), call).await;
    let seen = held(owner, slice, &key).await.map(|body| body.is_none());
    Change { answer, seen }
}
