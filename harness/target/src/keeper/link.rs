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
    sync::{mpsc, oneshot, watch},
};

use crate::Error;

use super::wire::{self, Answer, Request, ToHarness, ToKeeper};

/// A connection whose first messages have been read.
#[derive(Debug)]
pub(crate) struct Link {
    out: mpsc::UnboundedSender<Vec<u8>>,
    shared: Arc<Mutex<Shared>>,
    /// A server's error once one has ended by itself; its sender goes with the connection.
    died: watch::Receiver<Option<String>>,
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
        let (tell, died) = watch::channel(None);
        tokio::spawn(read_all(read, Arc::clone(&shared), tell));
        Ok(Self { out, shared, died, socket })
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

    /// Waits until the connection ends or a server has: the keeper's words when it was told to stop.
    ///
    /// # Errors
    /// The server's error, or that the keeper broke off.
    pub(crate) async fn over(&self, doing: &str) -> Result<String, Error> {
        let mut died = self.died.clone();
        if let Ok(why) = died.wait_for(Option::is_some).await {
            return Err(Error::Reported(why.clone().unwrap_or_default()));
        }
        match lock(&self.shared).ended.clone() {
            Some(Ended::Told(why)) => Ok(why),
            _ => Err(failed(doing, "the keeper broke off")),
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

async fn read_all(
    mut read: BufReader<OwnedReadHalf>,
    shared: Arc<Mutex<Shared>>,
    died: watch::Sender<Option<String>>,
) {
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
            ToHarness::ServerDied(why) => {
                died.send_replace(Some(why));
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
