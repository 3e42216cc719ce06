//! What a case may spend on servers that others use, too, ends it: here on stand-ins that say that they are such.

use bulkhead_engine::{
    run::{CaseRun, Runner},
    workload::Terms,
};
use bulkhead_model::{
    Service, Topology, Verdict,
    history::EventKind,
    scenario::{self, Scenario},
};
use futures::StreamExt;

use crate::{altered::Altered, scenarios::known, support};

/// One workload that works, and one that never does where nobody answers it.
const TWO: &str = "\
title: Two workloads
why: A case waits for both, and is not to spend without end meanwhile.
tags: [chaos]
tenants: [engine]
workload:
  - redis.rate-limit: { clients: 2, rate: 100/s, limit: 20 }
  - s3.logs: { clients: 1, rate: 10/s }
run-for: 1s
faults: [{ latency: { service: redis, at: 0ms, for: 500ms } }]
expect: [within-limit]
";

/// The most that the limiter may be asked: in the case's time and the few seconds that it may take longer, and for the
/// price of connections that were not needed.
const ASKED: usize = 100 * (1 + 8) + 100;

/// How often the limiter was asked, and what the case came to.
async fn played(unanswered: bool) -> (usize, Verdict, String) {
    let topology = Topology::builtin();
    let parsed = known(|known| Scenario::parse("chaos/two", TWO, "two.yaml", known)).unwrap();
    let cases = scenario::expand(&parsed, &topology).unwrap();
    let target = &Altered { billed: true, unanswered, ..Altered::of(support::session().await) };
    let (out, terms) = (tempfile::tempdir().unwrap(), Terms::default());
    let runner = Runner { target, topology: &topology, seed: 1, jobs: 1, out: out.path().into(), terms };
    let mut runs: Vec<CaseRun> = runner.run(cases, &|_| {}).collect().await;
    let run = runs.remove(0);
    let asked = run.history.iter().filter(|event| match &event.kind {
        EventKind::Invoked(invoked) => invoked.service == Service::Redis,
        _ => false,
    });
    let report = bulkhead_checks::judge(&run.history, &run.case.scenario.expect).remove(0);
    (asked.count(), report.verdict, report.evidence)
}

#[tokio::test]
async fn a_case_that_would_spend_more_than_was_announced_ends_early_and_is_unknown() {
    let (asked, verdict, evidence) = played(true).await;
    assert_eq!(verdict, Verdict::Unknown, "{evidence}");
    assert!(evidence.contains("the case's allowance was spent before its end"), "{evidence}");
    assert!((ASKED / 4..=ASKED).contains(&asked), "{asked}");
}

#[tokio::test]
async fn one_that_does_not_passes() {
    let (asked, verdict, evidence) = played(false).await;
    assert_eq!(verdict, Verdict::Pass, "{evidence}");
    assert!(asked < ASKED / 2, "{asked}");
}
