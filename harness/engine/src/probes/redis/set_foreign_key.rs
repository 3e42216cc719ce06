//! `redis.set-foreign-key`. Leaves out publishing to the neighbour's channels and writing other logical databases.

use async_trait::async_trait;
use bulkhead_model::{Class, Service};
use bulkhead_target::Error;

use super::ground::limit;
use crate::probes::{About, Attempt, Change, Pair, Probe, Side};

pub(super) struct SetForeignKey;

#[async_trait]
impl Probe for SetForeignKey {
    fn about(&self) -> &About {
        const {
            &About::new(
                Service::Redis,
                "redis.set-foreign-key",
                Class::Write,
                "Writes a new key under the neighbour's prefix.",
            )
        }
    }

    fn fix(&self, pair: &Pair<'_>) -> String {
        limit(pair)
    }

    async fn attempt(&self, pair: &Pair<'_>, side: Side) -> Result<Attempt, Error> {
        let (ground, marker) = (pair.redis().await?, pair.token("set"));
        let key = pair.tenant(side).slices.redis.key("bulkhead:written");
        let answer = ground.ask(pair, redis::Cmd::set(&key, &marker)).await;
        let held = ground.held(side, &key).await;
        let seen = held.map(|held| held.map(|value| value.as_deref() == Some(marker.as_str())));
        Ok(Attempt::Changed(Change { answer, seen }))
    }
}
