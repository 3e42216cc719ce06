//! `redis.foreign-key-exists`. Leaves out SCAN, RANDOMKEY, DBSIZE and tracking, which no key permission fences.

use async_trait::async_trait;
use bulkhead_model::{Class, RedisSlice, Service};
use bulkhead_target::Error;

use super::ground::{Ground, key, limit};
use crate::probes::{Finding, Pair, Probe, answer::Answer};

pub(super) struct ForeignKeyExists;

#[async_trait]
impl Probe for ForeignKeyExists {
    fn name(&self) -> &'static str {
        "redis.foreign-key-exists"
    }

    fn service(&self) -> Service {
        Service::Redis
    }

    fn class(&self) -> Class {
        Class::Enumerate
    }

    fn sentence(&self) -> &'static str {
        "Asks whether a key of the neighbour's exists, and whether the answer differs from that for a missing one."
    }

    fn fix(&self, pair: &Pair<'_>) -> String {
        limit(pair)
    }

    async fn run(&self, pair: &Pair<'_>) -> Result<Finding, Error> {
        let mut ground = Ground::plant(pair).await?;
        let control = exists(pair, &mut ground, &pair.from.tenant.slices.redis).await;
        let attempt = exists(pair, &mut ground, &pair.to.tenant.slices.redis).await;
        Ok(Finding::of_reading(pair, &control, &attempt))
    }
}

/// Two refusals that differ tell as much as an answer.
async fn exists(pair: &Pair<'_>, ground: &mut Ground, slice: &RedisSlice) -> Answer {
    let there = ground.ask(pair, redis::Cmd::exists(key(slice))).await;
    let missing = ground.ask(pair, redis::Cmd::exists(slice.key("bulkhead:missing"))).await;
    there.told_apart_from(&missing, &[])
}
