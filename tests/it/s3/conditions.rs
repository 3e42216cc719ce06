//! `s3.config` puts settings on conditions where the server looks at them, and notes where it does not.

use std::time::Duration;

use bulkhead_engine::{
    recorder::{Clock, Recorder},
    scribe::Scribe,
    seed::Seed,
    workload::{self, Phase, Stage, Terms},
};
use bulkhead_model::{
    Act, Ending, Verdict,
    history::{Event, EventKind},
    scenario::Scenario,
};
use bulkhead_target::services::s3::{Options, Profile};
use tokio::{sync::watch, time::interval};

use super::common::own;
use crate::scenarios::known;

const CLIENTS: usize = 3;

/// Operations among which some are conditional, if any is.
const ENOUGH: u64 = 200;

const TEXT: &str = "title: Settings\nwhy: Of two that change one, one must learn so.\ntags: [chaos]\nrun-for: 1s\n\
                    workload: [{ s3.config: { clients: 3, objects: 1, rate: max } }]\nexpect: [linearizable]\n";

/// What the clients did, and how each conditional put came out.
async fn played(profile: Profile) -> (Vec<Event>, Vec<(Ending, String)>) {
    let mut own = own(Options { profile, ..Options::default() }).await;
    let access = &own.tenant_access().await;
    let scenario =
        known(|known| Scenario::parse("conditions", TEXT, "conditions.yaml", known)).unwrap().remove(0);
    let chosen = &scenario.workload[0];
    let (folder, workload) = (tempfile::tempdir().unwrap(), workload::find(&chosen.name).unwrap());
    let mut recorder = Recorder::begin(folder.path().join("one.jsonl"), Clock::start());
    recorder.record(EventKind::CaseStarted { case: String::from("conditions (engine)") });
    let scribe = Scribe::new(&mut recorder);
    let (_working, phase) = watch::channel(Phase::Work);
    let (granted, seed, terms) = (&access.tenant.slices, Seed::new(1), Terms::default());
    let stage = Stage { access, granted, chosen, seed, scribe: &scribe, phase, terms, meter: None };
    workload.prepare(&stage).await.unwrap();
    let mut looks = interval(Duration::from_millis(10));
    let enough = async {
        while scribe.begun() < ENOUGH {
            looks.tick().await;
        }
    };
    tokio::select! {
        _ = workload.work(&stage) => panic!("nobody ended it"),
        () = enough => {}
    }
    recorder.record(EventKind::CaseEnded);
    let history = recorder.finish().0;
    let mut swaps = Vec::new();
    for event in &history {
        let EventKind::Invoked(invoked) = &event.kind else { continue };
        let ended = history.iter().find_map(|event| match &event.kind {
            EventKind::Ended(ended) if ended.op == invoked.op => Some((ended.outcome, ended.detail.clone())),
            _ => None,
        });
        swaps.extend(ended.filter(|_| matches!(invoked.act, Act::Swap { .. })));
    }
    let report = bulkhead_checks::judge(&history, &scenario.expect).remove(0);
    assert_eq!(report.verdict, Verdict::Pass, "{}", report.evidence);
    (history, swaps)
}

#[tokio::test]
async fn settings_are_put_on_conditions_where_the_server_looks_at_them() {
    let (_, swaps) = played(Profile::S3).await;
    let count = |wanted| swaps.iter().filter(|(outcome, _)| *outcome == wanted).count();
    assert!(count(Ending::Ok) > CLIENTS, "{swaps:?}");
    let lost = swaps.iter().filter(|(_, detail)| detail.starts_with("412 PreconditionFailed"));
    assert!(lost.count() >= CLIENTS - 1, "of three that create it one does: {swaps:?}");
}

#[tokio::test]
async fn where_it_does_not_each_client_asks_once() {
    let (history, swaps) = played(Profile::B2).await;
    assert_eq!(swaps.len(), CLIENTS, "{swaps:?}");
    for (outcome, detail) in &swaps {
        assert_eq!(*outcome, Ending::Failed);
        assert!(detail.starts_with("501 NotImplemented: A header you provided implies"), "{detail}");
    }
    let went_on = history.len() - 2 * CLIENTS;
    assert!(went_on > 200, "they go on without: {went_on}");
}
