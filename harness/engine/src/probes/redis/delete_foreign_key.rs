//! `redis.delete-foreign-key`. Leaves out FLUSHDB, which takes every tenant's keys at once: the fault `flush` does it.

use bulkhead_model::{Class, Service};
use bulkhead_target::Error;

use super::ground::limit;
use crate::probes::{About, Attempt, Attempting, Change, Pair, Probe, Side};

pub(super) struct DeleteForeignKey;

impl Probe for DeleteForeignKey {
    fn about(&self) -> &About {
        const {
            &About::new(
                Service::Redis,
                "redis.delete-foreign-key",
                Class::Delete,
                "Deletes a key that the neighbour wrote.",
            )
        }
    }

    fn fix(&self, pair: &Pair<'_>) -> String {
        limit(pair)
    }

    fn attempt<'a>(&'a self, pair: &'a Pair<'a>, side: Side) -> Attempting<'a> {
        Box::pin(async move {
            let ground = pair.redis().await?;
            let key = pair.tenant(side).slices.redis.key("bulkhead:doomed");
            if let Some(mut owner) = ground.owner(side) {
                let planted: Result<(), _> = redis::Cmd::set(&key, "doomed").query_async(&mut owner).await;
                planted.map_err(Error::serve(Service::Redis, format!("plant `{key}`")))?;
            }
            let answer = ground.ask(pair, redis::Cmd::del(&key)).await;
            let seen = ground.held(side, &key).await.map(|held| held.map(|value| value.is_none()));
            Ok(Attempt::Changed(Change { answer, seen }))
        })
    }
}
