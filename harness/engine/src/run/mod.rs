//! Cases one by one or side by side: each in fresh slices, each bounded, each with its journal.
//!
//! A case that breaks is recorded with the whole chain of causes and never takes the others with it. What a case came
//! to is for the checks to say.

use std::{
    panic::AssertUnwindSafe,
    path::PathBuf,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use bulkhead_model::{
    Enforcement, Item, ItemRecord, Outcome, RunEvent, Service, TenantName, Topology,
    history::{Event, EventKind},
    report::LogTail,
    scenario::{Case, Scenario, Subject},
};
use bulkhead_target::{Error, Lot, Target, TenantAccess};
use futures::{FutureExt, Stream, StreamExt, stream::FuturesUnordered};

use crate::{
    audit,
    beset::Siege,
    checklist::{self, Examination},
    faults,
    play::{self, Player, Side},
    probes,
    recorder::{Clock, Recorder},
    scribe::Scribe,
    seed::Seed,
    workload::{self, Terms},
};

mod isolation;
mod turns;

use turns::{Claim, Turns};

/// The longest that a case waits for its slices, while others have the servers alone or are where it wants to be.
const TURN_DEADLINE: Duration = Duration::from_secs(15 * 60);

/// The longest that removing a case's slices may take.
const SLICES_DEADLINE: Duration = Duration::from_secs(60);

/// How much of a server's log goes with a case that did not go well.
const LOG_LINES: usize = 30;

/// Runs cases on one target.
///
/// Dropping the stream ends everything at once; slices that were not given back go with the target.
pub struct Runner<'a> {
    /// Where the services are.
    pub target: &'a dyn Target,
    /// Who shares what.
    pub topology: &'a Topology,
    /// The seed of everything that is made up.
    pub seed: u64,
    /// How many cases run side by side, of which one that plays no workload takes two places: it computes where others
    /// wait for their faults to pass, and one that plays a workload on servers that others use, too, has all places. 0 counts
    /// as 1.
    pub jobs: usize,
    /// The run's own folder: histories go to `cases/` below it.
    pub out: PathBuf,
    /// How they are played.
    pub terms: Terms,
}

/// A case that was run.
#[derive(Debug)]
pub struct CaseRun {
    /// Which.
    pub case: Case,
    /// What happened.
    pub history: Vec<Event>,
    /// How long it took, slices included.
    pub duration: Duration,
    /// The ends of the logs of the servers concerned, when anything but what was hoped for happened.
    pub logs: Vec<LogTail>,
    /// Where the history lies.
    pub journal: PathBuf,
}

/// Why a case could not go on.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error("the topology has no tenant `{0}`")]
    Tenant(TenantName),
    #[error("the topology has one tenant alone, and nobody for a fault that takes a neighbour")]
    Alone,
    #[error("the variables of tenant `{0}` are not set")]
    NoAccess(TenantName),
    #[error(transparent)]
    Probe(#[from] probes::UnknownProbe),
    #[error("{}", .0.chain())]
    Target(#[from] Error),
    #[error("could not {0} within {1:?}")]
    Late(&'static str, Duration),
    #[error("the harness itself crashed: {0}")]
    Crashed(String),
}

impl Runner<'_> {
    /// Runs the cases, `jobs` of them side by side in the order of `turns`, and yields each as it ends. `progress` is told as
    /// each begins.
    pub fn run<'r>(
        &'r self,
        cases: Vec<Case>,
        progress: &'r (dyn Fn(RunEvent) + Send + Sync),
    ) -> impl Stream<Item = CaseRun> + 'r {
        let clock = Clock::start();
        let turns = Turns::new(self.jobs.max(1), cases.into_iter().map(|case| (self.claim(&case), case)));
        let runs = futures::stream::unfold(
            (turns, FuturesUnordered::new()),
            move |(mut turns, mut running)| async move {
                while let Some((number, case)) = turns.next() {
                    progress(RunEvent::CaseStarted { id: case.id.clone() });
                    running.push(async move { (number, self.case(case, 1, clock).await) });
                }
                let (number, run) = running.next().await?;
                turns.over(number);
                Some((run, (turns, running)))
            },
        );
        // Who tries cases again asks once more when all have ended.
        runs.fuse()
    }

    /// What a case takes of the places and of the services.
    fn claim(&self, case: &Case) -> Claim {
        let jobs = self.jobs.max(1);
        let places = match (case.scenario.workload.is_empty(), self.target.is_ours()) {
            (true, _) => jobs.min(2),
            (false, true) => 1,
            // A plan may allow few connections, of which the apps are to have theirs.
            (false, false) => jobs,
        };
        // One whose probes nobody knows is said to be broken, for which it needs no service.
        let services = services(&case.scenario).unwrap_or_default();
        Claim { places, services, alone: faults::disturbed(&case.scenario.faults) }
    }

    /// Runs a case once more, the `attempt`th time, with the same seed. Its history gets a file of its own.
    pub async fn again(&self, case: Case, attempt: usize) -> CaseRun {
        self.case(case, attempt, Clock::start()).await
    }

    async fn case(&self, case: Case, attempt: usize, clock: Clock) -> CaseRun {
        let begun = clock.elapsed();
        let mut recorder = Recorder::begin(self.out.join("cases").join(file_name(&case.id, attempt)), clock);
        recorder.record(EventKind::CaseStarted { case: case.id.clone() });
        match self.in_slices(&case, &mut recorder).await {
            Ok(()) => recorder.record(EventKind::CaseEnded),
            Err(broken) => recorder.record(EventKind::Broken { error: broken.to_string() }),
        }
        let logs = if went_well(recorder.history()) { Vec::new() } else { self.logs(&case).await };
        let (history, journal) = recorder.finish();
        CaseRun { case, history, duration: clock.elapsed().saturating_sub(begun), logs, journal }
    }

    /// Makes the slices, works in them, and removes them whatever happened.
    async fn in_slices(&self, case: &Case, recorder: &mut Recorder) -> Result<(), Broken> {
        let layout = self.layout(case)?;
        let services = services(&case.scenario)?;
        let alone = faults::disturbed(&case.scenario.faults);
        let making = tokio::time::timeout(TURN_DEADLINE, self.target.lots(&layout, &services, &alone));
        let lots = making.await.map_err(|_| Broken::Late("make slices", TURN_DEADLINE))??;
        // A crash in one case is a fault of ours; it must not take the other cases with it.
        let work = AssertUnwindSafe(self.work(case, &layout, &lots, recorder)).catch_unwind();
        let deadline = self.terms.bound.saturating_add(case.scenario.run_for);
        let done = match tokio::time::timeout(deadline, work).await {
            Ok(Ok(done)) => done,
            Ok(Err(panic)) => Err(Broken::Crashed(panic_text(&*panic))),
            Err(_) => Err(Broken::Late("finish the case", deadline)),
        };
        let removing = tokio::time::timeout(SLICES_DEADLINE, self.target.release(lots));
        let removed = removing.await.map_err(|_| Broken::Late("remove slices", SLICES_DEADLINE));
        done.and(removed?.map_err(Broken::from))
    }

    /// The topology with the case's tenants only, and the neighbour that a fault takes.
    fn layout(&self, case: &Case) -> Result<Topology, Broken> {
        let mut wanted = match &case.subject {
            Subject::Tenant(tenant) => vec![tenant],
            Subject::Pair { from, to } => vec![from, to],
        };
        if faults::take_a_neighbour(&case.scenario.faults) {
            let mut names = self.topology.tenants.iter().map(|tenant| &tenant.name);
            wanted.push(names.find(|name| !wanted.contains(name)).ok_or(Broken::Alone)?);
        }
        let mut layout = self.topology.clone();
        layout.tenants.retain(|tenant| wanted.contains(&&tenant.name));
        match wanted.into_iter().find(|name| layout.tenant(name.as_str()).is_none()) {
            None => Ok(layout),
            Some(missing) => Err(Broken::Tenant(missing.clone())),
        }
    }

    async fn work(
        &self,
        case: &Case,
        layout: &Topology,
        lots: &[Lot],
        recorder: &mut Recorder,
    ) -> Result<(), Broken> {
        let seed = &seed_of(self.seed, case);
        let (Subject::Tenant(name) | Subject::Pair { from: name, .. }) = &case.subject;
        let own = of(lots, name)?;
        let other = match &case.subject {
            Subject::Pair { to, .. } => Some(of(lots, to)?),
            Subject::Tenant(_) => lots.iter().find(|lot| lot.tenant.name != *name),
        };
        let neighbour = other.and_then(|lot| lot.access.as_ref());
        if !case.scenario.workload.is_empty() {
            let own = Side { access: access(own)?, granted: &own.granted };
            let beside = other.zip(neighbour).map(|(lot, access)| Side { access, granted: &lot.granted });
            let player = Player { own, neighbour: beside };
            play::play(case, player, (self.target, self.terms), seed, recorder).await?;
            return self.audit(&services(&case.scenario)?, lots, layout, &Scribe::new(recorder)).await;
        }
        let (scribe, services) = (&Scribe::new(recorder), &services(&case.scenario)?);
        let siege = Siege {
            faults: &case.scenario.faults,
            access: access(own)?,
            neighbour,
            services,
            target: self.target,
            breaker: self.terms.breaker,
            seed,
            scribe,
        };
        match (&case.subject, other) {
            (Subject::Pair { .. }, Some(to)) => {
                let round = async |access: &TenantAccess, part: Option<usize>| {
                    let service = part.and_then(|part| services.get(part).copied());
                    self.isolation(case, service, (access, own), to, (seed, scribe)).await
                };
                self.rounds(&siege, services.len(), round).await?;
                self.audit(services, lots, layout, scribe).await
            }
            _ => {
                let (items, rounds) = (case.scenario.checklist.as_slice(), AtomicUsize::new(0));
                let round = async |access: &TenantAccess, part: Option<usize>| {
                    let items = part.map_or(items, |part| items.get(part..=part).unwrap_or_default());
                    let number = rounds.fetch_add(1, Ordering::Relaxed);
                    self.checklist((items, number), layout, access, scribe).await;
                    Ok(())
                };
                self.rounds(&siege, items.len(), round).await
            }
        }
    }

    /// One round where nothing is broken; under faults as many as these take.
    async fn rounds(
        &self,
        siege: &Siege<'_>,
        parts: usize,
        round: impl AsyncFn(&TenantAccess, Option<usize>) -> Result<(), Broken>,
    ) -> Result<(), Broken> {
        match siege.faults.is_empty() {
            true => round(siege.access, None).await,
            false => siege.hold(parts, round).await,
        }
    }

    /// Looks at what the case's tenants left on the services that are kept apart by convention.
    async fn audit(
        &self,
        concerned: &[Service],
        lots: &[Lot],
        layout: &Topology,
        scribe: &Scribe<'_>,
    ) -> Result<(), Broken> {
        // The slices as they were given, whatever somebody said to the case of them.
        let whole = |lot: &Lot| {
            let access = lot.access.clone();
            access.map(|access| TenantAccess { tenant: lot.tenant.clone(), ..access })
        };
        // Who cannot look into every slice cannot say that a name lies outside of all.
        let Some(slices) = lots.iter().map(whole).collect::<Option<Vec<_>>>() else { return Ok(()) };
        for service in Service::ALL {
            if concerned.contains(&service) && self.topology.enforcement(service) == Enforcement::Convention {
                let audited = audit::look(self.target, service, &slices, layout).await?;
                audited.into_iter().for_each(|audit| scribe.record(EventKind::Audit(audit)));
            }
        }
        Ok(())
    }

    async fn checklist(
        &self,
        (items, round): (&[Item], usize),
        layout: &Topology,
        access: &TenantAccess,
        scribe: &Scribe<'_>,
    ) {
        let mut real = layout.clone();
        real.tenants = vec![access.tenant.clone()];
        let examination = Examination { round, ..Examination::new(access, &real, self.target.servers()) };
        for item in items {
            let found = checklist::examine(*item, &examination).await;
            scribe.record(EventKind::Item(ItemRecord {
                tenant: access.tenant.name.clone(),
                item: *item,
                done: found.done,
                evidence: found.evidence,
                fix: found.fix,
            }));
        }
    }

    /// The server and its version, as it reports it itself.
    fn server(&self, service: Service) -> String {
        let report = self.target.servers().iter().find(|report| report.service == service);
        report.map_or_else(|| service.to_string(), |report| format!("{} {}", report.product, report.version))
    }

    /// The ends of the logs of the servers that the case is about; nothing when they cannot be had.
    async fn logs(&self, case: &Case) -> Vec<LogTail> {
        let services = services(&case.scenario).unwrap_or_default();
        let asked = tokio::time::timeout(SLICES_DEADLINE, self.target.logs(LOG_LINES)).await;
        let logs = asked.map_or_else(|_| Vec::new(), Result::unwrap_or_default);
        logs.into_iter().filter(|log| services.contains(&log.service)).collect()
    }
}

/// From which everything in the case is drawn, in a run of that seed.
pub(crate) fn seed_of(run: u64, case: &Case) -> Seed {
    Seed::new(run).child(&case.id)
}

fn of<'a>(lots: &'a [Lot], name: &TenantName) -> Result<&'a Lot, Broken> {
    lots.iter().find(|lot| lot.tenant.name == *name).ok_or_else(|| Broken::Tenant(name.clone()))
}

fn access(lot: &Lot) -> Result<&TenantAccess, Broken> {
    lot.access.as_ref().ok_or_else(|| Broken::NoAccess(lot.tenant.name.clone()))
}

/// The services that a scenario works on, in their order. An item about no one service is about all.
///
/// # Errors
/// The first probe that it names and that is not there.
pub fn services(scenario: &Scenario) -> Result<Vec<Service>, probes::UnknownProbe> {
    let probed = probes::select(&scenario.probes)?;
    let mut services: Vec<_> = probed.iter().map(|probe| probe.about().service).collect();
    for item in &scenario.checklist {
        services.extend(item.service().map_or_else(|| Service::ALL.to_vec(), |service| vec![service]));
    }
    services.extend(workload::services(&scenario.workload));
    services.sort_unstable();
    services.dedup();
    Ok(services)
}

/// Whether everything was refused, or done, as one hopes: then nobody will ask for a log.
fn went_well(history: &[Event]) -> bool {
    history.iter().all(|event| match &event.kind {
        EventKind::Broken { .. } => false,
        EventKind::Item(item) => item.done,
        EventKind::Audit(audit) => audit.outside.is_empty(),
        EventKind::Probe(probe) => {
            let expected = probe.policy == Enforcement::Convention || !probe.inherent.is_empty();
            let answered = probe.control.held && probe.outcome != Outcome::Unknown;
            probe.outcome == Outcome::Skipped || answered && (!probe.leaked() || expected)
        }
        // What a workload met is for the checks to say, and only they ask for its logs.
        EventKind::CaseStarted { .. }
        | EventKind::CaseEnded
        | EventKind::Invoked(_)
        | EventKind::Ended(_)
        | EventKind::FaultBegan(_)
        | EventKind::LockedOut(_)
        | EventKind::LetIn(_)
        | EventKind::Touched(_)
        | EventKind::FaultEnded(_)
        | EventKind::Usage(_)
        | EventKind::Healed => true,
    })
}

/// A file name that says which case it is, and which attempt at it after the first: letters, digits, `-` and `_` stay, a run
/// of anything else is a dot.
fn file_name(id: &str, attempt: usize) -> String {
    let parts: Vec<_> = id
        .split(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_')
        .filter(|part| !part.is_empty())
        .collect();
    let retry = if attempt > 1 { format!(".attempt-{attempt}") } else { String::new() };
    format!("{}{retry}.jsonl", parts.join("."))
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text =
        panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("no reason given").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_history_is_named_by_its_case() {
        assert_eq!(
            file_name("isolation/postgres/read (engine → plane)", 1),
            "isolation.postgres.read.engine.plane.jsonl"
        );
        assert_eq!(
            file_name("checklist/env-configured (a_b)", 2),
            "checklist.env-configured.a_b.attempt-2.jsonl"
        );
        assert_eq!(file_name("../../etc/x", 1), "etc.x.jsonl");
    }

    #[test]
    fn a_panic_is_told_by_its_own_words() {
        let panic = std::panic::catch_unwind(|| panic!("index {}", 3)).unwrap_err();
        assert_eq!(panic_text(&*panic), "index 3");
    }
}
