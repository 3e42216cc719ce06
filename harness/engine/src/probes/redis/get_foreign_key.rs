//! `redis.get-foreign-key`. Leaves out the other forty commands that read a key: one permission covers them.

use bulkhead_model::{Class, Service};

use super::ground::{key, limit};
use crate::probes::{About, Attempt, Attempting, Pair, Probe, Side};

pub(super) struct GetForeignKey;

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

    fn attempt<'a>(&'a self, pair: &'a Pair<'a>, side: Side) -> Attempting<'a> {
        Box::pin(async move {
            let get = redis::Cmd::get(key(&pair.tenant(side).slices.redis));
            Ok(Attempt::Seen(pair.redis().await?.ask(pair, get).await))
        })
    }
}
