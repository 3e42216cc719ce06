//! Every scenario file is a test of its own name and must pass on the stand-ins, by the real engine and the real checks.
//!
//! `harness/build.rs` writes the functions; what each does is here.

use std::{collections::HashSet, path::Path};

use bulkhead_engine::{
    faults, probes,
    run::{CaseRun, Runner},
    workload::{self, Terms},
};
use bulkhead_model::{
    Act, Invoked, Service, TenantName, Topology, Verdict,
    history::{Event, EventKind},
    scenario::{self, Case, Known, Scenario},
};
use bulkhead_target::Session;
use futures::StreamExt;

use crate::support;

include!(concat!(env!("OUT_DIR"), "/scenario_tests.rs"));

/// Runs the file's first scenario on the documents' layout and expects every case of it to pass.
async fn passes(name: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("scenarios/{name}.yaml"));
    let scenarios = known(|known| scenario::load(&[file], known)).unwrap();
    assert_eq!(scenarios[0].name, name);
    // Of several that the file makes, one, and of a workload's tenants one: the command runs all of them.
    let topology = Topology::builtin();
    let mut cases = scenario::expand(&scenarios[..1], &topology).unwrap();
    if !scenarios[0].workload.is_empty() {
        let turn = name.bytes().map(usize::from).sum::<usize>() % cases.len();
        cases = vec![cases.swap_remove(turn)];
    }
    these_pass(&topology, cases).await;
}

/// Runs all cases of these scenarios on that layout and expects each to pass.
pub(crate) async fn all_pass(topology: &Topology, scenarios: &[Scenario]) -> Vec<CaseRun> {
    these_pass(topology, scenario::expand(scenarios, topology).unwrap()).await
}

async fn these_pass(topology: &Topology, cases: Vec<Case>) -> Vec<CaseRun> {
    these_pass_on(&session(&cases).await, topology, cases).await
}

/// Runs these cases on these servers and expects each to pass.
pub(crate) async fn these_pass_on(session: &Session, topology: &Topology, cases: Vec<Case>) -> Vec<CaseRun> {
    let runs = run_on(session, topology, cases).await;
    assert!(!runs.is_empty(), "the scenarios have no case on this layout");
    for run in &runs {
        let reports = bulkhead_checks::judge(&run.history, &run.case.scenario.expect);
        let verdict = Verdict::worst(reports.iter().map(|report| report.verdict));
        assert_eq!(verdict, Verdict::Pass, "{}: {reports:#?}\n{:#?}", run.case.id, run.history);
        assert_eq!(done_twice(&run.history), None, "{}: nothing is done again blindly", run.case.id);
    }
    runs
}

/// The first thing that a workload began to do twice, though each is unlike any other: what came of it the first time may be
/// unknown.
fn done_twice(history: &[Event]) -> Option<&str> {
    let mut done = HashSet::new();
    history.iter().find_map(|event| {
        let EventKind::Invoked(invoked) = &event.kind else { return None };
        let what = match &invoked.act {
            Act::Hand { element }
            | Act::Announce { element, .. }
            | Act::Broadcast { element }
            | Act::Add { element } => element,
            Act::Call { request } => request,
            Act::Write { value, .. } | Act::Keep { value, .. } | Act::Swap { to: value, .. } => value,
            Act::Transfer { transfer, .. } => transfer,
            Act::Upload { object, .. } => object,
            _ => return None,
        };
        (!done.insert((&invoked.tenant, &invoked.workload, what))).then_some(what.as_str())
    })
}

#[test]
fn what_is_done_twice_is_seen() {
    let begun = |op, act| {
        let tenant = TenantName::new("engine").unwrap();
        let (client, workload) = (format!("client {op}"), String::from("redis.told"));
        let invoked = Invoked { op, client, tenant, service: Service::Redis, workload, act, due: None };
        Event { at: op, kind: EventKind::Invoked(invoked) }
    };
    let (add, swap) = (
        |element: &str| Act::Add { element: element.into() },
        |to: &str| Act::Swap { register: String::from("one"), from: None, to: to.into() },
    );
    let mut history = vec![begun(1, add("a")), begun(2, swap("b")), begun(3, Act::ReadAll)];
    history.push(begun(4, Act::ReadAll));
    assert_eq!(done_twice(&history), None, "what is read may be read again");
    history.push(begun(5, swap("b")));
    assert_eq!(done_twice(&history), Some("b"));
}

/// A lease on the servers on which these cases may run.
pub(crate) async fn session(cases: &[Case]) -> Session {
    let mut spec = support::spec();
    if cases.iter().any(|case| !faults::disturbed(&case.scenario.faults).is_empty()) {
        // Who breaks a server has it alone, for which all other tests would have to wait.
        spec.name = Some(String::from("bulkhead-it-disturbed"));
    }
    support::open(&spec).await
}

/// Runs these cases on the shared servers.
pub(crate) async fn run(topology: &Topology, cases: Vec<Case>) -> Vec<CaseRun> {
    run_on(&session(&cases).await, topology, cases).await
}

async fn run_on(session: &Session, topology: &Topology, cases: Vec<Case>) -> Vec<CaseRun> {
    let out = tempfile::tempdir().unwrap();
    // Two tenants' workloads side by side, which wait most of the time. Catalogues of several pairs go one by one: one thread
    // serves a test, and they would keep one another's handshakes waiting.
    let terms = Terms::default();
    let runner = Runner { target: session, topology, seed: 1, jobs: 2, out: out.path().into(), terms };
    let runs: Vec<_> = runner.run(cases, &|_| {}).collect().await;
    for run in &runs {
        let text = std::fs::read_to_string(&run.journal).unwrap();
        let saved: Vec<Event> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(saved, run.history, "{}: what is on disk is what was recorded", run.case.id);
    }
    runs
}

/// Hands over the names that scenario files may use.
pub(crate) fn known<T>(with: impl FnOnce(&Known<'_>) -> T) -> T {
    let probes: Vec<_> = probes::all()
        .map(|probe| {
            let about = probe.about();
            (about.name, about.service, about.class)
        })
        .collect();
    let invariants = bulkhead_checks::ALL.map(|check| (check.name(), check.bound()));
    let workloads = workload::ALL.map(|workload| workload.shape());
    let faults = faults::ALL.map(|fault| fault.shape());
    with(&Known { probes: &probes, workloads: &workloads, faults: &faults, invariants: &invariants })
}
