//! `s3.get-foreign-object`. Leaves out HEAD, ranges and versions: one capability covers them.

use async_trait::async_trait;
use bulkhead_model::{Class, Outcome, Service};
use bulkhead_target::Error;

use super::ground::{ask, key, limit, read_error};
use crate::probes::{About, Attempt, Pair, Probe, Side};

pub(super) struct GetForeignObject;

#[async_trait]
impl Probe for GetForeignObject {
    fn about(&self) -> &About {
        const {
            &About::new(
                Service::S3,
                "s3.get-foreign-object",
                Class::Read,
                "Downloads an object that the neighbour uploaded.",
            )
            .by_name()
        }
    }

    fn fix(&self, pair: &Pair<'_>) -> String {
        limit(pair)
    }

    async fn attempt(&self, pair: &Pair<'_>, side: Side) -> Result<Attempt, Error> {
        let (ground, slice) = (pair.s3().await?, &pair.tenant(side).slices.s3);
        let key = key(slice);
        let call = async {
            let object =
                ground.own.get_object().bucket(&slice.bucket).key(&key).send().await.map_err(read_error)?;
            // The answer came with the head; a body that breaks off is still an answer.
            let body = object.body.collect().await.map(|bytes| bytes.into_bytes()).unwrap_or_default();
            Ok((Outcome::Allowed, String::from_utf8_lossy(&body).into_owned()))
        };
        Ok(Attempt::Seen(ask(pair, format!("GetObject `{}/{key}`", slice.bucket), call).await))
    }
}
