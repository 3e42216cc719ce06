//! Every scenario file is a test of its own name and must pass on the stand-ins, by the real engine and the real checks.
//!
//! `harness/build.rs` writes the functions; what each does is here.

use std::path::{Path, PathBuf};

use bulkhead_engine::{
    probes,
    run::{CaseRun, Runner},
};
use bulkhead_model::{
    Topology, Verdict,
    report::InvariantReport,
    scenario::{self, Known},
};
use futures::StreamExt;

use crate::support;

include!(concat!(env!("OUT_DIR"), "/scenario_tests.rs"));

/// Runs the file on the documents' layout and expects every case of it to pass.
async fn passes(name: &str) {
    let topology = Topology::builtin();
    let runs =
        judged(&topology, &[Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("scenarios/{name}.yaml"))])
            .await;
    assert!(!runs.is_empty(), "the file has no case on the documents' layout");
    for Judged { run, reports, verdict } in runs {
        assert_eq!(run.case.scenario.name, name);
        assert_eq!(verdict, Verdict::Pass, "{}: {reports:#?}\n{:#?}", run.case.id, run.history);
    }
}

/// A case and what came of it.
pub(crate) struct Judged {
    pub(crate) run: CaseRun,
    pub(crate) reports: Vec<InvariantReport>,
    pub(crate) verdict: Verdict,
}

/// Runs all cases of these scenario files and folders on the shared servers and judges each.
pub(crate) async fn judged(topology: &Topology, files: &[PathBuf]) -> Vec<Judged> {
    let probes: Vec<_> = probes::all().map(|probe| (probe.name(), probe.service(), probe.class())).collect();
    let invariants = bulkhead_checks::ALL.map(|check| check.name());
    let known = Known { probes: &probes, invariants: &invariants };
    let scenarios = scenario::load(files, &known).unwrap();
    let cases = scenario::expand(&scenarios, topology).unwrap();
    let (session, out) = (support::session().await, tempfile::tempdir().unwrap());
    let runner = Runner { session: &session, topology, seed: 1, jobs: 4, out: out.path().into() };
    let runs: Vec<_> = runner.run(cases, &|_| {}).collect().await;
    let judged = runs.into_iter().map(|run| {
        let reports = bulkhead_checks::judge(&run.history, &run.case.scenario.expect);
        let verdict = Verdict::worst(reports.iter().map(|report| report.verdict));
        Judged { run, reports, verdict }
    });
    judged.collect()
}
