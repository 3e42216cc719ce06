//! Probes and items of the checklist under faults: each part of a round again and again over links of the case's own while
//! the faults come and go, and one whole round when all are over.
//!
//! A round that a fault meets may go unanswered, which is no error; what it lets through is in the history all the same.
//! The last round, after the history says that all is healed, is the one that has to be whole.

use std::{any::Any, time::Duration};

use bulkhead_model::{Service, history::EventKind, scenario::Chosen};
use bulkhead_target::{Error, Target, TenantAccess, clients};
use futures::future::join_all;
use tokio::{
    sync::watch,
    time::{Instant, MissedTickBehavior, interval, sleep},
};

use crate::{
    CALL_DEADLINE,
    faults::Ground,
    inject::inject_all,
    links::{Breaker, Links},
    scribe::Scribe,
    seed::Seed,
};

/// How often a part begins at most: one that is refused at once is not to fill the history.
const ROUND: Duration = Duration::from_millis(250);

/// How long a pool's connections are kept.
const RENEWED: Duration = Duration::from_millis(500);

/// What rounds are made in.
pub(crate) struct Siege<'a> {
    pub(crate) faults: &'a [Chosen],
    /// Whose links the faults are on.
    pub(crate) access: &'a TenantAccess,
    pub(crate) neighbour: Option<&'a TenantAccess>,
    /// The services that a round reaches.
    pub(crate) services: &'a [Service],
    pub(crate) target: &'a dyn Target,
    /// Which proxy breaks the links.
    pub(crate) breaker: Breaker,
    pub(crate) seed: &'a Seed,
    pub(crate) scribe: &'a Scribe<'a>,
}

impl Siege<'_> {
    /// Makes the rounds with the access that leads over the links: of so many parts each by itself, so that a slow one keeps
    /// none from meeting a fault, and at the end all at once, for which no part is named.
    ///
    /// # Errors
    /// When a link could not be opened, a fault not be begun or undone, or why the last round could not go on.
    pub(crate) async fn hold<E: From<Error>>(
        &self,
        parts: usize,
        round: impl AsyncFn(&TenantAccess, Option<usize>) -> Result<(), E>,
    ) -> Result<(), E> {
        let links = Links::broken_by(self.breaker, self.seed).await?;
        let through = links.through(self.access, self.services).await?;
        let pool = Pool::open(&through, self.services).await?;
        let held = self.rounds(&links, (&through, pool), parts, &round).await;
        let closed = links.close().await;
        held.and(closed.map_err(E::from))
    }

    async fn rounds<E: From<Error>>(
        &self,
        links: &Links,
        (through, mut pool): (&TenantAccess, Pool),
        parts: usize,
        round: &impl AsyncFn(&TenantAccess, Option<usize>) -> Result<(), E>,
    ) -> Result<(), E> {
        let (ends, over) = watch::channel(false);
        // No fault is cut short by the work: the work goes on until they are over.
        let (_over, never) = watch::channel(false);
        let round_once = watch::Sender::new(0);
        let timeline = async {
            // A fault is to meet work, however slow the machine: its time counts from when each part was done once.
            let mut once = round_once.subscribe();
            let _never_gone = once.wait_for(|once| *once >= parts).await;
            let begun = Instant::now();
            let ground = |number| Ground::new(links, through, self.target, self.neighbour, number);
            let injected = inject_all(self.faults, begun, ground, self.scribe, never).await;
            ends.send_replace(true);
            injected
        };
        let (over, round_once) = (&over, &round_once);
        let working = join_all((0..parts).map(|part| async move {
            let mut turn = interval(ROUND);
            turn.set_missed_tick_behavior(MissedTickBehavior::Delay);
            turn.tick().await;
            let _what_it_found_is_in_the_history = round(through, Some(part)).await;
            round_once.send_modify(|once| *once += 1);
            while !*over.borrow() {
                turn.tick().await;
                tokio::select! {
                    _what_a_fault_did = round(through, Some(part)) => {}
                    () = given_up(over.clone()) => {}
                }
            }
        }));
        let pooling = async {
            while !*over.borrow() {
                sleep(RENEWED).await;
                // What cannot be had anew is kept as it is.
                if let Ok(anew) = Pool::open(through, self.services).await {
                    pool = anew;
                }
            }
        };
        let (injected, _, ()) = futures::join!(timeline, working, pooling);
        injected?;
        self.scribe.record(EventKind::Healed);
        round(through, None).await
    }
}

/// Connections that lie idle beside the rounds and are renewed now and then, as in any app's pool: a fault that cuts links
/// or ends sessions meets them between two rounds, and one of who connects in the middle of a long one.
struct Pool(#[expect(dead_code, reason = "held for what ends with it")] Vec<Box<dyn Any + Send>>);

impl Pool {
    async fn open(through: &TenantAccess, services: &[Service]) -> Result<Self, Error> {
        let mut idle: Vec<Box<dyn Any + Send>> = Vec::new();
        for service in services {
            idle.push(match service {
                Service::Postgres => Box::new(clients::postgres::connect(through).await?),
                Service::Redis => Box::new(clients::redis::connect(through).await?),
                Service::Rabbitmq => Box::new(clients::rabbitmq::connect(through).await?),
                Service::S3 => {
                    let client = clients::s3::client(through)?;
                    let bucket = &through.tenant.slices.s3.bucket;
                    let asked = client.list_objects_v2().bucket(bucket).max_keys(1);
                    let asked = asked.prefix(through.tenant.slices.s3.key("")).send().await;
                    asked.map_err(Error::serve(Service::S3, format!("list bucket `{bucket}`")))?;
                    Box::new(client)
                }
            });
        }
        Ok(Self(idle))
    }
}

/// Returns when a round that goes on has had its time after the faults: a client may wait for ever for what a server that
/// was killed would have said.
async fn given_up(mut over: watch::Receiver<bool>) {
    let _gone = over.wait_for(|over| *over).await;
    sleep(CALL_DEADLINE).await;
}
