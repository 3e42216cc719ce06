//! `redis.set-foreign-key`. Leaves out publishing to the neighbour's channels and writing other logical databases.

use async_trait::async_trait;
use bulkhead_model::{Class, RedisSlice, Service};
use bulkhead_target::Error;
use redis::aio::MultiplexedConnection;

use super::ground::{Ground, held, limit, written};
use crate::probes::{Finding, Pair, Probe, finding::Change};

pub(super) struct SetForeignKey;

#[async_trait]
impl Probe for SetForeignKey {
    fn name(&self) -> &'static str {
        "redis.set-foreign-key"
    }

    fn service(&self) -> Service {
        Service::Redis
    }

    fn class(&self) -> Class {
        Class::Write
    }

    fn sentence(&self) -> &'static str {
        "Writes a new key under the neighbour's prefix."
    }

    fn fix(&self, pair: &Pair<'_>) -> String {
        limit(pair)
    }

    async fn run(&self, pair: &Pair<'_>) -> Result<Finding, Error> {
        let mut ground = Ground::plant(pair).await?;
        let (own, victim) = (ground.own.clone(), ground.victim.clone());
        let control = set(pair, &mut ground, &pair.from.tenant.slices.redis, own).await;
        let attempt = set(pair, &mut ground, &pair.to.tenant.slices.redis, victim).await;
        Ok(Finding::of_change(pair, &control, &attempt))
    }
}

async fn set(
    pair: &Pair<'_>,
    ground: &mut Ground,
    slice: &RedisSlice,
    mut owner: MultiplexedConnection,
) -> Change {
    let key = written(slice);
    let answer = ground.ask(pair, redis::Cmd::set(&key, pair.marker())).await;
    let seen = held(&mut owner, &key).await.map(|value| value.as_deref() == Some(pair.marker()));
    Change { answer, seen }
}
