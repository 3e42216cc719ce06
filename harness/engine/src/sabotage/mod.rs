//! Sabotage: what breaks a promise on purpose, so that the invariant which guards it is seen to fail on real servers.
//!
//! A sabotage names the scenario in which it shows, what is broken, and what the evidence must say then. It is done by a
//! flaw of the workload, by somebody who meddles with the tenant's own access while the workload works, by one who undoes
//! what the service does, or by an access that is not what it seems. The same scenario on a sound system must pass. Whether it does is not said here: whoever
//! drives must not judge.
//!
//! A new one is a static in its service's file and a line in [`ALL`].

use std::{path::PathBuf, time::Duration};

use bulkhead_model::{Topology, scenario::Case};
use bulkhead_target::{Cause, Error, Target, TenantAccess};
use futures::{StreamExt, future::BoxFuture};

pub use self::watched::Watched;
use crate::{
    run::{CaseRun, Runner},
    workload::{Flaw, Terms},
};

pub(crate) mod fallback;
mod front;
mod postgres;
mod rabbitmq;
mod redis;
mod s3;
mod watched;

/// Every sabotage.
pub static ALL: [&Sabotage; 30] = [
    &postgres::OPENED_ROWS,
    &postgres::FORBIDDEN_WRITES,
    &postgres::DELETED_ROWS,
    &postgres::NEIGHBOURS_ROW,
    &postgres::STATE_COMES_BACK,
    &postgres::HALF_TRANSFER,
    &postgres::LOCKED_TABLE,
    &postgres::LOCKED_IN_A_FLOOD,
    &postgres::REVOKED_RIGHT,
    &postgres::SLOW_RECOVERY,
    &postgres::PASSWORD_COMES_BACK,
    &postgres::PLAIN_FALLBACK,
    &redis::EVICTION,
    &redis::LIMIT_IN_TWO_STEPS,
    &redis::NEIGHBOURS_ENTRY,
    &redis::KEPT_SESSIONS,
    &redis::DELETED_SESSIONS,
    &redis::FLUSHED_SESSIONS,
    &redis::SHARED_LINK,
    &redis::NOBODYS_MESSAGE,
    &rabbitmq::TRANSIENT_QUEUE,
    &rabbitmq::ACK_BEFORE_WORK,
    &rabbitmq::DOUBLED_TASKS,
    &rabbitmq::SWAPPED_REPLIES,
    &rabbitmq::NEIGHBOURS_REPLY,
    &rabbitmq::SHUFFLED_EVENTS,
    &s3::DROPPED_WRITE,
    &s3::SWAPPED_PART,
    &s3::OPEN_KEY,
    &s3::SETTING_COMES_BACK,
];

/// How long a workload that was sabotaged waits for what does not come. A sound one needs no such time.
const PATIENCE: Duration = Duration::from_secs(3);

/// Something that breaks a promise.
pub struct Sabotage {
    /// Its name.
    pub name: &'static str,
    /// What is broken, in a sentence.
    pub breaks: &'static str,
    /// The probes or items that meet it, as lines of a scenario file; nothing where a workload does.
    pub subject: &'static str,
    /// The workload that meets it, as a scenario file has it.
    pub workload: &'static str,
    /// How long that works, as a scenario file has it.
    pub run_for: &'static str,
    /// What is done to it besides, as a scenario file has it; nothing where nothing is.
    pub fault: &'static str,
    /// What is done besides to the system that is sabotaged alone, in the same way.
    pub extra: &'static str,
    /// The invariant that must fail, as a scenario file has it.
    pub expect: &'static str,
    /// What the evidence of that must say, so that it failed for this and for nothing else.
    pub says: &'static str,
    /// How long the workload waits at its end for what does not come.
    patience: Duration,
    /// What the workload does wrongly.
    flaw: Option<Flaw>,
    /// Whether somebody undoes every service fault as soon as it has begun.
    undoes: bool,
    /// Begins when the tenant has its slices. What is changed of its access is what the case works with.
    begin: fn(&mut TenantAccess) -> Result<Meddling, Cause>,
}

/// How long somebody who meddles waits until it looks again.
const LOOKS: Duration = Duration::from_millis(5);

/// What goes on beside a case until that is over.
pub type Meddling = BoxFuture<'static, Result<(), Cause>>;

/// What a sabotage is where nothing else is said of it.
const PLAIN: Sabotage = Sabotage {
    name: "",
    breaks: "",
    subject: "",
    workload: "",
    run_for: "1500ms",
    fault: "",
    extra: "",
    expect: "",
    says: "",
    patience: PATIENCE,
    flaw: None,
    undoes: false,
    begin: |_| Ok(Box::pin(async { Ok(()) })),
};

impl Sabotage {
    /// The text of its scenario, on a sound system or on the sabotaged one. Of several cases its last is meant: there the
    /// tenant that meddles is the one whose slice is tried.
    pub fn scenario(&self, sabotaged: bool) -> String {
        let Self { breaks, subject, workload, run_for, expect, .. } = self;
        let faults = [self.fault, if sabotaged { self.extra } else { "" }];
        let faults: Vec<_> = faults.into_iter().filter(|fault| !fault.is_empty()).collect();
        let faults = match faults.join(", ") {
            none if none.is_empty() => none,
            some => format!("faults: [{some}]\n"),
        };
        let subject = match *subject {
            "" => format!("tenants: [engine]\nworkload: [{workload}]\nrun-for: {run_for}"),
            subject => subject.to_owned(),
        };
        format!(
            "title: A promise is kept\nwhy: >-\n  {breaks}\ntags: [chaos]\n{subject}\n{faults}expect: [{expect}]\n"
        )
    }
}

/// The sabotage of that name.
pub fn find(name: &str) -> Option<&'static Sabotage> {
    ALL.into_iter().find(|sabotage| sabotage.name == name)
}

/// Where a scenario is played.
pub struct Ground<'a> {
    /// The servers.
    pub target: &'a dyn Target,
    /// Who shares what there.
    pub topology: &'a Topology,
    /// The seed of everything that is made up.
    pub seed: u64,
    /// The folder for the history.
    pub out: PathBuf,
}

impl Ground<'_> {
    /// Plays the case of a sound system.
    pub async fn sound(&self, case: Case) -> Option<CaseRun> {
        self.run(self.target, Terms::default(), case).await
    }

    /// Plays the case while this sabotage goes on. The error is why it could not go on as it should.
    pub async fn sabotaged(&self, sabotage: &Sabotage, case: Case) -> (Option<CaseRun>, Option<Error>) {
        let watched = Watched::new(self.target, &sabotage.begin).undoing(sabotage.undoes);
        let terms = Terms { patience: sabotage.patience, flaw: sabotage.flaw, ..Terms::default() };
        let run = self.run(&watched, terms, case).await;
        (run, watched.broke())
    }

    async fn run(&self, target: &dyn Target, terms: Terms, case: Case) -> Option<CaseRun> {
        let Self { topology, seed, out, .. } = self;
        let runner = Runner { target, topology, seed: *seed, jobs: 1, out: out.clone(), terms };
        let mut runs: Vec<_> = runner.run(vec![case], &|_| {}).collect().await;
        runs.pop()
    }
}
