//! Faults beside a program that nobody here wrote: it works over links of its own, on its tenant's slices, until it ends.

use std::future::Future;

use bulkhead_model::{history::EventKind, scenario::Chosen};
use bulkhead_target::{Error, Target, TenantAccess};
use tokio::{sync::watch, time::Instant};

use crate::{
    faults::Ground, inject::inject_all, links::Links, recorder::Recorder, scribe::Scribe, seed::Seed,
};

/// Opens the links, calls `work` with the access that leads over them, and does the faults to it, whose time counts from
/// then. Those that are on when the work is over are undone.
///
/// # Errors
/// When a link could not be opened, or a fault not be begun or undone; what the work came to is lost then.
pub async fn accompany<F: Future>(
    (access, neighbour): (&TenantAccess, Option<&TenantAccess>),
    target: &dyn Target,
    faults: &[Chosen],
    seed: &Seed,
    recorder: &mut Recorder,
    work: impl FnOnce(TenantAccess) -> F,
) -> Result<F::Output, Error> {
    let links = Links::new(seed)?;
    let through = links.in_front(access).await?;
    let scribe = Scribe::new(recorder);
    let (ends, over) = watch::channel(false);
    let begun = Instant::now();
    let working = async {
        let done = work(through.clone()).await;
        ends.send_replace(true);
        done
    };
    let ground = |number| Ground::new(&links, &through, target, neighbour, number);
    let injecting = inject_all(faults, begun, ground, &scribe, over);
    let (done, injected) = futures::join!(working, injecting);
    scribe.record(EventKind::CaseEnded);
    let closed = links.close().await;
    injected?;
    closed.map(|()| done)
}
