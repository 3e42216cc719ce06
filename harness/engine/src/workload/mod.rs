//! Workloads: the uses that apps make of a service, as careful apps make them. A workload never learns which fault is on.
//!
//! A new one is a file and a line in [`ALL`].

use std::time::Duration;

use bulkhead_model::{
    Service, Slices,
    scenario::{Chosen, Kind, Shape},
};
use bulkhead_target::{Error, TenantAccess};
use futures::future::BoxFuture;
use tokio::{sync::watch, time::Instant};

use crate::{
    cost::{Cost, Meter, Span},
    links::Breaker,
    scribe::Scribe,
    seed::Seed,
};

mod back_off;
mod beside;
mod clients;
mod engine_state;
mod ledger;
mod metrics_log;
mod postgres;
mod pub_sub;
mod query_cache;
pub(crate) mod rabbitmq;
mod rate_limit;
mod redis;
mod s3;
mod s3_assets;
mod s3_backups;
mod s3_config;
mod s3_logs;
mod sessions;
mod set;

pub(crate) use beside::beside;

/// Every workload.
pub const ALL: [&dyn Workload; 15] = [
    &engine_state::EngineState,
    &metrics_log::MetricsLog,
    &ledger::Ledger,
    &query_cache::QueryCache,
    &rate_limit::RateLimit,
    &pub_sub::PubSub,
    &sessions::Sessions,
    &rabbitmq::Tasks,
    &rabbitmq::Calls,
    &rabbitmq::Events,
    &rabbitmq::Pipeline,
    &s3_config::Config,
    &s3_logs::Logs,
    &s3_backups::Backups,
    &s3_assets::Assets,
];

/// The longest that one operation may take before its outcome counts as unknown.
pub(crate) const OPERATION: Duration = Duration::from_secs(5);

/// What the `rate` of most workloads may be.
const RATE: Kind = Kind::Rate(1..=600_000);

/// How many letters of the seed a small value ends in.
const WORD: usize = 8;

/// A use of a service.
pub trait Workload: Sync {
    /// Its name, `<service>.<word>`, and what it may be told.
    fn shape(&self) -> Shape<'static>;

    /// Where.
    fn service(&self) -> Service;

    /// Makes what it works on. Nothing is broken yet.
    ///
    /// # Errors
    /// What the server refused.
    fn prepare<'a>(&'a self, stage: &'a Stage<'a>) -> Working<'a>;

    /// What preparing costs at most.
    fn preparing(&self, _: &Chosen) -> Cost {
        Cost::NONE
    }

    /// What working may cost in that span where calls are billed: each act at its dearest, and the connections.
    fn allowance(&self, chosen: &Chosen, span: Span) -> Cost;

    /// Works until the phase is [`Phase::Drain`], and then until nothing is left to take or [`Terms::patience`] is over.
    ///
    /// # Errors
    /// Nothing that a fault does is one: that is in the history.
    fn work<'a>(&'a self, stage: &'a Stage<'a>) -> Working<'a>;
}

/// A workload that works.
pub type Working<'a> = BoxFuture<'a, Result<(), Error>>;

/// How a case is played besides what its scenario says.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// The longest that draining may take.
    pub patience: Duration,
    /// The longest that the whole case may take once its slices exist, besides the time for which its workloads work.
    pub bound: Duration,
    /// What its workloads do wrongly.
    pub flaw: Option<Flaw>,
    /// Whether what the processes use meanwhile is looked at.
    pub watched: bool,
    /// Which proxy breaks its links.
    pub breaker: Breaker,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            patience: Duration::from_secs(20),
            bound: Duration::from_secs(120),
            flaw: None,
            watched: false,
            breaker: Breaker::Own,
        }
    }
}

/// What a sabotage has a workload do wrongly, as a careless app does. No scenario file can say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// A consumer acknowledges a task before it works on it.
    EarlyAck,
    /// The queue of the tasks does not outlive the broker.
    TransientQueue,
    /// A limiter looks at its counter and then sets it.
    TwoSteps,
    /// A client of PostgreSQL goes on without TLS where the server has none.
    PlainFallback,
}

/// How far a case is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// New work is done.
    Work,
    /// Since then no new work is due, no fault is left, and what is under way is brought to its end.
    Drain(Instant),
}

/// What one workload of a case works with.
pub struct Stage<'a> {
    /// Its tenant, whose connections lead through links.
    pub access: &'a TenantAccess,
    /// The slices that the tenant's grants are about, of which those that it works in are a part.
    pub granted: &'a Slices,
    /// What the file says of it.
    pub chosen: &'a Chosen,
    /// Its branch of the seed tree.
    pub seed: Seed,
    /// The journal.
    pub scribe: &'a Scribe<'a>,
    /// How far the case is.
    pub phase: watch::Receiver<Phase>,
    /// How it is played besides.
    pub terms: Terms,
    /// What may be spent, where calls are billed.
    pub meter: Option<&'a Meter>,
}

impl Stage<'_> {
    /// Pays for what is about to be done, and says whether it may be.
    pub(crate) fn pay(&self, price: Cost) -> bool {
        self.meter.is_none_or(|meter| meter.take(price))
    }

    /// Whether something could not be paid: then nothing more is begun.
    pub(crate) fn is_spent(&self) -> bool {
        self.meter.is_some_and(Meter::is_spent)
    }

    /// Returns when something cannot be paid.
    pub(crate) async fn spent(&self) {
        Meter::spent(self.meter).await;
    }

    /// Returns when no new work is to be begun, and says since when.
    pub(crate) async fn draining(&self) -> Option<Instant> {
        let mut phase = self.phase.clone();
        match phase.wait_for(|phase| *phase != Phase::Work).await.map(|phase| *phase) {
            Ok(Phase::Drain(since)) => Some(since),
            // Whoever set the phase is gone when the case is given up; then nothing is to be begun either.
            Ok(Phase::Work) | Err(_) => None,
        }
    }

    /// A text of the stage's `size` that begins with the element; the rest is the seed's.
    pub(crate) fn message(&self, element: &str) -> String {
        let size = usize::try_from(self.chosen.amount("size")).unwrap_or(0);
        let mut message = format!("{element} ");
        message.push_str(&self.seed.child(element).letters(size.saturating_sub(message.len())));
        message
    }
}

/// The services that these work on, in their order.
pub(crate) fn services(chosen: &[Chosen]) -> Vec<Service> {
    let mut services: Vec<_> =
        chosen.iter().filter_map(|chosen| Some(find(&chosen.name)?.service())).collect();
    services.sort_unstable();
    services.dedup();
    services
}

/// The workload of that name.
pub fn find(name: &str) -> Option<&'static dyn Workload> {
    ALL.into_iter().find(|workload| workload.shape().name == name)
}
