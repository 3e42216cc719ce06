//! A harness's connection to the keeper: numbered requests from many tasks at once, answers in any order.

use std::{
    collections::HashMap,
    net::Shutdown,
    os::fd::AsFd,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::{
    io::{AsyncWriteExt, BufReader},
    net::{
        UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::{mpsc, oneshot},
};

use crate::Error;

use super::wire::{self, Answer, Request, ToHarness, ToKeeper};

/// A connection whose first messages have been read.
#[derive(Debug)]
pub(crate) struct Link {
    out: mpsc::UnboundedSender<Vec<u8>>,
    shared: Arc<Mutex<Shared>>,
    /// A second handle on the socket: shutting it down ends the lease even where no runtime turns any more.
    socket: std::os::unix::net::UnixStream,
}

#[derive(Debug, Default)]
struct Shared {
    last_number: u64,
    waiting: HashMap<u64, oneshot::Sender<Result<Answer, String>>>,
    /// Why there will be no more answers, once that is so.
    ended: Option<Ended>,
}

/// How a connection ended.
#[derive(Clone, Debug)]
enum Ended {
    /// The keeper said why.
    Told(String),
    /// The keeper broke off.
    BrokenOff,
}

impl Link {
    /// Takes over a connection. Needs a runtime.
    ///
    /// # Errors
    /// When the system gives no second handle on the socket.
    pub(super) fn new(read: BufReader<OwnedReadHalf>, write: OwnedWriteHalf) -> std::io::Result<Self> {
        let stream: &UnixStream = write.as_ref();
        let socket = std::os::unix::net::UnixStream::from(stream.as_fd().try_clone_to_owned()?);
        let shared = Arc::new(Mutex::new(Shared::default()));
        let (out, lines) = mpsc::unbounded_channel();
        tokio::spawn(write_all(write, lines));
        tokio::spawn(read_all(read, Arc::clone(&shared)));
        Ok(Self { out, shared, socket })
    }

    /// Asks and waits for the answer. May be dropped at any time; the request is made all the same.
    ///
    /// # Errors
    /// [`Error::Reported`] with the keeper's words, [`Error::Keeper`] when it broke off.
    pub(crate) async fn ask(&self, doing: &str, what: Request) -> Result<Answer, Error> {
        let (answer, answered) = oneshot::channel();
        let message = {
            let mut shared = lock(&self.shared);
            if let Some(ended) = &shared.ended {
                return Err(ended.error(doing));
            }
            shared.last_number += 1;
            let number = shared.last_number;
            shared.waiting.insert(number, answer);
            ToKeeper::Request { number, what }
        };
        let line = wire::line(&message).map_err(|source| failed(doing, source))?;
        // The writing task ends with the connection, and then so does the wait below.
        let _ended = self.out.send(line);
        match answered.await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(words)) => Err(Error::Reported(words)),
            Err(_) => Err(lock(&self.shared).ended.clone().unwrap_or(Ended::BrokenOff).error(doing)),
        }
    }

    /// Whether the keeper has said that the servers stop.
    pub(crate) fn told_to_end(&self) -> bool {
        matches!(lock(&self.shared).ended, Some(Ended::Told(_)))
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        // It fails only when the other end is gone already.
        let _gone = self.socket.shutdown(Shutdown::Both);
    }
}

impl Ended {
    fn error(&self, doing: &str) -> Error {
        match self {
            Self::Told(why) => Error::Reported(format!("keeper: could not {doing}: {why}")),
            Self::BrokenOff => failed(doing, "the keeper broke off"),
        }
    }
}

/// The error of a conversation that came to nothing.
pub(super) fn failed(doing: &str, source: impl Into<crate::error::Cause>) -> Error {
    Error::Keeper { doing: doing.to_owned(), source: source.into() }
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn write_all(mut write: OwnedWriteHalf, mut lines: mpsc::UnboundedReceiver<Vec<u8>>) {
    while let Some(line) = lines.recv().await {
        if write.write_all(&line).await.is_err() {
            return;
        }
    }
}

async fn read_all(mut read: BufReader<OwnedReadHalf>, shared: Arc<Mutex<Shared>>) {
    while let Ok(Some(message)) = wire::next(&mut read).await {
        match message {
            ToHarness::Answer { number, result } => {
                if let Some(waiting) = lock(&shared).waiting.remove(&number) {
                    // Whoever asked may have stopped waiting.
                    let _dropped = waiting.send(result);
                }
            }
            ToHarness::Ending(why) => {
                lock(&shared).ended.get_or_insert(Ended::Told(why));
            }
            // These come before the connection is handed over; later ones change nothing.
            ToHarness::Starting(_)
            | ToHarness::Ready(_)
            | ToHarness::Note(_)
            | ToHarness::Granted(_)
            | ToHarness::Refused(_) => {}
        }
    }
    let mut shared = lock(&shared);
    shared.ended.get_or_insert(Ended::BrokenOff);
    // Dropping the senders wakes those who wait.
    shared.waiting.clear();
}
