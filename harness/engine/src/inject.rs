//! One fault from its beginning to its end, with what it touched in the journal.

use bulkhead_model::{
    FaultRecord, LinkTouch, LockoutRecord,
    history::EventKind,
    scenario::{Chosen, Whose},
};
use bulkhead_proxy::events::{Change, Heard, What};
use bulkhead_target::Error;
use futures::future::join_all;
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

use crate::{
    faults::{self, Fault, Ground},
    links::Links,
    scribe::Scribe,
};

/// Does all of a case's faults, each on the ground of its number, which counts from 1.
///
/// # Errors
/// The first that could not be begun or undone, once all are over.
pub(crate) async fn inject_all<'a>(
    faults: &[Chosen],
    begun: Instant,
    ground: impl Fn(usize) -> Ground<'a>,
    scribe: &Scribe<'_>,
    over: watch::Receiver<bool>,
) -> Result<(), Error> {
    let injected =
        (1..).zip(faults).map(|(number, fault)| inject(fault, begun, ground(number), scribe, over.clone()));
    join_all(injected).await.into_iter().collect()
}

/// Begins a fault when it is due and undoes it when it has been there for its time, or as soon as all is `over`. One that is not due
/// by then never begins.
///
/// # Errors
/// When it could not be begun, or not be undone.
async fn inject(
    chosen: &Chosen,
    begun: Instant,
    ground: Ground<'_>,
    scribe: &Scribe<'_>,
    mut over: watch::Receiver<bool>,
) -> Result<(), Error> {
    let Some(fault) = faults::find(&chosen.name) else { return Ok(()) };
    let grounds = ground.of_each(chosen)?;
    if is_over(&mut over, begun + chosen.time("at")).await {
        return Ok(());
    }
    let mut heard = ground.links.proxies().events().listen();
    scribe.record(EventKind::FaultBegan(record(chosen, &grounds, &[])));
    let mut touched = begin_all(fault, chosen, &grounds).await?;
    let lockout = lockout(fault, chosen, &ground);
    lockout.iter().for_each(|lockout| scribe.record(EventKind::LockedOut(lockout.clone())));
    // A busy server may take its time until it has closed what was open: the fault's own counts from then.
    is_over(&mut over, Instant::now() + chosen.time("for")).await;
    lockout.into_iter().for_each(|lockout| scribe.record(EventKind::LetIn(lockout)));
    let undone = join_all(grounds.iter().map(|ground| fault.undo(ground, chosen))).await;
    let met = if fault.meets_who_dials() { dialled(heard.waiting(), &ground, chosen) } else { 0 };
    for (touched, more) in touched.iter_mut().zip(undone) {
        *touched = touched.saturating_add(more?).saturating_add(met);
    }
    for line in ground.links.touches(ground.number, scribe.now()) {
        scribe.record(EventKind::Touched(line));
    }
    scribe.record(EventKind::FaultEnded(record(chosen, &grounds, &touched)));
    Ok(())
}

/// Begins it on each ground, or, where one of these is not to be had, on none.
async fn begin_all(fault: &dyn Fault, chosen: &Chosen, grounds: &[Ground<'_>]) -> Result<Vec<u64>, Error> {
    let begun = join_all(grounds.iter().map(|ground| fault.begin(ground, chosen))).await;
    if begun.iter().any(Result::is_err) {
        for (ground, _) in grounds.iter().zip(&begun).filter(|(_, begun)| begun.is_ok()) {
            fault.undo(ground, chosen).await?;
        }
    }
    begun.into_iter().collect()
}

/// What the history says of it: how much it has touched on each ground, and whose these are where one is not the case's own.
fn record(chosen: &Chosen, grounds: &[Ground<'_>], touched: &[u64]) -> FaultRecord {
    let all = touched.iter().fold(0_u64, |all, touched| all.saturating_add(*touched));
    let touched = touched.iter().copied().chain(std::iter::repeat(0));
    let link = |(ground, touched): (&Ground<'_>, u64)| LinkTouch {
        tenant: ground.access.tenant.name.clone(),
        touched,
    };
    let links = match Whose::of(chosen) {
        Whose::One => Vec::new(),
        Whose::All | Whose::Neighbour => grounds.iter().zip(touched).map(link).collect(),
    };
    let fault = grounds.first().map_or(0, |ground| ground.number);
    FaultRecord { fault, what: faults::words(chosen), touched: all, links }
}

/// How many connections were dialled on the link of the fault's service.
fn dialled(heard: Vec<Heard>, ground: &Ground<'_>, chosen: &Chosen) -> u64 {
    let Some(service) = chosen.service("service") else { return 0 };
    let link = Links::name(ground.access, service);
    let dialled = |heard: &Heard| {
        let Heard::Event(event) = heard else { return false };
        matches!(&event.what, What::Connection { proxy, change: Change::Added, .. } if **proxy == *link)
    };
    u64::try_from(heard.iter().filter(|heard| dialled(heard)).count()).unwrap_or(u64::MAX)
}

/// Whom it keeps out while it is on, if anybody.
fn lockout(fault: &dyn Fault, chosen: &Chosen, ground: &Ground<'_>) -> Option<LockoutRecord> {
    let service = chosen.service("service").filter(|_| fault.locks_out())?;
    Some(LockoutRecord { fault: ground.number, service, tenant: ground.access.tenant.name.clone() })
}

/// Waits until the moment, or until all is over: whether that came first.
async fn is_over(over: &mut watch::Receiver<bool>, moment: Instant) -> bool {
    tokio::select! {
        biased;
        // Whoever says so is gone only when all is given up, and then there is nothing to wait for.
        _ = over.wait_for(|over| *over) => true,
        () = sleep_until(moment) => false,
    }
}
