//! A run from the plan to the result: servers up, cases run and judged as they end, servers down. Reports are told on
//! the way; an interrupt ends it early and whole.

use std::{path::Path, pin::pin, slice, time::Instant};

use anyhow::Result;
use bulkhead_engine::{
    cost::Admission,
    run::{CaseRun, Runner},
    workload::Terms,
};
use bulkhead_model::{
    RunEvent, RunReport, Verdict,
    report::{CaseReport, ChecklistRow, IsolationRow, ServerReport},
};
use bulkhead_report::Terminal;
use bulkhead_target::{Error, Target, deadlines::INTERRUPTED};
use futures::{StreamExt, stream::FuturesUnordered};

use crate::{
    args::Volume,
    attempts::Attempts,
    audited::Audit,
    breaking::{Breaking, Broken},
    closing, dry,
    interrupt::Interrupt,
    judged::{self, Judged},
    output::{self, Folder},
    plan::{Plan, Planned},
    real::Opening,
};

/// Lines of a server's log that go with a failure.
const LOG_LINES: usize = 20;

/// Why cases were not run to their end: somebody interrupted the run.
pub(crate) const INTERRUPTION: &str = "interrupted";

/// Another one did not pass, and that was to be enough.
const ENOUGH: &str = "not run: another case did not pass, and --fail-fast was given";

/// What a run needs.
pub(crate) struct Drive<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) opening: &'a Opening,
    pub(crate) volume: Volume,
    /// Where the topology comes from, in words.
    pub(crate) topology: &'a str,
    pub(crate) jobs: usize,
    /// How often a case that did not pass is tried again.
    pub(crate) retries: usize,
    /// Whether it ends with the first case that does not pass.
    pub(crate) fail_fast: bool,
    /// Which proxy breaks the links.
    pub(crate) breaking: &'a Breaking,
    /// What the run costs at most and what is left out for that, where something is billed.
    pub(crate) admission: Option<Admission>,
    pub(crate) folder: &'a Folder,
    pub(crate) terminal: &'a Terminal,
}

/// What a run came to.
pub(crate) struct Driven {
    pub(crate) report: RunReport,
    /// Why the servers may not all be gone.
    pub(crate) left: Option<anyhow::Error>,
}

#[derive(Default)]
struct Found {
    cases: Vec<CaseReport>,
    isolation: Vec<IsolationRow>,
    checklist: Vec<ChecklistRow>,
    /// Which proxy broke links, where it was not the own one.
    links: Option<String>,
    /// Why not all cases were run to their end, if so.
    cut: Option<&'static str>,
}

/// Whether a case was run and did not pass.
fn is_bad(case: &CaseReport) -> bool {
    case.skipped.is_none() && case.verdict != Verdict::Pass
}

/// That a case is tried again, in words.
fn tried_again(case: &CaseReport, attempt: usize, retries: usize) -> String {
    let last = case.attempts.last().unwrap_or(&case.verdict);
    format!("{} came to `{last}` and is tried again, {attempt} of {retries}", case.id)
}

impl Found {
    /// Adds a case. The matrix and the list are those of a system that nothing is done to; a leak is one whenever it is.
    fn add(&mut self, judged: Judged, sound: bool) {
        self.cases.push(judged.report);
        self.isolation
            .extend(judged.isolation.into_iter().filter(|row| sound || row.verdict == Verdict::Fail));
        self.checklist.extend(judged.checklist.into_iter().filter(|_| sound));
    }
}

impl Drive<'_> {
    /// Runs it.
    ///
    /// # Errors
    /// When the servers could not be brought up.
    pub(crate) async fn run(&self, mut interrupt: Interrupt) -> Result<Driven> {
        let begun = Instant::now();
        let look = self.admission.as_ref().and_then(|admission| admission.look.clone());
        let (target, reason) = self.opening.place();
        self.terminal.event(&RunEvent::Planned {
            run: self.folder.run.clone(),
            target: target.to_owned(),
            reason: reason.map(str::to_owned),
            topology: self.topology.to_owned(),
            seed: self.plan.seed,
            tenants: self.plan.topology.tenants.iter().map(|tenant| tenant.name.to_string()).collect(),
            cases: self.plan.cases.len() + usize::from(look.is_some()),
        });
        let progress = |event| self.terminal.event(&event);
        if let Some(Admission { cost, .. }) = &self.admission {
            progress(RunEvent::Note(format!("at most {cost}")));
        }
        let (target, broken) = tokio::select! {
            opened = self.open(&progress) => opened?,
            () = interrupt.asked() => {
                let found = Found { cut: Some(INTERRUPTION), ..Found::default() };
                return Ok(Driven { report: self.report(found, Vec::new(), begun), left: None });
            }
        };
        let audit = Audit::begin(self.plan, look, &*target, &mut interrupt).await;
        let mut found = self.cases((&*target, &broken), &mut interrupt).await;
        if let Some(audit) = audit {
            let audited = audit.end(&mut interrupt).await;
            progress(RunEvent::CaseEnded(audited.clone()));
            found.cases.push(audited);
        }
        let servers = target.servers().to_vec();
        found.links.clone_from(&broken.name);
        // Both at once: after Ctrl-C there is no time for one after the other.
        let beside = tokio::spawn(broken.end());
        let left = self.opening.close(target, &mut interrupt).await;
        let beside = async { beside.await.unwrap_or_else(|crash| Err(Error::Reported(crash.to_string()))) };
        let left = left.or(closing::stand_ins(beside, &mut interrupt).await);
        Ok(Driven { report: self.report(found, servers, begun), left })
    }

    /// Opens what breaks links and then the target, or neither.
    async fn open(&self, progress: &(dyn Fn(RunEvent) + Send + Sync)) -> Result<(Box<dyn Target>, Broken)> {
        let broken = self.breaking.begin(progress).await?;
        match self.opening.open(self.volume, progress).await {
            Ok(target) => Ok((target, broken)),
            Err(error) => {
                // The first error is the one to tell; what is left a janitor clears away.
                let _the_first_error_is_told = broken.end().await;
                Err(error)
            }
        }
    }

    async fn cases(&self, (target, broken): (&dyn Target, &Broken), interrupt: &mut Interrupt) -> Found {
        let runner = Runner {
            target,
            topology: &self.plan.topology,
            seed: self.plan.seed,
            jobs: self.jobs,
            out: self.folder.path.clone(),
            terms: Terms { breaker: broken.breaker, ..Terms::default() },
        };
        let progress = |event| self.terminal.event(&event);
        let (mut found, mut cases) = (Found::default(), Vec::new());
        for planned in &self.plan.cases {
            let place = (target, &self.plan.topology);
            let left_out = self.opening.left_out(&planned.case, self.admission.as_ref(), place);
            match left_out.or_else(|| self.breaking.unable(&planned.case)) {
                None => cases.push(planned.case.clone()),
                Some(reason) => {
                    let report = judged::skipped(planned, &reason);
                    progress(RunEvent::CaseEnded(report.clone()));
                    found.cases.push(report);
                }
            }
        }
        let mut runs = pin!(runner.run(cases, &progress));
        let (mut again, mut attempts) = (FuturesUnordered::new(), Attempts::default());
        loop {
            let next = async {
                tokio::select! {
                    Some(run) = runs.next() => Some(run),
                    Some(run) = again.next() => Some(run),
                    else => None,
                }
            };
            let run = tokio::select! {
                run = next => run,
                () = interrupt.asked() => {
                    found.cut = Some(INTERRUPTION);
                    return found;
                }
            };
            let Some(run) = run else { return found };
            let (case, journal) = (run.case.clone(), run.journal.clone());
            let Some(judged) = self.judge(target, run).await else { continue };
            if is_bad(&judged.report) {
                self.keep_plan(&case.id, &journal);
            }
            let (judged, attempt) = attempts.add(judged);
            if is_bad(&judged.report) && judged.report.verdict != Verdict::Flaky && attempt <= self.retries {
                progress(RunEvent::Note(tried_again(&judged.report, attempt, self.retries)));
                attempts.keep(judged);
                again.push(runner.again(case, attempt + 1));
                continue;
            }
            self.terminal.event(&RunEvent::CaseEnded(judged.report.clone()));
            let bad = is_bad(&judged.report);
            found.add(judged, case.scenario.faults.is_empty());
            if bad && self.fail_fast {
                found.cut = Some(ENOUGH);
                return found;
            }
        }
    }

    fn planned(&self, id: &str) -> Option<&Planned> {
        self.plan.cases.iter().find(|planned| planned.case.id == id)
    }

    /// Lays the plan of a case that did not pass beside its history.
    fn keep_plan(&self, id: &str, journal: &Path) {
        let planned = self.planned(id);
        let plan = dry::document(self.plan.seed, planned.map(slice::from_ref).unwrap_or_default());
        if let Err(error) = plan.and_then(|plan| output::write_plan(journal, &plan)) {
            self.terminal.event(&RunEvent::Note(format!("{id} has no plan beside its history: {error:#}")));
        }
    }

    async fn judge(&self, target: &dyn Target, run: CaseRun) -> Option<Judged> {
        let planned = self.planned(&run.case.id)?;
        let duration = u64::try_from(run.duration.as_millis()).unwrap_or(u64::MAX);
        let mut judged = judged::judge(planned, &run.history, duration);
        if judged.report.verdict != Verdict::Pass {
            judged.report.logs = run.logs;
            // A verdict may be worse than anything that the engine saw happen.
            if judged.report.logs.is_empty()
                && let Ok(Ok(logs)) = tokio::time::timeout(INTERRUPTED, target.logs(LOG_LINES)).await
            {
                judged.report.logs = judged::concerned(&run.case.scenario, logs);
            }
        }
        Some(judged)
    }

    fn report(&self, found: Found, servers: Vec<ServerReport>, begun: Instant) -> RunReport {
        let Found { mut cases, isolation, checklist, links, cut } = found;
        let judged = cases.iter().filter(|case| case.skipped.is_none());
        let mut verdict = Verdict::worst(judged.map(|case| case.verdict));
        if cut.is_some() {
            verdict = verdict.max(Verdict::Unknown);
        }
        for planned in &self.plan.cases {
            if !cases.iter().any(|case| case.id == planned.case.id) {
                cases.push(judged::skipped(planned, cut.unwrap_or(INTERRUPTION)));
            }
        }
        cases.sort_by(|a, b| a.id.cmp(&b.id));
        let (target, reason) = self.opening.place();
        let mut report = RunReport {
            version: 1,
            run: self.folder.run.clone(),
            seed: self.plan.seed,
            target: target.to_owned(),
            target_reason: reason.map(str::to_owned),
            links,
            verdict,
            duration_ms: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
            tenants: self.plan.topology.tenants.iter().map(|tenant| tenant.name.clone()).collect(),
            servers,
            cases,
            isolation,
            checklist,
        };
        // Cases end in any order; a report reads the same whatever it was.
        report.isolation.sort_by(|a, b| {
            (&a.from, &a.to, a.service, a.class, &a.probe)
                .cmp(&(&b.from, &b.to, b.service, b.class, &b.probe))
        });
        report.checklist.sort_by(|a, b| (&a.tenant, a.item).cmp(&(&b.tenant, b.item)));
        report
    }
}
