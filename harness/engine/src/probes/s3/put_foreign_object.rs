//! `s3.put-foreign-object`. Leaves out copies, multipart uploads and presigned URLs.

use async_trait::async_trait;
use aws_sdk_s3::primitives::ByteStream;
use bulkhead_model::{Class, Outcome, Service};
use bulkhead_target::Error;

use super::ground::{ask, limit, read_error};
use crate::probes::{About, Attempt, Change, Pair, Probe, Side};

pub(super) struct PutForeignObject;

#[async_trait]
impl Probe for PutForeignObject {
    fn about(&self) -> &About {
        const {
            &About::new(
                Service::S3,
                "s3.put-foreign-object",
                Class::Write,
                "Uploads an object into the neighbour's slice.",
            )
        }
    }

    fn fix(&self, pair: &Pair<'_>) -> String {
        limit(pair)
    }

    async fn attempt(&self, pair: &Pair<'_>, side: Side) -> Result<Attempt, Error> {
        let (ground, slice) = (pair.s3().await?, &pair.tenant(side).slices.s3);
        let (key, marker) = (slice.key("bulkhead/written"), pair.token("put"));
        let body = ByteStream::from(marker.clone().into_bytes());
        let call = async {
            let put = ground.own.put_object().bucket(&slice.bucket).key(&key).body(body);
            let put = put.send().await.map_err(read_error)?;
            Ok((Outcome::Allowed, format!("OK, ETag {}", put.e_tag().unwrap_or("none"))))
        };
        let answer = ask(pair, format!("PutObject `{}/{key}`", slice.bucket), call).await;
        let held = ground.held(pair, side, &key).await;
        let seen = held.map(|held| held.map(|body| body.as_deref() == Some(marker.as_str())));
        Ok(Attempt::Changed(Change { answer, seen }))
    }
}
