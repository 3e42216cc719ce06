//! `s3.put-foreign-object`. Leaves out copies, multipart uploads and presigned URLs.

use async_trait::async_trait;
use aws_sdk_s3::{Client, primitives::ByteStream};
use bulkhead_model::{Class, Service};
use bulkhead_model::{Outcome, S3Slice};
use bulkhead_target::Error;

use super::ground::{Ground, ask, held, limit, read_error, written};
use crate::probes::{Finding, Pair, Probe, finding::Change};

pub(super) struct PutForeignObject;

#[async_trait]
impl Probe for PutForeignObject {
    fn name(&self) -> &'static str {
        "s3.put-foreign-object"
    }

    fn service(&self) -> Service {
        Service::S3
    }

    fn class(&self) -> Class {
        Class::Write
    }

    fn sentence(&self) -> &'static str {
        "Uploads an object into the neighbour's slice."
    }

    fn fix(&self, pair: &Pair<'_>) -> String {
        limit(pair)
    }

    async fn run(&self, pair: &Pair<'_>) -> Result<Finding, Error> {
        let ground = Ground::plant(pair).await?;
        let control = put(pair, &ground, &pair.from.tenant.slices.s3, &ground.own).await;
        let attempt = put(pair, &ground, &pair.to.tenant.slices.s3, &ground.victim).await;
        Ok(Finding::of_change(pair, &control, &attempt))
    }
}

async fn put(pair: &Pair<'_>, ground: &Ground, slice: &S3Slice, owner: &Client) -> Change {
    let key = written(slice);
    let body = ByteStream::from(pair.marker().as_bytes().to_vec());
    let call = async {
        let put = ground
            .own
            .put_object()
            .bucket(&slice.bucket)
            .key(&key)
            .body(body)
            .send()
            .await
            .map_err(read_error)?;
        Ok((Outcome::Allowed, format!("OK, ETag {}", put.e_tag().unwrap_or("none"))))
    };
    let answer = ask(pair, format!("PutObject `{}/{key}`", slice.bucket), call).await;
    let seen = held(owner, slice, &key).await.map(|body| body.as_deref() == Some(pair.marker()));
    Change { answer, seen }
}
