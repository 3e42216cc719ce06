//! Rounds of the two sides that take turns, and how a turn of ours is counted.

use std::{
    future::Future,
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use bulkhead_engine::{
    recorder::{Clock, Recorder},
    scribe::Scribe,
};
use bulkhead_model::Service;
use bulkhead_target::TenantAccess;
use futures::future::try_join_all;
use tokio::{
    runtime::{Builder, Runtime},
    time::timeout,
};

use crate::{
    Plan,
    pen::Pen,
    table::{Side, Table},
    tool::spent,
};

/// What both sides work with.
pub(crate) struct Arena<'a> {
    pub(crate) plan: Plan,
    pub(crate) access: &'a TenantAccess,
    pub(crate) table: &'a mut Table,
}

/// What one turn came to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Turn {
    /// Operations a second, once all connections are there.
    pub(crate) rate: f64,
    pub(crate) operations: f64,
    /// Processor time of the load generator in seconds, connecting included.
    pub(crate) processor: f64,
}

/// What a row compares.
pub(crate) struct Measure {
    pub(crate) name: String,
    pub(crate) service: Service,
    /// How long each side works: what a new connection costs its server at first must weigh the same for both.
    pub(crate) turn: Duration,
    /// The least ratio.
    pub(crate) target: f64,
}

/// A client of ours.
pub(crate) trait Client: Send + 'static {
    /// Does what it does once, and says how many operations that was.
    fn step(&mut self, pen: &Pen<'_>) -> impl Future<Output = Result<u32>> + Send;
}

impl Arena<'_> {
    /// Lets our clients, which `connect` connects for each turn, and the tool take turns, and adds the rows: our clients by
    /// themselves beside the tool, and what is left of them in `bulkhead bench`, which writes a history.
    pub(crate) fn compare<C: Client, F>(
        &mut self,
        measure: &Measure,
        connect: impl Fn() -> F,
        mut theirs: impl FnMut(Duration) -> Result<Turn>,
    ) -> Result<()>
    where
        F: Future<Output = Result<Vec<C>>> + Send + 'static,
    {
        let folder = tempfile::tempdir_in(Path::new(env!("CARGO_TARGET_TMPDIR")))?;
        let (mut here, mut recorded, mut there) = (Side::default(), Side::default(), Side::default());
        for _ in 0..self.plan.rounds {
            here.add(self.play(measure, connect(), None)?);
            there.add(theirs(measure.turn)?);
            recorded.add(self.play(measure, connect(), Some(&folder.path().join("journal.jsonl")))?);
        }
        self.table.row(measure, &here, &there);
        self.table.beneath("  as `bulkhead bench` does", &recorded, &there);
        Ok(())
    }

    /// One turn of clients that are connected first, each of which does one step after another until the turn is over:
    /// all in one task, as those of a workload.
    fn play<C: Client>(
        &self,
        measure: &Measure,
        connect: impl Future<Output = Result<Vec<C>>> + Send + 'static,
        journal: Option<&Path>,
    ) -> Result<Turn> {
        let before = spent("self")?;
        let mut recorder = journal.map(|path| Recorder::begin(path.to_owned(), Clock::start()));
        let (turn, tenant, service) = (measure.turn, self.access.tenant.name.clone(), measure.service);
        let whole = async move {
            let scribe = recorder.as_mut().map(Scribe::new);
            let mut clients = connect.await?;
            let (done, begun) = (AtomicU64::new(0), Instant::now());
            let working = clients.iter_mut().enumerate().map(|(number, client)| {
                work(client, Pen::new(scribe.as_ref(), &tenant, service, number + 1), &done)
            });
            // What is under way at the end is neither counted nor waited for: its connections are not used again.
            if let Ok(ended) = timeout(turn, try_join_all(working)).await {
                ended?;
            }
            let operations = f64::from(u32::try_from(done.load(Ordering::Relaxed))?);
            anyhow::Ok((operations, operations / begun.elapsed().as_secs_f64()))
        };
        // What is left of the connections ends with it.
        let (operations, rate) = runtime()?.block_on(whole)?;
        Ok(Turn { rate, operations, processor: spent("self")? - before })
    }
}

/// Where our clients run: on one thread, as those of `bulkhead bench`.
pub(crate) fn runtime() -> Result<Runtime> {
    let built = Builder::new_current_thread().enable_all().build();
    built.context("cannot start a runtime")
}

async fn work(client: &mut impl Client, pen: Pen<'_>, done: &AtomicU64) -> Result<()> {
    loop {
        done.fetch_add(client.step(&pen).await?.into(), Ordering::Relaxed);
    }
}
