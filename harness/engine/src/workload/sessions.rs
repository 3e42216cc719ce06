//! `redis.sessions`: sessions that live for a time and longer whenever somebody touches them. Clients create them, touch
//! them some times, and look at them until they are gone.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use ::redis::aio::MultiplexedConnection;
use bulkhead_model::{
    Act, Found, Service, Unit,
    scenario::{Chosen, Kind, Shape, Wanted},
};
use bulkhead_target::{Error, clients as connections};
use tokio::time::Instant;

use super::{
    RATE, Stage, WORD, Working, Workload,
    clients::{Doer, Performed, work_together},
    redis,
};
use crate::{
    cost::{Cost, Span},
    seed::Seed,
};

/// How often a session is touched at most.
const TOUCHES: u64 = 4;

/// The workload.
pub(super) struct Sessions;

impl Workload for Sessions {
    fn shape(&self) -> Shape<'static> {
        Shape {
            name: "redis.sessions",
            about: "Clients create sessions with a time to live, touch them, which extends it, and look at them until they \
                    are gone.",
            settings: &[
                Wanted { name: "clients", kind: Kind::Amount(Unit::Count, 1..=32), usual: Some("4") },
                Wanted { name: "sessions", kind: Kind::Amount(Unit::Count, 1..=1000), usual: Some("8") },
                Wanted { name: "rate", kind: RATE, usual: Some("200/s") },
                Wanted { name: "ttl", kind: Kind::Amount(Unit::Time, 100..=3_600_000), usual: Some("400ms") },
            ],
        }
    }

    fn service(&self) -> Service {
        Service::Redis
    }

    /// Next to nothing: a session begins when it is created.
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
            let places = (0..stage.chosen.amount("sessions")).map(|_| Mutex::new(None)).collect::<Vec<_>>();
            let visitor = |number, name: &str| Visitor {
                stage,
                places: &places,
                lives: stage.chosen.amount("ttl"),
                number,
                count: 0,
                seed: stage.seed.child(name),
            };
            work_together(self, stage, visitor).await;
            Ok(())
        })
    }
}

/// A session that may be there.
struct Session {
    key: String,
    created: Instant,
    /// How often it is to be touched yet.
    touches: u64,
}

/// One client.
struct Visitor<'a, 's> {
    stage: &'a Stage<'s>,
    /// The sessions of all clients, each in its place.
    places: &'a [Mutex<Option<Session>>],
    /// How long they live, in milliseconds.
    lives: u64,
    number: u64,
    /// Operations so far.
    count: u64,
    seed: Seed,
}

impl Doer for Visitor<'_, '_> {
    type Line = MultiplexedConnection;

    async fn connect(&self) -> Result<MultiplexedConnection, Error> {
        connections::redis::connect(self.stage.access).await
    }

    fn next(&mut self) -> Act {
        self.count += 1;
        let drawn = self.seed.child(&self.count.to_string());
        let draw = |name: &str, among: u64| drawn.child(name).number() % among.max(1);
        let tenant = &self.stage.access.tenant;
        let value = format!("{}.{}.{}.{}", tenant.name, self.number, self.count, drawn.letters(WORD));
        let index = usize::try_from(draw("place", self.places.len().try_into().unwrap_or(1))).unwrap_or(0);
        let mut place =
            self.places.get(index).map(|place| place.lock().unwrap_or_else(PoisonError::into_inner));
        let Some(place) = place.as_deref_mut() else {
            return Act::Look { key: tenant.slices.redis.key("bulkhead:session") };
        };
        match place {
            Some(session) if session.touches > 0 && draw("act", 2) == 0 => {
                session.touches -= 1;
                Act::Touch { key: session.key.clone(), lives: self.lives }
            }
            Some(session) => Act::Look { key: session.key.clone() },
            None => {
                let key = tenant.slices.redis.key(&format!("bulkhead:session:{value}"));
                let touches = draw("touches", TOUCHES + 1);
                *place = Some(Session { key: key.clone(), created: Instant::now(), touches });
                Act::Keep { key, value, lives: self.lives, evictable: false }
            }
        }
    }

    fn price(&self, _: &Act) -> Cost {
        redis::ACT
    }

    async fn perform(&mut self, connection: &mut MultiplexedConnection, act: &Act) -> Performed {
        let found = redis::keep_for_a_time(connection, act).await?;
        if let (Act::Look { key } | Act::Touch { key, .. }, Some(Found::Value(None))) = (act, &found) {
            self.leave(key);
        }
        Ok(found)
    }
}

impl Visitor<'_, '_> {
    /// The session is gone; another takes its place, unless somebody may only be creating it.
    fn leave(&self, key: &str) {
        let old = Duration::from_millis(self.lives);
        for place in self.places {
            let mut place = place.lock().unwrap_or_else(PoisonError::into_inner);
            if place.as_ref().is_some_and(|session| session.key == key && session.created.elapsed() >= old) {
                *place = None;
            }
        }
    }
}
