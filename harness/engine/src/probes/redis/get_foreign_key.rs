//! `redis.get-foreign-key`. Leaves out the other forty commands that read a key: one permission covers them.

use async_trait::async_trait;
use bulkhead_model::{Class, Service};
use bulkhead_target::Error;

use super::ground::{key, limit};
use crate::probes::{About, Attempt, Pair, Probe, Side};

pub(super) struct GetForeignKey;

#[async_trait]
impl Probe for GetForeignKey {
    fn about(&self) -> &About {
        const {
            &About::new(
                Service::Redis,
                "redis.get-foreign-key",
                Class::Read,
                "Reads a key that the neighbour wrote.",
            )
            .by_name()
        }
    }

    fn fix(&self, pair: &Pair<'_>) -> String {
        limit(pair)
    }

    async fn attempt(&self, pair: &Pair<'_>, side: Side) -> Result<Attempt, Error> {
        let get = redis::Cmd::get(key(&pair.tenant(side).slices.redis));
        Ok(Attempt::Seen(pair.redis().await?.ask(pair, get).await))
    }
}
