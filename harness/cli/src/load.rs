//! A bench from the choice to the result: servers up, each tenant's load on its own, one after another, measured and judged
//! from the same history, servers down.

use std::{
    collections::BTreeMap,
    pin::pin,
    time::{Duration, Instant},
};

use anyhow::Result;
use bulkhead_checks::measure::{Interval, judge_threshold, knees, measure};
use bulkhead_engine::{
    cost::Admission,
    faults,
    run::{CaseRun, Runner},
    workload::Terms,
};
use bulkhead_model::{
    RunEvent, Topology, Verdict,
    bench::{BenchCase, BenchReport, gate::Threshold},
    report::{CaseReport, ServerReport},
    scenario::{Case, Expected, Subject},
};
use bulkhead_report::Terminal;
use bulkhead_target::Target;
use futures::StreamExt;

use crate::{args::Volume, interrupt::Interrupt, output::Folder, real::Opening};

/// What a bench needs.
pub(crate) struct Bench<'a> {
    pub(crate) cases: Vec<Case>,
    /// What they must come to.
    pub(crate) gate: &'a [Threshold],
    pub(crate) topology: &'a Topology,
    /// Where the topology comes from, in words.
    pub(crate) layout: &'a str,
    pub(crate) seed: u64,
    /// What is left out at the beginning of each case.
    pub(crate) warm_up: Duration,
    pub(crate) opening: &'a Opening,
    pub(crate) admission: Option<Admission>,
    pub(crate) volume: Volume,
    pub(crate) folder: &'a Folder,
    pub(crate) terminal: &'a Terminal,
}

/// What a bench came to.
pub(crate) struct Benched {
    pub(crate) report: BenchReport,
    /// Why the servers may not all be gone, or a file could not be written.
    pub(crate) left: Vec<anyhow::Error>,
}

impl Bench<'_> {
    /// Runs it.
    ///
    /// # Errors
    /// When the servers could not be brought up.
    pub(crate) async fn run(mut self, mut interrupt: Interrupt) -> Result<Benched> {
        let begun = Instant::now();
        self.announce();
        let progress = |event| self.terminal.event(&event);
        let target = tokio::select! {
            opened = self.opening.open(self.volume, &progress) => opened?,
            () = interrupt.asked() => return Ok(self.came(Vec::new(), Vec::new(), begun, Vec::new(), true)),
        };
        let (mut found, mut left) = (Vec::new(), Vec::new());
        let cases = std::mem::take(&mut self.cases);
        let wanted = cases.len();
        tokio::select! {
            () = self.play(&*target, cases, &mut found, &mut left) => {}
            () = interrupt.asked() => {}
        }
        let servers = target.servers().to_vec();
        left.extend(self.opening.close(target, &mut interrupt).await);
        let cut = found.len() < wanted;
        Ok(self.came(found, servers, begun, left, cut))
    }

    fn announce(&self) {
        let (target, reason) = self.opening.place();
        self.terminal.event(&RunEvent::Planned {
            run: self.folder.run.clone(),
            target: target.to_owned(),
            reason: reason.map(str::to_owned),
            topology: self.layout.to_owned(),
            seed: self.seed,
            tenants: self.topology.tenants.iter().map(|tenant| tenant.name.to_string()).collect(),
            cases: self.cases.len(),
        });
        if let Some(Admission { cost, .. }) = &self.admission {
            self.terminal.event(&RunEvent::Note(format!("at most {cost}")));
        }
    }

    /// One after another, so that no load is beside another's.
    async fn play(
        &self,
        target: &dyn Target,
        cases: Vec<Case>,
        found: &mut Vec<BenchCase>,
        left: &mut Vec<anyhow::Error>,
    ) {
        let mut able = Vec::new();
        for case in cases {
            match self.opening.left_out(&case, self.admission.as_ref(), (target, self.topology)) {
                None => able.push(case),
                Some(why) => self.terminal.event(&RunEvent::Note(format!("{} is left out: {why}", case.id))),
            }
        }
        let out = self.folder.path.clone();
        let (terms, seed, topology) = (Terms { watched: true, ..Terms::default() }, self.seed, self.topology);
        let runner = Runner { target, topology, seed, jobs: 1, out, terms };
        let progress = |event| self.terminal.event(&event);
        let mut runs = pin!(runner.run(able, &progress));
        while let Some(run) = runs.next().await {
            let (case, intervals) = measured(&run, self.warm_up, self.gate);
            if let Err(error) = Folder::write_times(&run.journal, &intervals) {
                left.push(error);
            }
            self.terminal.event(&RunEvent::CaseEnded(ended(&run, &case)));
            found.push(case);
        }
    }

    fn came(
        &self,
        cases: Vec<BenchCase>,
        servers: Vec<ServerReport>,
        begun: Instant,
        left: Vec<anyhow::Error>,
        cut: bool,
    ) -> Benched {
        let worst = Verdict::worst(cases.iter().map(|case| case.verdict));
        let (target, reason) = self.opening.place();
        let report = BenchReport {
            version: 1,
            run: self.folder.run.clone(),
            target: target.to_owned(),
            target_reason: reason.map(str::to_owned),
            seed: self.seed,
            verdict: if cut { worst.max(Verdict::Unknown) } else { worst },
            duration_ms: millis(begun.elapsed()),
            servers,
            knees: knees(&cases),
            cases,
        };
        Benched { report, left }
    }
}

/// What a case came to, with the times behind it.
fn measured(run: &CaseRun, warm_up: Duration, gate: &[Threshold]) -> (BenchCase, Vec<Interval>) {
    let scenario = &run.case.scenario;
    let rates = scenario.workload.iter().filter_map(|chosen| Some((chosen.name.clone(), chosen.rate()?)));
    let rates: BTreeMap<_, _> = rates.collect();
    let warm_up = u64::try_from(warm_up.as_nanos()).unwrap_or(u64::MAX);
    let (Subject::Tenant(tenant) | Subject::Pair { from: tenant, .. }) = &run.case.subject;
    let (mut invariants, culprits) = bulkhead_checks::judge_and_name(&run.history, &expected(run));
    let measured = measure(&run.history, tenant, warm_up, &rates, &culprits);
    let works = |line: &Threshold| scenario.workload.iter().any(|chosen| chosen.name == line.workload);
    let meant = gate.iter().filter(|line| works(line));
    let meant = meant.filter(|line| line.at.is_none_or(|rate| rates.get(&line.workload) == Some(&rate)));
    invariants.extend(meant.map(|line| judge_threshold(line, &measured.loads)));
    let case = BenchCase {
        id: run.case.id.clone(),
        tenant: tenant.clone(),
        verdict: Verdict::worst(invariants.iter().map(|invariant| invariant.verdict)),
        invariants,
        measured_ns: measured.took,
        loads: measured.loads,
        beside: measured.beside,
        usage: measured.usage,
        history: run.journal.display().to_string(),
    };
    (case, measured.intervals)
}

/// What the scenario expects, and every invariant besides that the history lets be judged.
fn expected(run: &CaseRun) -> Vec<Expected> {
    let mut expected = run.case.scenario.expect.clone();
    for besides in bulkhead_checks::oracle(&run.history) {
        if expected.iter().all(|named| named.name != besides.name) {
            expected.push(besides);
        }
    }
    expected
}

/// The case as progress shows it.
fn ended(run: &CaseRun, case: &BenchCase) -> CaseReport {
    let scenario = &run.case.scenario;
    CaseReport {
        id: case.id.clone(),
        title: scenario.title.clone(),
        why: scenario.why.clone(),
        verdict: case.verdict,
        skipped: None,
        duration_ms: millis(run.duration),
        faults: scenario.faults.iter().map(faults::words).collect(),
        invariants: case.invariants.clone(),
        attempts: Vec::new(),
        likely: None,
        diagnoses: Vec::new(),
        repro: format!("bulkhead check {}", case.history),
        logs: Vec::new(),
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
