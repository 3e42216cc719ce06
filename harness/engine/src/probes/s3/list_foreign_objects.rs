//! `s3.list-foreign-objects`. Leaves out listing buckets, versions and unfinished uploads.

use async_trait::async_trait;
use bulkhead_model::{Class, Outcome, Service};
use bulkhead_target::Error;

use super::ground::{ask, limit, read_error};
use crate::probes::{About, Attempt, Pair, Probe, Side};

pub(super) struct ListForeignObjects;

#[async_trait]
impl Probe for ListForeignObjects {
    fn about(&self) -> &About {
        const {
            &About::new(
                Service::S3,
                "s3.list-foreign-objects",
                Class::Enumerate,
                "Lists the names of the neighbour's objects.",
            )
            .by_name()
        }
    }

    fn fix(&self, pair: &Pair<'_>) -> String {
        limit(pair)
    }

    async fn attempt(&self, pair: &Pair<'_>, side: Side) -> Result<Attempt, Error> {
        let (ground, slice) = (pair.s3().await?, &pair.tenant(side).slices.s3);
        let prefix = slice.key("bulkhead/");
        let call = async {
            let list = ground.own.list_objects_v2().bucket(&slice.bucket).prefix(&prefix);
            let listed = list.send().await.map_err(read_error)?;
            let keys: Vec<_> = listed.contents().iter().filter_map(|object| object.key()).collect();
            let outcome = if keys.is_empty() { Outcome::Invisible } else { Outcome::Allowed };
            Ok((outcome, format!("{} keys: {}", keys.len(), keys.join(", "))))
        };
        Ok(Attempt::Seen(ask(pair, format!("ListObjectsV2 `{}/{prefix}*`", slice.bucket), call).await))
    }
}
