//! `redis.delete-foreign-key`. Leaves out FLUSHDB, which takes every tenant's keys at once and belongs to faults.

use async_trait::async_trait;
use bulkhead_model::{Class, RedisSlice, Service};
use bulkhead_target::Error;
use redis::aio::MultiplexedConnection;

use super::ground::{Ground, held, key, limit};
use crate::probes::{Finding, Pair, Probe, finding::Change};

pub(super) struct DeleteForeignKey;

#[async_trait]
impl Probe for DeleteForeignKey {
    fn name(&self) -> &'static str {
        "redis.delete-foreign-key"
    }

    fn service(&self) -> Service {
        Service::Redis
    }

    fn class(&self) -> Class {
        Class::Delete
    }

    fn sentence(&self) -> &'static str {
        "Deletes a key that the neighbour wrote."
    }

    fn fix(&self, pair: &Pair<'_>) -> String {
        limit(pair)
    }

    async fn run(&self, pair: &Pair<'_>) -> Result<Finding, Error> {
        let mut ground = Ground::plant(pair).await?;
        let (own, victim) = (ground.own.clone(), ground.victim.clone());
        let control = delete(pair, &mut ground, &pair.from.tenant.slices.redis, own).await;
        let attempt = delete(pair, &mut ground, &pair.to.tenant.slices.redis, victim).await;
        Ok(Finding::of_change(pair, &control, &attempt))
    }
}

async fn delete(
    pair: &Pair<'_>,
    ground: &mut Ground,
    slice: &RedisSlice,
    mut owner: MultiplexedConnection,
) -> Change {
    let key = key(slice);
    let answer = ground.ask(pair, redis::Cmd::del(&key)).await;
    let seen = held(&mut owner, &key).await.map(|value| value.is_none());
    Change { answer, seen }
}
