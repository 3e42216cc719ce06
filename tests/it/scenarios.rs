//! Every scenario file is a test of its own name and must pass on the stand-ins, by the real engine and the real checks.
//!
//! `harness/build.rs` writes the functions; what each does is here.

use std::path::Path;

use bulkhead_engine::{
    faults, probes,
    run::{CaseRun, Runner},
    workload::{self, Terms},
};
use bulkhead_model::{
    Topology, Verdict,
    history::Event,
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
    // Of several that the file makes, one: the command runs all of them.
    all_pass(&Topology::builtin(), &scenarios[..1]).await;
}

/// Runs all cases of these scenarios on that layout and expects each to pass.
pub(crate) async fn all_pass(topology: &Topology, scenarios: &[Scenario]) -> Vec<CaseRun> {
    let runs = run(topology, scenario::expand(scenarios, topology).unwrap()).await;
    assert!(!runs.is_empty(), "the scenarios have no case on this layout");
    for run in &runs {
        let reports = bulkhead_checks::judge(&run.history, &run.case.scenario.expect);
        let verdict = Verdict::worst(reports.iter().map(|report| report.verdict));
        assert_eq!(verdict, Verdict::Pass, "{}: {reports:#?}\n{:#?}", run.case.id, run.history);
    }
    runs
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
    let (session, out) = (session(&cases).await, tempfile::tempdir().unwrap());
    // Two tenants' workloads side by side, which wait most of the time. Catalogues of several pairs go one by one: one thread
    // serves a test, and they would keep one another's handshakes waiting.
    let terms = Terms::default();
    let runner = Runner { target: &session, topology, seed: 1, jobs: 2, out: out.path().into(), terms };
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
