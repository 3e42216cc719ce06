//! `redis.foreign-key-exists`. Leaves out SCAN, RANDOMKEY, DBSIZE and tracking, which no key permission fences.

use bulkhead_model::{Class, Service};

use super::ground::{key, limit};
use crate::probes::{About, Attempt, Attempting, Pair, Probe, Side};

pub(super) struct ForeignKeyExists;

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
    fn attempt<'a>(&'a self, pair: &'a Pair<'a>, side: Side) -> Attempting<'a> {
        Box::pin(async move {
            let (ground, slice) = (pair.redis().await?, &pair.tenant(side).slices.redis);
            let there = ground.ask(pair, redis::Cmd::exists(key(slice))).await;
            let missing = ground.ask(pair, redis::Cmd::exists(slice.key("bulkhead:missing"))).await;
            Ok(Attempt::Seen(there.told_apart_from(&missing, &[])))
        })
    }
}
