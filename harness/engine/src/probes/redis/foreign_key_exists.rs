//! `redis.foreign-key-exists`. Leaves out SCAN, RANDOMKEY, DBSIZE and tracking, which no key permission fences.

use async_trait::async_trait;
use bulkhead_model::{Class, Service};
use bulkhead_target::Error;

use super::ground::{key, limit};
use crate::probes::{About, Attempt, Pair, Probe, Side};

pub(super) struct ForeignKeyExists;

#[async_trait]
impl Probe for ForeignKeyExists {
    fn about(&self) -> &About {
        const {
            &About::new(
                Service::Redis,
                "redis.foreign-key-exists",
                Class::Enumerate,
                "Asks whether a key of the neighbour's exists, and whether the answer differs from that for a missing one.",
            )
        }
    }

    fn fix(&self, pair: &Pair<'_>) -> String {
        limit(pair)
    }

    /// Two refusals that differ tell as much as an answer.
    async fn attempt(&self, pair: &Pair<'_>, side: Side) -> Result<Attempt, Error> {
        let (ground, slice) = (pair.redis().await?, &pair.tenant(side).slices.redis);
        let there = ground.ask(pair, redis::Cmd::exists(key(slice))).await;
        let missing = ground.ask(pair, redis::Cmd::exists(slice.key("bulkhead:missing"))).await;
        Ok(Attempt::Seen(there.told_apart_from(&missing, &[])))
    }
}
