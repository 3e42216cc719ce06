//! What is measured of servers that are processes, and of servers in containers.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use bulkhead_model::{Service, Topology};
use bulkhead_target::{Session, TargetSpec};

use crate::{bare, table::median};

/// Servers of one kind, and what they took so far.
pub(crate) struct Side {
    spec: TargetSpec,
    alone: [(Service, Vec<Duration>); 4],
    ups: Vec<Duration>,
    joins: Vec<Duration>,
    slices: Vec<Duration>,
    /// Slices on one service alone.
    each: [(Service, Vec<Duration>); 4],
}

/// The medians.
pub(crate) struct Medians {
    pub(crate) alone: [(Service, Duration); 4],
    pub(crate) up: Duration,
    pub(crate) join: Duration,
    pub(crate) slice: Duration,
    pub(crate) each: [(Service, Duration); 4],
}

impl Side {
    /// Nothing measured yet. Starts and ends everything once, which fills the caches that every later start finds (template
    /// folder, page cache, images).
    ///
    /// # Errors
    /// Why these servers cannot be started here.
    pub(crate) async fn new(spec: TargetSpec) -> Result<Self> {
        let none = || Service::ALL.map(|service| (service, Vec::new()));
        let (alone, each) = (none(), none());
        let mut side = Self { spec, alone, ups: Vec::new(), joins: Vec::new(), slices: Vec::new(), each };
        side.up().await?;
        side.ups.clear();
        Ok(side)
    }

    /// Each server alone.
    ///
    /// # Errors
    /// When one does not start.
    pub(crate) async fn alone(&mut self) -> Result<()> {
        for (service, times) in &mut self.alone {
            times.push(bare::boot(&self.spec, *service, false).await?);
        }
        Ok(())
    }

    /// A whole `up` and its end: the time until all four were ready.
    ///
    /// # Errors
    /// When it does not come up, or does not end.
    pub(crate) async fn up(&mut self) -> Result<()> {
        let start = Instant::now();
        let session = Session::open(&self.spec, &|_| {}).await?;
        self.ups.push(start.elapsed());
        session.close().await?;
        Ok(())
    }

    /// Servers that go on for as long as this is held.
    ///
    /// # Errors
    /// When they do not come up.
    pub(crate) async fn hold(&self) -> Result<Session> {
        Ok(Session::open(&self.spec, &|_| {}).await?)
    }

    /// What a test process pays when the servers run already.
    ///
    /// # Errors
    /// When it cannot join them, or gets no slice.
    pub(crate) async fn call(&mut self, topology: &Topology) -> Result<()> {
        let start = Instant::now();
        let joined = self.hold().await?;
        self.joins.push(start.elapsed());

        self.slices.push(slice(&joined, topology, &Service::ALL).await?);
        for (service, times) in &mut self.each {
            times.push(slice(&joined, topology, &[*service]).await?);
        }
        joined.close().await?;
        Ok(())
    }

    pub(crate) fn medians(&mut self) -> Medians {
        Medians {
            alone: self.alone.each_mut().map(|(service, times)| (*service, median(times))),
            up: median(&mut self.ups),
            join: median(&mut self.joins),
            slice: median(&mut self.slices),
            each: self.each.each_mut().map(|(service, times)| (*service, median(times))),
        }
    }
}

/// Makes slices and gives them back: how long the first took.
async fn slice(joined: &Session, topology: &Topology, on: &[Service]) -> Result<Duration> {
    let start = Instant::now();
    let made = joined.slices_on(topology, on, &[]).await?;
    let took = start.elapsed();
    joined.release(made).await?;
    Ok(took)
}

impl Medians {
    /// The server that takes the longest alone.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn slowest(&self) -> Result<(Service, Duration)> {
        self.alone.into_iter().max_by_key(|(_, time)| *time).context("no server")
    }
}
