//! The API on a socket: accepting, the limits that slow or silent clients meet, and the end.

use std::{convert::Infallible, io, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    task::JoinSet,
};

use crate::{address, api::Api, reserve::Reserve};
pub(crate) use patience::Limits;
use patience::{Patience, Watched};

mod patience;

/// Connections at once; more wait in the kernel's queue until one ends, which the limits see to.
const CONNECTIONS: usize = 1024;

/// Descriptors held in reserve, so that faults can be lifted when the proxies have used up all others.
const SPARE: usize = 8;

/// How long requests that are being answered may take once the end was asked for.
const END: Duration = Duration::from_secs(5);

/// An API that listens.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    api: Api,
    pub(crate) limits: Limits,
}

impl Server {
    /// Listens; of a name's addresses on the first IPv4 one, and on all interfaces where there is no name, as Toxiproxy
    /// does. A port may be named.
    ///
    /// # Errors
    /// When the address cannot be resolved or is taken.
    pub async fn bind(address: &str, api: Api) -> io::Result<Self> {
        let listener = address::listen(address).await.map_err(io::Error::other)?;
        Ok(Self { listener, api, limits: Limits::default() })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Answers requests until `end` comes; then those that have begun are finished, within bounds.
    pub async fn run(self, end: impl Future<Output = ()>) {
        let mut end = pin!(end);
        let (ending, ended) = watch::channel(false);
        let rooms = Arc::new(Semaphore::new(CONNECTIONS));
        let mut connections = JoinSet::new();
        let reserve = Reserve::new(SPARE);
        let mut short = false;
        loop {
            reserve.fill();
            let accepted = async {
                let room = rooms.clone().acquire_owned().await;
                (self.listener.accept().await, room)
            };
            let (accepted, room) = tokio::select! {
                () = &mut end => break,
                Some(_) = connections.join_next() => continue,
                accepted = accepted => accepted,
            };
            let accepted = match accepted {
                Ok(accepted) => {
                    short = !reserve.fill();
                    Some(accepted)
                }
                Err(error) => {
                    if !std::mem::replace(&mut short, true) {
                        tracing::warn!(%error, "Cannot accept a client of the API but on a descriptor held in reserve");
                    }
                    reserve.accept(&self.listener).await
                }
            };
            let Some((stream, client)) = accepted else { continue };
            let crowded = short || rooms.available_permits() < CONNECTIONS / 2;
            let limits = if crowded { self.limits.hurried() } else { self.limits };
            let serve = serve(self.api.clone(), stream, client, limits, ended.clone());
            let reserve = reserve.clone();
            connections.spawn(async move {
                let _until_closed = room;
                serve.await;
                // At once, before anybody else takes the descriptor that has become free.
                reserve.fill();
            });
        }
        drop(self.listener);
        let _ = ending.send(true);
        let all = async { while connections.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(END, all).await;
    }
}

/// The largest head of a request, as in Go's server; and how many lines it may have, which are none to Go.
const HEAD: usize = (1 << 20) + 4096;
const LINES: usize = 4096;

/// Marks an answer whose body has no end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Endless;

/// Comes with every request: when the server ends.
#[derive(Clone, Debug)]
pub(crate) struct Ending(watch::Receiver<bool>);

impl Ending {
    /// Waits for the end.
    pub(crate) async fn come(&mut self) {
        // A server that is gone has ended.
        let _ = self.0.wait_for(|ended| *ended).await;
    }
}

/// One connection to its end.
async fn serve(
    api: Api,
    stream: TcpStream,
    client: SocketAddr,
    limits: Limits,
    mut ended: watch::Receiver<bool>,
) {
    let _ = stream.set_nodelay(true);
    let patience = Arc::new(Patience::default());
    let watched = Watched::new(stream, limits, patience.clone());
    let ending = ended.clone();
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(limits);
        request.extensions_mut().insert(Ending(ending.clone()));
        let (api, patience) = (api.clone(), patience.clone());
        async move {
            patience.begun();
            let answer = api.answer(client, request).await;
            // Who listens to a stream without end has nothing to ask for meanwhile.
            if answer.extensions().get::<Endless>().is_none() {
                patience.answered();
            }
            Ok::<_, Infallible>(answer)
        }
    });
    let mut http = http1::Builder::new();
    http.title_case_headers(true).header_read_timeout(None).max_headers(LINES).max_buf_size(HEAD);
    let mut connection = pin!(http.serve_connection(TokioIo::new(watched), service));
    // A client that goes away or speaks no HTTP is no concern of ours.
    tokio::select! {
        _ = connection.as_mut() => return,
        _ = ended.wait_for(|ended| *ended) => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}
