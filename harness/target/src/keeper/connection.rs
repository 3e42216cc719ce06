//! One harness's connection as the keeper holds it: a task that reads, a task that writes.

use std::time::Duration;

use tokio::{
    io::{AsyncWriteExt, BufReader},
    net::{UnixStream, unix::OwnedWriteHalf},
    sync::mpsc,
    task::JoinHandle,
};

use crate::deadlines::FLUSHED;

use super::{
    leases::LeaseId,
    serve::Event,
    wire::{self, ToHarness, ToKeeper},
};

/// How long a peer may take to say what it came for.
const HELLO_DEADLINE: Duration = Duration::from_secs(10);

/// What a connection turned out to be.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// It has not said yet; it counts as a lease until it has.
    Unknown,
    /// It holds the servers, or waits to.
    Lease {
        /// Whether the lease was granted.
        granted: bool,
    },
    /// It holds nothing.
    Control,
}

/// A connection.
pub(super) struct Connection {
    /// What it is.
    pub(super) role: Role,
    /// The process at the other end, where the system says.
    pub(super) pid: Option<u32>,
    out: mpsc::UnboundedSender<ToHarness>,
    writer: JoinHandle<()>,
}

impl Connection {
    /// Serves a connection: what it says arrives as events under the number `id`.
    pub(super) fn open(stream: UnixStream, id: LeaseId, events: mpsc::UnboundedSender<Event>) -> Self {
        let pid = stream.peer_cred().ok().and_then(|peer| u32::try_from(peer.pid()?).ok());
        let (read, write) = stream.into_split();
        tokio::spawn(async move {
            let mut lines = BufReader::new(read);
            let mut first = tokio::time::timeout(HELLO_DEADLINE, wire::next::<ToKeeper>(&mut lines)).await;
            while let Ok(Ok(Some(message))) = first {
                if events.send(Event::Message(id, message)).is_err() {
                    return;
                }
                first = Ok(wire::next(&mut lines).await);
            }
            let _stopping = events.send(Event::Closed(id));
        });
        let (out, messages) = mpsc::unbounded_channel();
        Self { role: Role::Unknown, pid, out, writer: tokio::spawn(write_all(write, messages)) }
    }

    /// Sends a message. A peer that has gone is noticed by the reading task.
    pub(super) fn send(&self, message: ToHarness) {
        let _gone = self.out.send(message);
    }

    /// Lets the last messages out and closes.
    pub(super) async fn close(self) {
        drop(self.out);
        let _slow = tokio::time::timeout(FLUSHED, self.writer).await;
    }
}

async fn write_all(mut write: OwnedWriteHalf, mut messages: mpsc::UnboundedReceiver<ToHarness>) {
    while let Some(message) = messages.recv().await {
        let Ok(line) = wire::line(&message) else { continue };
        if write.write_all(&line).await.is_err() {
            return;
        }
    }
}
