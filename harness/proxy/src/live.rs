//! What is open now and what has flowed: the connections of a proxy, their bytes each way, and what its toxics touched.
//!
//! A connection counts for itself, without a lock and without a word that another connection writes too; sums are made
//! when somebody asks. Forms for people and for Prometheus are the API's.

use std::{
    collections::BTreeMap,
    io,
    net::SocketAddr,
    ops::AddAssign,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::Waker,
    time::{Duration, Instant},
};

use futures::task::AtomicWaker;

use crate::{chain::Mark, spec::Direction};

/// Bytes that flowed one way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Read from the source.
    pub received: u64,
    /// Written to the other end.
    pub sent: u64,
}

impl AddAssign for Traffic {
    fn add_assign(&mut self, more: Self) {
        self.received = self.received.saturating_add(more.received);
        self.sent = self.sent.saturating_add(more.sent);
    }
}

/// An open connection as it is now.
#[derive(Clone, Debug)]
pub struct Connection {
    /// Its proxy.
    pub proxy: Arc<str>,
    /// Counts from 1 in its proxy.
    pub ordinal: u64,
    /// The client's address.
    pub client: SocketAddr,
    /// Where it was accepted.
    pub listener: Arc<str>,
    /// Where it is or will be connected to.
    pub upstream: Arc<str>,
    /// How long it has been open.
    pub age: Duration,
    /// From the client to the server.
    pub up: Traffic,
    /// From the server to the client.
    pub down: Traffic,
    /// The toxics that act on it, upstream first; those that its coin spared are not among them.
    pub toxics: Vec<Arc<str>>,
}

/// What has flowed through a proxy while it had one listener and one upstream.
#[derive(Clone, Debug)]
pub struct Flow {
    /// The proxy.
    pub proxy: Arc<str>,
    /// Where it listens.
    pub listener: Arc<str>,
    /// Where it dials.
    pub upstream: Arc<str>,
    /// From clients to servers.
    pub up: Traffic,
    /// From servers to clients.
    pub down: Traffic,
}

/// What one toxic did.
#[derive(Clone, Debug)]
pub struct Touched {
    /// The proxy.
    pub proxy: Arc<str>,
    /// The toxic.
    pub toxic: Arc<str>,
    /// How often it touched bytes or a connection.
    pub touches: u64,
    /// How many bytes.
    pub bytes: u64,
}

/// The running account of one proxy.
#[derive(Debug, Default)]
pub(crate) struct Live {
    ordinals: AtomicU64,
    open: Mutex<BTreeMap<u64, Arc<Open>>>,
    closed: Mutex<Vec<(Arc<Place>, [Traffic; 2])>>,
    touched: Mutex<BTreeMap<Arc<str>, (u64, u64)>>,
    /// Whether it has been said that descriptors ran out, and not yet that there are some again.
    exhausted: AtomicBool,
}

/// What connections that were accepted together have in common.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) proxy: Arc<str>,
    pub(crate) listener: Arc<str>,
    pub(crate) upstream: Arc<str>,
}

/// One open connection's own part of the account.
#[derive(Debug)]
pub(crate) struct Open {
    pub(crate) ordinal: u64,
    place: Arc<Place>,
    client: SocketAddr,
    since: Instant,
    counts: [Counts; 2],
    toxics: Mutex<Vec<Arc<str>>>,
    waker: AtomicWaker,
}

/// Written by the connection's task only.
#[derive(Debug, Default)]
struct Counts {
    received: AtomicU64,
    sent: AtomicU64,
}

/// Keeps a connection in the account until it is dropped.
#[derive(Debug)]
pub(crate) struct Listed {
    live: Arc<Live>,
    pub(crate) open: Arc<Open>,
}

impl Live {
    /// Takes a connection into the account and numbers it.
    pub(crate) fn open(self: &Arc<Self>, place: &Arc<Place>, client: SocketAddr) -> Listed {
        let ordinal = self.ordinals.fetch_add(1, Ordering::Relaxed) + 1;
        let open = Arc::new(Open {
            ordinal,
            place: place.clone(),
            client,
            since: Instant::now(),
            counts: Default::default(),
            toxics: Mutex::default(),
            waker: AtomicWaker::new(),
        });
        locked(&self.open).insert(ordinal, open.clone());
        Listed { live: self.clone(), open }
    }

    /// How many connections have been accepted so far.
    pub(crate) fn accepted(&self) -> u64 {
        self.ordinals.load(Ordering::Relaxed)
    }

    /// A connection could not be had for want of descriptors: said once, until one can.
    pub(crate) fn exhausted(&self, place: &Place, error: &io::Error) {
        if !self.exhausted.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                proxy = %place.proxy, %error,
                "new connections are closed until there are descriptors again; raise the limit (ulimit -n)"
            );
        }
    }

    /// A connection was made.
    pub(crate) fn relieved(&self, place: &Place) {
        if self.exhausted.load(Ordering::Relaxed) && self.exhausted.swap(false, Ordering::Relaxed) {
            tracing::info!(proxy = %place.proxy, "there are descriptors again: new connections are made");
        }
    }

    /// Wakes every open connection, to look at what has changed.
    pub(crate) fn wake(&self) {
        for open in locked(&self.open).values() {
            open.waker.wake();
        }
    }

    /// Counts what a toxic did.
    pub(crate) fn touch(&self, mark: &Mark) {
        let bytes = u64::try_from(mark.bytes).unwrap_or(u64::MAX);
        let mut touched = locked(&self.touched);
        if let Some((touches, sum)) = touched.get_mut(&mark.toxic) {
            *touches += 1;
            *sum = sum.saturating_add(bytes);
        } else {
            touched.insert(mark.toxic.clone(), (1, bytes));
        }
    }

    pub(crate) fn connections(&self) -> Vec<Connection> {
        locked(&self.open).values().map(|open| open.view()).collect()
    }

    /// What has flowed, by where it was accepted and went.
    pub(crate) fn flows(&self) -> Vec<Flow> {
        // Both are held, so that a connection which closes meanwhile is counted once.
        let open = locked(&self.open);
        let mut sums = locked(&self.closed).clone();
        for open in open.values() {
            add(&mut sums, &open.place, open.traffic());
        }
        let flow = |(place, [up, down]): (Arc<Place>, [Traffic; 2])| Flow {
            proxy: place.proxy.clone(),
            listener: place.listener.clone(),
            upstream: place.upstream.clone(),
            up,
            down,
        };
        sums.into_iter().map(flow).collect()
    }

    pub(crate) fn touched(&self, proxy: &Arc<str>) -> Vec<Touched> {
        let of = |(toxic, (touches, bytes)): (&Arc<str>, &(u64, u64))| Touched {
            proxy: proxy.clone(),
            toxic: toxic.clone(),
            touches: *touches,
            bytes: *bytes,
        };
        locked(&self.touched).iter().map(of).collect()
    }
}

impl Open {
    /// The connection's task is woken by [`Live::wake`] from now on.
    pub(crate) fn watch(&self, waker: &Waker) {
        self.waker.register(waker);
    }

    pub(crate) fn received(&self, direction: Direction, bytes: usize) {
        count(&self.of(direction).received, bytes);
    }

    pub(crate) fn sent(&self, direction: Direction, bytes: usize) {
        count(&self.of(direction).sent, bytes);
    }

    /// Says which toxics act on it now.
    pub(crate) fn acting<'a, I: Iterator<Item = &'a Arc<str>>>(&self, toxics: impl Fn() -> I) {
        let mut known = locked(&self.toxics);
        if !toxics().eq(known.iter()) {
            *known = toxics().cloned().collect();
        }
    }

    fn of(&self, direction: Direction) -> &Counts {
        let [up, down] = &self.counts;
        match direction {
            Direction::Upstream => up,
            Direction::Downstream => down,
        }
    }

    fn traffic(&self) -> [Traffic; 2] {
        self.counts.each_ref().map(|counts| Traffic {
            received: counts.received.load(Ordering::Relaxed),
            sent: counts.sent.load(Ordering::Relaxed),
        })
    }

    fn view(&self) -> Connection {
        let [up, down] = self.traffic();
        Connection {
            proxy: self.place.proxy.clone(),
            ordinal: self.ordinal,
            client: self.client,
            listener: self.place.listener.clone(),
            upstream: self.place.upstream.clone(),
            age: self.since.elapsed(),
            up,
            down,
            toxics: locked(&self.toxics).clone(),
        }
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        let mut open = locked(&self.live.open);
        if open.remove(&self.open.ordinal).is_some() {
            add(&mut locked(&self.live.closed), &self.open.place, self.open.traffic());
        }
    }
}

/// One task writes, so no other addition can come between.
fn count(counter: &AtomicU64, bytes: usize) {
    let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
    counter.store(counter.load(Ordering::Relaxed).saturating_add(bytes), Ordering::Relaxed);
}

fn add(sums: &mut Vec<(Arc<Place>, [Traffic; 2])>, place: &Arc<Place>, traffic: [Traffic; 2]) {
    let known = sums.iter_mut().find(|(known, _)| known == place);
    match known {
        None => sums.push((place.clone(), traffic)),
        Some((_, sums)) => {
            for (sum, more) in sums.iter_mut().zip(traffic) {
                *sum += more;
            }
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
