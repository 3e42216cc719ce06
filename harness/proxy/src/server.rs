//! The API on a socket.

use std::{convert::Infallible, io, net::SocketAddr};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;

use crate::api::Api;

/// An API that listens.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    api: Api,
}

impl Server {
    /// Listens.
    ///
    /// # Errors
    /// When the address cannot be resolved or is taken.
    pub async fn bind(address: &str, api: Api) -> io::Result<Self> {
        Ok(Self { listener: TcpListener::bind(address).await?, api })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Answers requests until it is dropped.
    pub async fn run(self) {
        let mut connections = tokio::task::JoinSet::new();
        loop {
            tokio::select! {
                Some(_) = connections.join_next() => {}
                accepted = self.listener.accept() => {
                    let Ok((stream, client)) = accepted else { continue };
                    let api = self.api.clone();
                    connections.spawn(async move {
                        let service = service_fn(move |request| {
                            let api = api.clone();
                            async move { Ok::<_, Infallible>(api.answer(client, request).await) }
                        });
                        let mut connection = http1::Builder::new();
                        connection.timer(TokioTimer::new()).title_case_headers(true);
                        // A client that goes away or speaks no HTTP is no concern of ours.
                        let _ = connection.serve_connection(TokioIo::new(stream), service).await;
                    });
                }
            }
        }
    }
}
