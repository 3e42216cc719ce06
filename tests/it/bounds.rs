//! A case that takes too long is given up: it proves nothing, and whoever comes next finds nothing of it.

use std::time::Duration;

use bulkhead_engine::{run::Runner, workload::Terms};
use bulkhead_model::{
    Topology, Verdict,
    history::EventKind,
    scenario::{self, Scenario},
};
use futures::StreamExt;

use crate::scenarios::{known, session};

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
