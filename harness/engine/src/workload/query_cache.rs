//! `redis.query-cache`: answers to queries, kept for a time. Clients get them, set them after a miss, and invalidate them
//! now and then.
//!
//! What is set is new each time, as if the database had changed meanwhile, so that every answer tells who set it and when.

use ::redis::aio::MultiplexedConnection;
use bulkhead_model::{
    Act, Found, Service, Unit,
    scenario::{Chosen, Kind, Shape, Wanted},
};
use bulkhead_target::{Error, clients as connections};

use super::{
    RATE, Stage, WORD, Working, Workload,
    clients::{Doer, Performed, work_together},
    redis,
};
use crate::{
    cost::{Cost, Span},
    seed::Seed,
};

/// Of so many operations one invalidates.
const INVALIDATES: u64 = 16;

/// The workload.
pub(super) struct QueryCache;

impl Workload for QueryCache {
    fn shape(&self) -> Shape<'static> {
        Shape {
            name: "redis.query-cache",
            about: "Clients get entries, set them with a time to live after a miss, and invalidate them now and then.",
            settings: &[
                Wanted { name: "clients", kind: Kind::Amount(Unit::Count, 1..=32), usual: Some("4") },
                Wanted { name: "entries", kind: Kind::Amount(Unit::Count, 1..=1000), usual: Some("8") },
                Wanted { name: "rate", kind: RATE, usual: Some("200/s") },
                Wanted { name: "ttl", kind: Kind::Amount(Unit::Time, 100..=3_600_000), usual: Some("300ms") },
            ],
        }
    }

    fn service(&self) -> Service {
        Service::Redis
    }

    /// Next to nothing: a cache begins empty.
    fn prepare<'a>(&'a self, stage: &'a Stage<'a>) -> Working<'a> {
        Box::pin(redis::tell(stage))
    }

    fn preparing(&self, _: &Chosen) -> Cost {
        redis::telling()
    }

    fn allowance(&self, chosen: &Chosen, span: Span) -> Cost {
        redis::allowance(redis::ACT, chosen, span)
    }

    fn work<'a>(&'a self, stage: &'a Stage<'a>) -> Working<'a> {
        Box::pin(async move {
            let asker = |number, name: &str| Asker {
                stage,
                number,
                count: 0,
                missed: None,
                seed: stage.seed.child(name),
            };
            work_together(self, stage, asker).await;
            Ok(())
        })
    }
}

/// One client.
struct Asker<'a, 's> {
    stage: &'a Stage<'s>,
    number: u64,
    /// Operations so far.
    count: u64,
    /// What it has just not found and sets next.
    missed: Option<String>,
    seed: Seed,
}

impl Doer for Asker<'_, '_> {
    type Line = MultiplexedConnection;

    async fn connect(&self) -> Result<MultiplexedConnection, Error> {
        connections::redis::connect(self.stage.access).await
    }

    fn next(&mut self) -> Act {
        self.count += 1;
        let (tenant, chosen) = (&self.stage.access.tenant, self.stage.chosen);
        let drawn = self.seed.child(&self.count.to_string());
        if let Some(key) = self.missed.take() {
            let value = format!("{}.{}.{}.{}", tenant.name, self.number, self.count, drawn.letters(WORD));
            return Act::Keep { key, value, lives: chosen.amount("ttl"), evictable: true };
        }
        let entry = drawn.child("entry").number() % chosen.amount("entries").max(1) + 1;
        let key = tenant.slices.redis.key(&format!("bulkhead:cache:{entry}"));
        if drawn.child("act").number().is_multiple_of(INVALIDATES) {
            Act::Forget { key }
        } else {
            Act::Look { key }
        }
    }

    fn price(&self, _: &Act) -> Cost {
        redis::ACT
    }

    async fn perform(&mut self, connection: &mut MultiplexedConnection, act: &Act) -> Performed {
        let found = redis::keep_for_a_time(connection, act).await?;
        if let (Act::Look { key }, Some(Found::Value(None))) = (act, &found) {
            self.missed = Some(key.clone());
        }
        Ok(found)
    }
}
