//! A case that takes too long or crashes is given up: it proves nothing, and whoever comes next finds nothing of it.

use std::time::Duration;

use bulkhead_engine::{run::Runner, workload::Terms};
use bulkhead_model::{
    Topology, Verdict,
    history::EventKind,
    scenario::{self, Scenario},
};
use futures::StreamExt;

use crate::{
    altered::Altered,
    scenarios::{known, session},
};

const TEXT: &str = "title: A moment\nwhy: It is over soon.\ntags: [chaos]\ntenants: [engine]\n\
                    workload: [{ redis.sessions: { rate: 60/s } }]\nrun-for: 1s\nexpect: [within-ttl: 100ms]\n";

#[tokio::test]
async fn a_case_that_takes_too_long_is_given_up() {
    let scenarios = known(|known| Scenario::parse("bounds", TEXT, "bounds.yaml", known)).unwrap();
    let (topology, out) = (Topology::builtin(), tempfile::tempdir().unwrap());
    let cases = scenario::expand(&scenarios, &topology).unwrap();
    let session = session(&cases).await;
    // Its time counts from the first success of its workload, so that no case is over within what it works for.
    for (bound, late) in [(Duration::ZERO, true), (Terms::default().bound, false)] {
        let terms = Terms { bound, ..Terms::default() };
        let out = out.path().join(bound.as_secs().to_string());
        let runner = Runner { target: &session, topology: &topology, seed: 1, jobs: 1, out, terms };
        let runs: Vec<_> = runner.run(cases.clone(), &|_| {}).collect().await;
        let history = &runs[0].history;
        let given_up = history.iter().any(|event| match &event.kind {
            EventKind::Broken { error } => error.contains("could not finish the case within 1s"),
            _ => false,
        });
        let verdict = bulkhead_checks::judge(history, &runs[0].case.scenario.expect)[0].verdict;
        let expected = if late { Verdict::Unknown } else { Verdict::Pass };
        assert_eq!((given_up, verdict), (late, expected), "{history:#?}");
    }
}

/// Publishers that a broker's alarm stops.
const ALARMED: &str = "title: An alarm\nwhy: It stops every publisher.\ntags: [chaos]\ntenants: [engine]\n\
                       workload: [{ rabbitmq.tasks: { rate: 20/s } }]\nrun-for: 1s\nexpect: [nothing-lost]\n\
                       faults: [{ memory-alarm: { service: rabbitmq, at: 100ms, for: 300ms } }]\n";

#[tokio::test]
async fn the_fault_of_a_case_that_crashes_is_undone_with_its_slices() {
    let parse = |text: &str| known(|known| Scenario::parse("bounds", text, "bounds.yaml", known)).unwrap();
    let (topology, out) = (Topology::builtin(), tempfile::tempdir().unwrap());
    let cases = scenario::expand(&parse(ALARMED), &topology).unwrap();
    let target = Altered { crashes: true, ..Altered::of(session(&cases).await) };
    let (calm, _) = ALARMED.split_once("faults:").unwrap();
    let calm = scenario::expand(&parse(calm), &topology).unwrap();
    for (cases, crashed) in [(cases, true), (calm, false)] {
        let (out, terms) = (out.path().join(crashed.to_string()), Terms::default());
        let runner = Runner { target: &target, topology: &topology, seed: 1, jobs: 1, out, terms };
        let runs: Vec<_> = runner.run(cases, &|_| {}).collect().await;
        let history = &runs[0].history;
        let has = |wanted: fn(&EventKind) -> bool| history.iter().any(|event| wanted(&event.kind));
        let broke = has(
            |kind| matches!(kind, EventKind::Broken { error } if error.contains("the harness itself crashed: nobody undoes it")),
        );
        assert_eq!((broke, has(|kind| matches!(kind, EventKind::FaultBegan(_)))), (crashed, crashed));
        assert!(!has(|kind| matches!(kind, EventKind::FaultEnded(_))), "{history:#?}");
        let report = bulkhead_checks::judge(history, &runs[0].case.scenario.expect).remove(0);
        let expected = if crashed { Verdict::Unknown } else { Verdict::Pass };
        assert_eq!(report.verdict, expected, "{}", report.evidence);
    }
}
