//! `s3.delete-foreign-object`. Leaves out deleting a version, which needs a capability of its own, and whole buckets.

use async_trait::async_trait;
use bulkhead_model::{Class, Outcome, Service};
use bulkhead_target::Error;

use super::ground::{ask, limit, put, read_error};
use crate::probes::{About, Attempt, Change, Pair, Probe, Side};

pub(super) struct DeleteForeignObject;

#[async_trait]
impl Probe for DeleteForeignObject {
    fn about(&self) -> &About {
        const {
            &About::new(
                Service::S3,
                "s3.delete-foreign-object",
                Class::Delete,
                "Deletes an object that the neighbour uploaded.",
            )
        }
    }

    fn fix(&self, pair: &Pair<'_>) -> String {
        limit(pair)
    }

    async fn attempt(&self, pair: &Pair<'_>, side: Side) -> Result<Attempt, Error> {
        let (ground, slice) = (pair.s3().await?, &pair.tenant(side).slices.s3);
        let key = slice.key("bulkhead/doomed");
        if let Some(owner) = ground.owner(side) {
            put(owner, slice, &key, "doomed").await?;
        }
        let call = async {
            let delete = ground.own.delete_object().bucket(&slice.bucket).key(&key);
            delete.send().await.map_err(read_error)?;
            Ok((Outcome::Allowed, String::from("OK")))
        };
        let answer = ask(pair, format!("DeleteObject `{}/{key}`", slice.bucket), call).await;
        let seen = ground.held(pair, side, &key).await.map(|held| held.map(|body| body.is_none()));
        Ok(Attempt::Changed(Change { answer, seen }))
    }
}
