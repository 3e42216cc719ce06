//! What is measured, row by row, with its target.

use std::{net::SocketAddr, thread, time::Duration};

use anyhow::{Context as _, Result};
use serde_json::json;

use crate::{
    Plan,
    children::{self, Role, Tied},
    load,
    peers::{Peer, Proxy},
    server::{LATE, wish},
    table::{Samples, Table, Target, Unit},
};

/// Rates of `bandwidth`, in kB/s.
const RATES: [usize; 2] = [500, 20_000];

/// How long a proxy may take to let go of what it needed only while connections were made.
const SETTLE: Duration = Duration::from_secs(2);

/// Before bytes are counted: buffers have grown.
const WARM: Duration = Duration::from_millis(100);

/// Where a peer listens.
#[derive(Clone, Copy)]
struct Doors {
    /// Whose.
    peer: Peer,
    /// The process that is measured, where there is one between client and server.
    process: Option<u32>,
    /// For one connection.
    one: SocketAddr,
    /// For many.
    many: SocketAddr,
    /// For one connection under `latency` of 50 ms, and of 0 ms: there from the start, since Toxiproxy may answer a
    /// removal only when what the toxic holds has left. The same as `one` where there are no toxics.
    late: SocketAddr,
    at_once: SocketAddr,
}

/// Everything that runs.
struct Bench<'a> {
    plan: Plan,
    upstreams: [SocketAddr; 2],
    doors: Vec<Doors>,
    proxies: Vec<(Peer, Proxy)>,
    _children: [Tied; 2],
    table: &'a mut Table,
    complete: bool,
}

/// Adds every row. False when something could not be measured.
pub(crate) fn measure(plan: Plan, table: &mut Table) -> Result<bool> {
    let mut bench = Bench::start(plan, table)?;
    bench.one_connection()?;
    bench.many_connections()?;
    bench.accuracy()?;
    bench.memory()?;
    Ok(bench.complete)
}

impl Doors {
    fn without_toxics(peer: Peer, process: Option<u32>, [one, many]: [SocketAddr; 2]) -> Self {
        Self { peer, process, one, many, late: one, at_once: one }
    }

    fn open(peer: Peer, proxy: &Proxy, [one, many]: [SocketAddr; 2]) -> Result<Self> {
        let doors = Self {
            peer,
            process: Some(proxy.process.id()),
            one: proxy.create("one", one)?,
            many: proxy.create("many", many)?,
            late: proxy.create("late", one)?,
            at_once: proxy.create("at-once", one)?,
        };
        proxy.add("late", "latency", &json!({ "latency": u64::try_from(LATE.as_millis())? }))?;
        proxy.add("at-once", "latency", &json!({ "latency": 0 }))?;
        Ok(doors)
    }
}

impl<'a> Bench<'a> {
    fn start(plan: Plan, table: &'a mut Table) -> Result<Self> {
        let (server, upstreams) = Tied::listening(Role::Server)?;
        let (relay, relays) = Tied::listening(Role::Relay(upstreams))?;
        let mut bench = Self {
            plan,
            upstreams,
            doors: vec![
                Doors::without_toxics(Peer::Direct, None, upstreams),
                Doors::without_toxics(Peer::Relay, Some(relay.id()), relays),
            ],
            proxies: Vec::new(),
            _children: [server, relay],
            table,
            complete: true,
        };
        for peer in [Peer::Toxiproxy, Peer::Bulkhead] {
            match Proxy::start(peer) {
                Ok(Some(proxy)) => {
                    bench.doors.push(Doors::open(peer, &proxy, upstreams)?);
                    bench.proxies.push((peer, proxy));
                }
                Ok(None) => bench.table.note(
                    "no toxiproxy-server on PATH or in BULKHEAD_TOXIPROXY_BIN: nothing is compared with it",
                ),
                Err(error) => bench.lost("start", peer, &error),
            }
        }
        Ok(bench)
    }

    fn one_connection(&mut self) -> Result<()> {
        let turn = self.plan.turn;
        let trips = self.turns("round trip", &Peer::ALL, |doors| load::round_trip_p50(doors.one, turn / 2));
        self.table.row("1 kB request and reply, p50", Unit::Micros, &trips, &[]);
        let targets = [Target::AtMost(0.5, Peer::Toxiproxy)];
        self.table.row("  added by the peer", Unit::Micros, &trips.added(), &targets);

        let plain = self.turns("bulk", &Peer::ALL, |doors| load::bulk(doors.one, WARM, turn));
        let targets = [Target::AtLeast(3.0, Peer::Toxiproxy), Target::AtLeast(0.9, Peer::Relay)];
        self.table.row("bulk, no toxic", Unit::BytesPerSecond, &plain, &targets);

        let (proxies, full) = ([Peer::Toxiproxy, Peer::Bulkhead], WARM + 3 * LATE);
        let late = self.turns("bulk under latency", &proxies, |doors| load::bulk(doors.late, full, turn));
        let targets = [Target::AtLeast(2.0, Peer::Toxiproxy)];
        self.table.row("bulk under latency 50 ms", Unit::BytesPerSecond, &late, &targets);
        let at_once =
            self.turns("bulk under latency 0", &proxies, |doors| load::bulk(doors.at_once, full, turn));
        let cut = late.with(&at_once, |late, at_once| late / at_once);
        self.table.row("  against latency 0 ms", Unit::Times, &cut, &[Target::Above(0.9)]);
        let cut = late.with(&plain, |late, plain| late / plain);
        self.table.row("  against no toxic", Unit::Times, &cut, &[]);
        Ok(())
    }

    fn many_connections(&mut self) -> Result<()> {
        let turn = self.plan.turn;
        let mut cost = Samples::default();
        let requests = self.turns("requests", &Peer::ALL, |doors| {
            let spent = || doors.process.map(children::spent).transpose();
            let before = spent()?;
            let rate = load::requests(doors.many, 50, turn)?;
            if let (Some(before), Some(after)) = (before, spent()?) {
                cost.push(doors.peer, (after - before) / (rate * turn.as_secs_f64()));
            }
            Ok(rate)
        });
        let targets = [Target::AtLeast(2.0, Peer::Toxiproxy)];
        self.table.row("50 connections, small requests", Unit::PerSecond, &requests, &targets);
        self.table.row("  processor time for a request", Unit::Micros, &cost, &[]);
        let churned = self.turns("connections", &Peer::ALL, |doors| load::churned(doors.many, turn));
        let targets = [Target::AtLeast(1.5, Peer::Toxiproxy)];
        self.table.row("connections opened and closed", Unit::PerSecond, &churned, &targets);
        Ok(())
    }

    fn accuracy(&mut self) -> Result<()> {
        let trips = self.plan.trips;
        // In the place of the direct connection: the server itself sleeps, which is as true as this machine can be.
        let late = self.turns("latency", &[Peer::Direct, Peer::Toxiproxy, Peer::Bulkhead], |doors| {
            let wish = if doors.late == doors.one { wish::LATE } else { wish::ECHO };
            load::latency_error(doors.late, wish, trips)
        });
        let targets = [Target::Below(1e-3), Target::AtMost(1.0, Peer::Toxiproxy)];
        self.table.row("latency 50 ms, p99 of error", Unit::Millis, &late, &targets);

        let stretch = self.plan.stretch;
        let mut clients = Vec::new();
        for (peer, proxy) in &self.proxies {
            for rate in RATES {
                let name = format!("rate{rate}");
                let address = proxy.create(&name, self.upstreams[0])?;
                proxy.add(&name, "bandwidth", &json!({ "rate": rate }))?;
                let bytes = rate * 1000 * usize::try_from(stretch.as_secs())?;
                clients.push((*peer, rate, thread::spawn(move || load::rate_over(address, bytes))));
            }
        }
        let mut worst = Samples::default();
        for (peer, rate, client) in clients {
            match client.join().ok().context("a client ended")? {
                Ok(reached) => worst.worst(peer, (reached / (rate as f64 * 1e3) - 1.0).abs()),
                Err(error) => self.lost("bandwidth", peer, &error),
            }
        }
        let measure = format!("bandwidth over {} s, worst error", stretch.as_secs());
        self.table.row(&measure, Unit::Percent, &worst, &[Target::Below(0.02)]);
        Ok(())
    }

    /// In processes of their own: what went before would show.
    fn memory(&mut self) -> Result<()> {
        let mut each = Samples::default();
        for peer in [Peer::Toxiproxy, Peer::Bulkhead] {
            match self.memory_of(peer) {
                Ok(Some(bytes)) => each.push(peer, bytes),
                Ok(None) => {}
                Err(error) => self.lost("memory", peer, &error),
            }
        }
        let measure = format!("memory of an idle connection of {}", self.plan.idle);
        self.table.row(&measure, Unit::Bytes, &each, &[Target::AtMost(0.5, Peer::Toxiproxy)]);
        Ok(())
    }

    fn memory_of(&self, peer: Peer) -> Result<Option<f64>> {
        let Some(proxy) = Proxy::start(peer)? else { return Ok(None) };
        let address = proxy.create("idle", self.upstreams[1])?;
        load::alive(load::idle(address, 10)?)?;
        let before = proxy.process.resident()?;
        let streams = load::idle(address, self.plan.idle)?;
        thread::sleep(SETTLE);
        let after = proxy.process.resident()?;
        load::alive(streams)?;
        Ok(Some(after.saturating_sub(before) as f64 / self.plan.idle as f64))
    }

    /// Lets the peers take turns at one measure. The order turns too, so that none is always the first.
    fn turns(&mut self, what: &str, peers: &[Peer], mut one: impl FnMut(Doors) -> Result<f64>) -> Samples {
        let mut samples = Samples::default();
        let mut taking: Vec<_> =
            self.doors.iter().filter(|doors| peers.contains(&doors.peer)).copied().collect();
        let mut failed = Vec::new();
        for _ in 0..self.plan.rounds {
            for doors in &taking {
                match one(*doors) {
                    Ok(value) => samples.push(doors.peer, value),
                    Err(error) => failed.push((doors.peer, error)),
                }
            }
            taking.retain(|doors| failed.iter().all(|(known, _)| *known != doors.peer));
            if !taking.is_empty() {
                taking.rotate_left(1);
            }
        }
        for (peer, error) in failed {
            samples.forget(peer);
            self.lost(what, peer, &error);
        }
        samples
    }

    fn lost(&mut self, what: &str, peer: Peer, error: &anyhow::Error) {
        self.complete = false;
        self.table.note(format!("{what} could not be measured on {}: {error:#}", peer.name()));
    }
}
