//! What happens in a set of proxies, told as it happens to whoever listens. What happened before one listened is not
//! told, and one that is too slow is told how much it missed.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::broadcast::{
    self,
    error::{RecvError, TryRecvError},
};

use crate::{proxies::Shared, tape::Entry};

/// Events that wait for a listener; the oldest are the first that it misses.
const CAPACITY: usize = 4096;

/// Something that happened.
#[derive(Clone, Debug)]
pub struct Event {
    /// Since the proxies began.
    pub at: Duration,
    /// What it was.
    pub what: What,
}

/// What happened.
#[derive(Clone, Debug)]
pub enum What {
    /// To a proxy.
    Proxy {
        /// Its name.
        proxy: Arc<str>,
        /// How.
        change: Change,
    },
    /// To a toxic of a proxy.
    Toxic {
        /// The proxy's name.
        proxy: Arc<str>,
        /// Its own.
        toxic: Arc<str>,
        /// How.
        change: Change,
    },
    /// A connection was opened or closed.
    Connection {
        /// The proxy's name.
        proxy: Arc<str>,
        /// Counts from 1 in its proxy.
        connection: u64,
        /// The client's address.
        client: SocketAddr,
        /// Added when it was accepted, removed when it was closed.
        change: Change,
    },
    /// A toxic touched bytes: the line of the tape.
    Fault(Entry),
}

/// What became of something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is there from now on.
    Added,
    /// It is another from now on.
    Changed,
    /// It is gone.
    Removed,
}

impl Change {
    /// In one word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Changed => "changed",
            Self::Removed => "removed",
        }
    }
}

/// Where events are told.
#[derive(Debug)]
pub struct Events(broadcast::Sender<Event>);

impl Default for Events {
    fn default() -> Self {
        Self(broadcast::Sender::new(CAPACITY))
    }
}

/// Someone who is told events.
#[derive(Debug)]
pub struct Listener(broadcast::Receiver<Event>);

/// What a listener hears next.
#[derive(Clone, Debug)]
pub enum Heard {
    /// This happened.
    Event(Event),
    /// It was too slow and missed that many.
    Missed(u64),
}

impl Events {
    /// Listens from now on.
    pub fn listen(&self) -> Listener {
        Listener(self.0.subscribe())
    }

    /// How many listen.
    pub fn listeners(&self) -> usize {
        self.0.receiver_count()
    }

    pub(crate) fn heard(&self) -> bool {
        self.listeners() > 0
    }

    /// Nobody has to listen.
    pub(crate) fn tell(&self, began: Instant, what: impl FnOnce() -> What) {
        if self.heard() {
            let _ = self.0.send(Event { at: began.elapsed(), what: what() });
        }
    }
}

impl Listener {
    /// Waits for what happens next. None when nothing can happen any more.
    pub async fn next(&mut self) -> Option<Heard> {
        match self.0.recv().await {
            Ok(event) => Some(Heard::Event(event)),
            Err(RecvError::Lagged(missed)) => Some(Heard::Missed(missed)),
            Err(RecvError::Closed) => None,
        }
    }

    /// What happened since and was not heard yet, without waiting for more.
    pub fn waiting(&mut self) -> Vec<Heard> {
        let mut heard = Vec::new();
        loop {
            match self.0.try_recv() {
                Ok(event) => heard.push(Heard::Event(event)),
                Err(TryRecvError::Lagged(missed)) => heard.push(Heard::Missed(missed)),
                Err(TryRecvError::Empty | TryRecvError::Closed) => return heard,
            }
        }
    }
}

/// Tells that a connection was opened, and when it is dropped that it was closed.
#[derive(Debug)]
pub(crate) struct Told {
    shared: Arc<Shared>,
    proxy: Arc<str>,
    connection: u64,
    client: SocketAddr,
}

impl Told {
    pub(crate) fn opened(
        shared: &Arc<Shared>,
        proxy: &Arc<str>,
        connection: u64,
        client: SocketAddr,
    ) -> Self {
        let told = Self { shared: shared.clone(), proxy: proxy.clone(), connection, client };
        told.tell(Change::Added);
        told
    }

    fn tell(&self, change: Change) {
        self.shared.tell(|| What::Connection {
            proxy: self.proxy.clone(),
            connection: self.connection,
            client: self.client,
            change,
        });
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        self.tell(Change::Removed);
    }
}
