//! Accepts the connections of one proxy until it is told to stop; then every one of them is closed.
//!
//! When descriptors run out it keeps the connections that it has and refuses new ones: each is accepted on a descriptor
//! held in reserve and closed at once, since one that waits in the kernel's queue would keep the listener ready for ever.

use std::{fs::File, io, net::SocketAddr, sync::Arc, time::Duration};

use rustix::{
    io::Errno,
    process::{Resource, Rlimit},
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::JoinSet,
};

use crate::{
    connection::{self, Terms},
    events::Told,
};

/// How long accepting rests where not even the reserve can be had.
const REST: Duration = Duration::from_millis(50);

/// Raises this process's limit on open files as far as it may, as Go's runtime does for Toxiproxy: a connection takes two,
/// and the usual limit is 1024. Children inherit it.
pub fn allow_open_files() {
    let limit = rustix::process::getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if let Err(error) = rustix::process::setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%error, "cannot raise the limit on open files");
    }
}

/// Accepts until told to stop.
pub(crate) async fn run(listener: TcpListener, terms: Arc<Terms>, mut stopped: oneshot::Receiver<()>) {
    let mut connections = JoinSet::new();
    let mut reserve = Reserve::new();
    loop {
        tokio::select! {
            _ = &mut stopped => break,
            accepted = listener.accept() => match accepted {
                Ok((client, peer)) => {
                    reserve.renew();
                    let listed = terms.live.open(&terms.place, peer);
                    let told = Told::opened(&terms.shared, &terms.place.proxy, listed.open.ordinal, peer);
                    let run = connection::run(client, listed, terms.clone());
                    connections.spawn(async move {
                        let _until_closed = told;
                        run.await;
                    });
                }
                Err(error) if is_exhausted(&error) => {
                    terms.live.exhausted(&terms.place, &error);
                    reserve.refuse_one(&listener).await;
                }
                // One connection was gone before it was accepted: the next may be well.
                Err(error) => tracing::debug!(proxy = %terms.place.proxy, %error, "cannot accept"),
            },
            Some(_) = connections.join_next() => {}
        }
    }
    drop(listener);
    connections.shutdown().await;
}

/// Whether an error says that the process or the machine has no descriptor or memory left.
pub(crate) fn is_exhausted(error: &io::Error) -> bool {
    let codes = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];
    codes.iter().any(|code| error.raw_os_error() == Some(code.raw_os_error()))
}

/// A descriptor to accept with when there is no other.
struct Reserve(Option<File>);

impl Reserve {
    fn new() -> Self {
        Self(spare())
    }

    /// A connection could be accepted: there are descriptors.
    fn renew(&mut self) {
        if self.0.is_none() {
            self.0 = spare();
        }
    }

    async fn refuse_one(&mut self, listener: &TcpListener) {
        let freed = self.0.take().is_some();
        let refused = if freed { accept_now(listener).await } else { None };
        let any = refused.is_some();
        drop(refused);
        self.0 = spare();
        if !any {
            tokio::time::sleep(REST).await;
        }
    }
}

/// A descriptor that can be given up when another is needed.
pub(crate) fn spare() -> Option<File> {
    File::open("/dev/null").ok()
}

/// Accepts what is waiting, without waiting for more.
pub(crate) async fn accept_now(listener: &TcpListener) -> Option<(TcpStream, SocketAddr)> {
    tokio::select! {
        biased;
        accepted = listener.accept() => accepted.ok(),
        () = std::future::ready(()) => None,
    }
}
