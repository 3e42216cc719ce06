//! `redis.set-foreign-key`. Leaves out publishing to the neighbour's channels and writing other logical databases.

use bulkhead_model::{Class, Service};

use super::ground::limit;
use crate::probes::{About, Attempt, Attempting, Change, Pair, Probe, Side, pair::SET};

pub(super) struct SetForeignKey;

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

    fn attempt<'a>(&'a self, pair: &'a Pair<'a>, side: Side) -> Attempting<'a> {
        Box::pin(async move {
            let (ground, marker) = (pair.redis().await?, pair.token(SET));
            let key = pair.tenant(side).slices.redis.key("bulkhead:written");
            let answer = ground.ask(pair, redis::Cmd::set(&key, &marker)).await;
            let held = ground.held(side, &key).await;
            let seen = held.map(|held| held.map(|value| value.as_deref() == Some(marker.as_str())));
            Ok(Attempt::Changed(Change { answer, seen }))
        })
    }
}
