//! The invariants of the workloads can fail on real servers: everything that `bulkhead prove` sabotages with one seed here,
//! and what else somebody with the tenant's own access breaks behind a workload's back.

use std::{
    future::{Future, pending},
    sync::Mutex,
};

use bulkhead_engine::{
    run::{CaseRun, Runner},
    sabotage::{self, Ground, Meddling, Sabotage, Watched},
    workload::Terms,
};
use bulkhead_model::{
    Topology, Verdict,
    report::InvariantReport,
    scenario::{self, Case, Scenario},
};
use bulkhead_target::{Cause, Error, TenantAccess};
use futures::{FutureExt, StreamExt};

use crate::scenarios::{known, session};

mod postgres;
mod rabbitmq;
mod redis;
mod s3;

/// Plays the workload while `sabotage` goes on and expects the invariant to fail, with this in its evidence.
async fn fails<S: Future<Output = ()> + Send + 'static>(
    workload: &str,
    invariant: &str,
    says: &str,
    sabotage: impl FnOnce(TenantAccess) -> S + Send,
) {
    fails_under("", workload, invariant, says, sabotage).await;
}

/// The same while this fault is on, or none.
async fn fails_under<S: Future<Output = ()> + Send + 'static>(
    fault: &str,
    workload: &str,
    invariant: &str,
    says: &str,
    sabotage: impl FnOnce(TenantAccess) -> S + Send,
) {
    let report = judged((workload, fault), invariant, sabotage).await;
    assert_eq!(report.verdict, Verdict::Fail, "{workload}: {}", report.evidence);
    assert!(report.evidence.contains(says), "{workload}: `{says}` is not in: {}", report.evidence);
}

/// What the invariant comes to when the workload is played, under a fault or none, and `sabotage` goes on meanwhile.
async fn judged<S: Future<Output = ()> + Send + 'static>(
    (workload, fault): (&str, &str),
    invariant: &str,
    sabotage: impl FnOnce(TenantAccess) -> S + Send,
) -> InvariantReport {
    let faults = if fault.is_empty() { String::new() } else { format!("faults: [{fault}]\n") };
    let run = meddled(
        case(&format!(
            "title: A promise is broken\nwhy: The check has to see it.\ntags: [chaos]\ntenants: [engine]\n\
             workload: [{workload}]\nrun-for: 3s\n{faults}expect: [{invariant}]\n"
        )),
        sabotage,
    );
    judge(&run.await)
}

/// The one case of a scenario for one tenant.
fn case(text: &str) -> Case {
    let mut cases = cases(text);
    assert_eq!(cases.len(), 1, "one tenant, one case");
    cases.remove(0)
}

/// All of them.
fn cases(text: &str) -> Vec<Case> {
    let parsed = known(|known| Scenario::parse("chaos/sabotage", text, "sabotage.yaml", known));
    scenario::expand(&parsed.unwrap(), &Topology::builtin()).unwrap()
}

fn judge(run: &CaseRun) -> InvariantReport {
    let mut reports = bulkhead_checks::judge(&run.history, &run.case.scenario.expect);
    assert_eq!(reports.len(), 1, "one invariant is expected");
    reports.remove(0)
}

/// Runs the case on the shared servers, with the sabotage beside it from when the tenant has its slices until it gives
/// them back.
async fn meddled<S: Future<Output = ()> + Send + 'static>(
    case: Case,
    sabotage: impl FnOnce(TenantAccess) -> S + Send,
) -> CaseRun {
    let cases = vec![case];
    let (session, out, topology) = (session(&cases).await, tempfile::tempdir().unwrap(), Topology::builtin());
    let sabotage = Mutex::new(Some(sabotage));
    let begin = |access: &mut TenantAccess| {
        let sabotaging = sabotage.lock().unwrap().take().unwrap()(access.clone());
        Ok::<Meddling, Cause>(sabotaging.map(Ok).boxed())
    };
    let target = Watched::new(&session, &begin);
    let (watched, terms) = (&target, Terms::default());
    let runner =
        Runner { target: watched, topology: &topology, seed: 1, jobs: 1, out: out.path().into(), terms };
    let mut runs: Vec<_> = runner.run(cases, &|_| {}).collect().await;
    goes_on(target.broke());
    runs.remove(0)
}

fn goes_on(broke: Option<Error>) {
    assert!(broke.is_none(), "{}", broke.unwrap().chain());
}

/// Whatever is sabotaged, its invariant fails and says why; on a sound system it passes.
#[tokio::test]
async fn every_sabotage_is_seen_and_a_sound_system_passes() {
    let plays = sabotage::ALL.iter().flat_map(|sabotage| [(*sabotage, true), (*sabotage, false)]);
    let played = plays.map(|(sabotage, sabotaged)| async move {
        let (report, wanted) = (play(sabotage, sabotaged).await, Verdict::Fail);
        let (name, says) = (sabotage.name, sabotage.says);
        match sabotaged {
            true => {
                assert_eq!(report.verdict, wanted, "{name}: {}", report.evidence);
                assert!(report.evidence.contains(says), "{name}: `{says}` is not in: {}", report.evidence);
            }
            false => assert_eq!(report.verdict, Verdict::Pass, "{name}, sound: {}", report.evidence),
        }
    });
    // Few at a time: whoever is kept waiting for a handshake until the end proves nothing.
    futures::stream::iter(played).buffer_unordered(3).collect::<Vec<()>>().await;
}

/// What the sabotage's invariant comes to with one seed.
async fn play(sabotage: &Sabotage, sabotaged: bool) -> InvariantReport {
    let case = cases(&sabotage.scenario(sabotaged)).pop().unwrap();
    let session = session(std::slice::from_ref(&case)).await;
    let (out, topology) = (tempfile::tempdir().unwrap(), Topology::builtin());
    let ground = Ground { target: &session, topology: &topology, seed: 1, out: out.path().into() };
    let run = match sabotaged {
        true => {
            let (run, broke) = ground.sabotaged(sabotage, case).await;
            goes_on(broke);
            run
        }
        false => ground.sound(case).await,
    };
    judge(&run.unwrap())
}

/// Every invariant is sabotaged.
#[test]
fn no_invariant_is_left_out() {
    for check in bulkhead_checks::ALL.iter().map(|check| check.name()) {
        let broken = |sabotage: &&&Sabotage| sabotage.expect.split(':').next() == Some(check);
        assert!(sabotage::ALL.iter().any(|sabotage| broken(&sabotage)), "nothing breaks `{check}`");
    }
}

/// What else fails in these files fails because somebody meddled: left alone, the same workloads pass.
#[tokio::test]
async fn nobody_meddles() {
    let promises = [
        ("redis.query-cache", "within-ttl: 50ms"),
        ("redis.sessions", "nothing-foreign"),
        ("rabbitmq.tasks", "nothing-lost"),
        ("rabbitmq.events", "nothing-lost"),
        ("rabbitmq.pipeline", "nothing-lost"),
        ("s3.assets", "byte-exact"),
    ];
    let played = promises.map(|(workload, invariant)| async move {
        (workload, judged((workload, ""), invariant, |_| pending()).await)
    });
    let played: Vec<_> = futures::stream::iter(played).buffer_unordered(2).collect().await;
    for (workload, report) in played {
        assert_eq!(report.verdict, Verdict::Pass, "{workload}: {}", report.evidence);
    }
}
