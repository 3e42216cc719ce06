//! One case with workloads: links up, work under faults, every fault undone, what is under way brought to its end.

use std::{pin::pin, time::Duration};

use bulkhead_model::{
    Slices,
    history::EventKind,
    scenario::{Case, Chosen, Scenario},
};
use bulkhead_target::{Error, Target, TenantAccess};
use futures::future::try_join_all;
use tokio::{
    sync::watch,
    time::{Instant, sleep_until, timeout},
};

use crate::{
    cost::{self, Meter},
    faults::{self, Ground},
    inject::inject_all,
    links::Links,
    recorder::Recorder,
    sabotage::fallback,
    scribe::Scribe,
    seed::Seed,
    usage,
    workload::{self, Flaw, Phase, Stage, Terms},
};

/// How long the workloads may take to work again once nothing is broken any more.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long the workloads may take to their first successes.
const WARM: Duration = Duration::from_secs(20);

/// Who plays, and who is beside.
pub(crate) struct Player<'a> {
    pub(crate) own: Side<'a>,
    pub(crate) neighbour: Option<Side<'a>>,
}

/// One of them.
#[derive(Clone, Copy)]
pub(crate) struct Side<'a> {
    pub(crate) access: &'a TenantAccess,
    /// The slices that its grants are about.
    pub(crate) granted: &'a Slices,
}

/// What all workloads of a case are played with.
struct Scene<'a> {
    scribe: &'a Scribe<'a>,
    phase: &'a watch::Receiver<Phase>,
    meter: Option<&'a Meter>,
}

impl<'a> Scene<'a> {
    fn stage(&self, side: Side<'a>, chosen: &'a Chosen, seed: &Seed, terms: Terms) -> Stage<'a> {
        Stage {
            access: side.access,
            granted: side.granted,
            chosen,
            seed: seed.child(&chosen.name),
            scribe: self.scribe,
            phase: self.phase.clone(),
            terms,
            meter: self.meter,
        }
    }
}

/// Plays a case for its tenant, beside a neighbour if there is one, who works through links of its own where faults are on
/// these. On servers that others use, too, it ends early when what was announced for it is spent.
///
/// # Errors
/// When it could not be begun, a fault could not be undone, or it ended early. What the workloads met is in the history.
pub(crate) async fn play(
    case: &Case,
    Player { own, neighbour }: Player<'_>,
    (target, terms): (&dyn Target, Terms),
    seed: &Seed,
    recorder: &mut Recorder,
) -> Result<(), Error> {
    let scenario = &case.scenario;
    let meter = (!target.is_ours()).then(|| Meter::new(cost::allowance(scenario)));
    let meter = meter.as_ref();
    let chosen: Vec<_> =
        scenario.workload.iter().filter_map(|chosen| Some((workload::find(&chosen.name)?, chosen))).collect();
    let does = workload::beside(scenario);
    let links = Links::broken_by(terms.breaker, seed).await?;
    let through = links.through(own.access, &workload::services(&scenario.workload)).await?;
    let theirs = match neighbour.filter(|_| !does.is_empty()) {
        Some(side) => {
            let services: Vec<_> = does.iter().map(|(workload, _)| workload.service()).collect();
            Some((links.through(side.access, &services).await?, side))
        }
        None => None,
    };
    let (through, _trusted) = match faults::show_certificates(&scenario.faults) {
        true => Links::trusting_impostors(through)?,
        false => (through, None),
    };
    let scribe = Scribe::new(recorder);
    let (phase, watched) = watch::channel(Phase::Work);
    let scene = Scene { scribe: &scribe, phase: &watched, meter };
    let own = Side { access: &through, ..own };
    let played = chosen.iter().map(|(workload, chosen)| (*workload, scene.stage(own, chosen, seed, terms)));
    let mut stages: Vec<_> = played.collect();
    if let Some((access, side)) = &theirs {
        let (side, seed) = (Side { access, ..*side }, &seed.child("neighbour"));
        // What the case's tenant's app does wrongly its neighbour's does not.
        let terms = Terms { flaw: None, ..terms };
        stages.extend(
            does.iter().map(|(workload, chosen)| (*workload, scene.stage(side, chosen, seed, terms))),
        );
    }
    let played = || stages.iter().map(|(workload, stage)| (*workload, stage));
    for (workload, stage) in played() {
        stage.pay(workload.preparing(stage.chosen));
    }
    try_join_all(played().map(|(workload, stage)| workload.prepare(stage))).await?;
    let neighbour = neighbour.map(|side| side.access);
    let ground = |number| Ground::new(&links, &through, target, neighbour, number);
    let timeline = async {
        let injected = befall((scenario, stages.len()), ground, &scribe, meter).await;
        scribe.record(EventKind::Healed);
        phase.send_replace(Phase::Drain(Instant::now()));
        injected
    };
    let careless = async {
        if terms.flaw == Some(Flaw::PlainFallback) {
            fallback::come(&through, &watched).await;
        }
    };
    let working = try_join_all(played().map(|(workload, stage)| workload.work(stage)));
    let watching = usage::watch(target, &scribe, terms.watched.then(|| watched.clone()));
    let (worked, injected, (), ()) = futures::join!(working, timeline, careless, watching);
    let closed = links.close().await;
    worked.map(drop).and(injected).and(closed)?;
    match meter.and_then(Meter::why) {
        Some(why) => Err(Error::Reported(why)),
        None => Ok(()),
    }
}

/// Does the faults to so many workloads that work, and returns when these are to come to their end: when their time is over, or
/// nothing more can be paid.
async fn befall<'a>(
    (scenario, workloads): (&Scenario, usize),
    ground: impl Fn(usize) -> Ground<'a>,
    scribe: &Scribe<'_>,
    meter: Option<&Meter>,
) -> Result<(), Error> {
    let works = async |patience| {
        tokio::select! {
            _the_checks_will_tell = timeout(patience, scribe.works(workloads)) => {}
            () = Meter::spent(meter) => {}
        }
    };
    // A fault is to meet work, however slow the machine: its time counts from when all of them do some.
    works(WARM).await;
    let begun = Instant::now();
    let (ends, over) = watch::channel(false);
    let mut injecting = pin!(inject_all(&scenario.faults, begun, ground, scribe, over));
    let injected = tokio::select! {
        biased;
        () = Meter::spent(meter) => {
            ends.send_replace(true);
            injecting.await
        }
        injected = &mut injecting => injected,
    };
    // A server that takes its time to start again is to be met once more, or nothing could be said of its recovery.
    scribe.begin_anew();
    works(PATIENCE).await;
    tokio::select! {
        () = sleep_until(begun + scenario.run_for) => {}
        () = Meter::spent(meter) => {}
    }
    injected
}
