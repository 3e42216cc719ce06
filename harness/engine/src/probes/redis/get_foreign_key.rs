//! `redis.get-foreign-key`. Leaves out the other forty commands that read a key: one permission covers them.

use async_trait::async_trait;
use bulkhead_model::{Class, Service};
use bulkhead_target::Error;

use super::ground::{Ground, key, limit};
use crate::probes::{Finding, Pair, Probe};

pub(super) struct GetForeignKey;

#[async_trait]
impl Probe for GetForeignKey {
    fn name(&self) -> &'static str {
        "redis.get-foreign-key"
    }

    fn service(&self) -> Service {
        Service::Redis
    }

    fn class(&self) -> Class {
        Class::Read
    }

    fn sentence(&self) -> &'static str {
        "Reads a key that the neighbour wrote."
    }

    fn fix(&self, pair: &Pair<'_>) -> String {
        limit(pair)
    }

    async fn run(&self, pair: &Pair<'_>) -> Result<Finding, Error> {
        let mut ground = Ground::plant(pair).await?;
        let get = |prefix| redis::Cmd::get(key(prefix));
        let control = ground.ask(pair, get(&pair.from.tenant.slices.redis)).await;
        let attempt = ground.ask(pair, get(&pair.to.tenant.slices.redis)).await;
        Ok(Finding::of_reading(pair, &control, &attempt))
    }
}
