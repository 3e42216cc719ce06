//! One case with workloads: links up, work under faults, every fault undone, what is under way brought to its end.

use std::time::Duration;

use bulkhead_model::{history::EventKind, scenario::Case};
use bulkhead_target::{Error, Target, TenantAccess};
use futures::future::try_join_all;
use tokio::{
    sync::watch,
    time::{Instant, sleep_until, timeout},
};

use crate::{
    faults::{self, Ground},
    inject::inject_all,
    links::Links,
    recorder::Recorder,
    scribe::Scribe,
    seed::Seed,
    workload::{self, Phase, Stage, Terms},
};

/// How long the workloads may take to work again once nothing is broken any more.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long the workloads may take to their first successes.
const WARM: Duration = Duration::from_secs(20);

/// Plays a case for its tenant, beside a neighbour if there is one.
///
/// # Errors
/// When it could not be begun, or a fault could not be undone. What the workloads met is in the history.
pub(crate) async fn play(
    case: &Case,
    (access, neighbour): (&TenantAccess, Option<&TenantAccess>),
    (target, terms): (&dyn Target, Terms),
    seed: &Seed,
    recorder: &mut Recorder,
) -> Result<(), Error> {
    let scenario = &case.scenario;
    let chosen: Vec<_> =
        scenario.workload.iter().filter_map(|chosen| Some((workload::find(&chosen.name)?, chosen))).collect();
    let links = Links::new(seed)?;
    let through = links.through(access, &workload::services(&scenario.workload)).await?;
    let (through, _trusted) = match faults::show_certificates(&scenario.faults) {
        true => Links::trusting_impostors(through)?,
        false => (through, None),
    };
    let scribe = Scribe::new(recorder);
    let (phase, watched) = watch::channel(Phase::Work);
    let stages: Vec<_> = chosen
        .iter()
        .map(|(_, chosen)| Stage {
            access: &through,
            chosen,
            seed: seed.child(&chosen.name),
            scribe: &scribe,
            phase: watched.clone(),
            terms,
        })
        .collect();
    let played = || chosen.iter().map(|(workload, _)| *workload).zip(&stages);
    try_join_all(played().map(|(workload, stage)| workload.prepare(stage))).await?;

    // The case itself is never over before its faults.
    let (_over, never) = watch::channel(false);
    let timeline = async {
        // A fault is to meet work, however slow the machine: its time counts from when all of them do some.
        let _the_checks_will_tell = timeout(WARM, scribe.works(chosen.len())).await;
        let begun = Instant::now();
        let ground = |number| Ground::new(&links, &through, target, neighbour, number);
        let injected = inject_all(&scenario.faults, begun, ground, &scribe, never).await;
        // A server that takes its time to start again is to be met once more, or nothing could be said of its recovery.
        scribe.begin_anew();
        let _the_checks_will_tell = timeout(PATIENCE, scribe.works(chosen.len())).await;
        sleep_until(begun + scenario.run_for).await;
        scribe.record(EventKind::Healed);
        phase.send_replace(Phase::Drain);
        injected
    };
    let (worked, injected) =
        futures::join!(try_join_all(played().map(|(workload, stage)| workload.work(stage))), timeline);
    let closed = links.close().await;
    worked.map(drop).and(injected).and(closed)
}
