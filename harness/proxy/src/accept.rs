//! Accepts the connections of one proxy until it is told to stop; then every one of them is closed.
//!
//! When descriptors run out it keeps the connections that it has and refuses new ones: each is accepted on a descriptor
//! held in [reserve](Reserve) and closed at once.

use std::{io, sync::Arc};

use rustix::{
    io::Errno,
    process::{Resource, Rlimit},
};
use tokio::{net::TcpListener, sync::oneshot, task::JoinSet};

use crate::{
    connection::{self, Terms},
    events::Told,
    reserve::Reserve,
};

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
    let reserve = Reserve::new(1);
    loop {
        tokio::select! {
            _ = &mut stopped => break,
            accepted = listener.accept() => match accepted {
                Ok((client, peer)) => {
                    reserve.fill();
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
                    // Closed at once, and the reserve is whole again.
                    drop(reserve.accept(&listener).await);
                    reserve.fill();
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
