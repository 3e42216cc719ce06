//! Counts what a run spends on its way to a field's servers: bytes of every connection, and calls to S3 by the class in
//! which B2 bills them.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use bulkhead_engine::cost::Unit;
use bulkhead_model::Service;
use hyper::{Method, Request, Uri, body::Incoming, client::conn::http1, server, service::service_fn};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, ServerConfig, pki_types::ServerName};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::{super::doctor::moved, field::Field};
use crate::links::front::{certificate, trusting};

/// What was spent so far, in the order of [`Unit::ALL`]; commands and messages are the servers' to count.
#[derive(Default)]
pub(super) struct Meter([AtomicU64; 5]);

impl Meter {
    /// Stands before all servers: from now on the field's variables lead to it.
    pub(super) async fn before(field: &mut Field) -> Arc<Self> {
        let meter = Arc::new(Self::default());
        let trusted = trusting(field.authority(Service::S3));
        let (server, pem) = certificate("127.0.0.1");
        for (service, name) in Service::ALL.into_iter().zip(super::super::doctor::URLS) {
            let behind = field.tenants[0].address(service).unwrap().1;
            let behind = match service {
                Service::S3 => meter.requests(behind, Arc::clone(&server), Arc::clone(&trusted)).await,
                _ => behind,
            };
            let port = meter.bytes(behind).await;
            for (_, url) in field.variables.iter_mut().filter(|(variable, _)| variable.ends_with(name)) {
                *url = moved(url, port);
            }
        }
        let authorities = field.desk.path("ca.pem");
        let all = std::fs::read_to_string(&authorities).unwrap() + &pem;
        std::fs::write(&authorities, all).unwrap();
        meter
    }

    /// Expects of each unit that no more was spent than announced, and at least one of so many parts of it; commands and
    /// messages are as the servers counted them.
    #[track_caller]
    pub(super) fn holds(&self, announced: [u64; 5], parts: u64, (commands, messages): (u64, u64)) {
        for (unit, said) in Unit::ALL.into_iter().zip(announced) {
            let spent = match unit {
                Unit::RedisCommands => commands,
                Unit::Messages => messages,
                Unit::S3ClassB | Unit::S3ClassC | Unit::Bytes => self.spent(unit),
            };
            assert!(
                (said / parts..=said).contains(&spent),
                "{unit:?}: {spent}, and at most {said} were announced"
            );
        }
    }

    /// How much of the unit.
    pub(super) fn spent(&self, unit: Unit) -> u64 {
        self.0[unit as usize].load(Ordering::Relaxed)
    }

    fn count(&self, unit: Unit, amount: usize) {
        self.0[unit as usize].fetch_add(u64::try_from(amount).unwrap(), Ordering::Relaxed);
    }

    /// A port that counts what crosses it, to this port and back.
    async fn bytes(self: &Arc<Self>, behind: u16) -> u16 {
        let (listener, port) = listen().await;
        let meter = Arc::clone(self);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, behind)).await else { continue };
                let ((from_client, to_client), (from_server, to_server)) =
                    (client.into_split(), server.into_split());
                tokio::spawn(pass(Arc::clone(&meter), from_client, to_server));
                tokio::spawn(pass(Arc::clone(&meter), from_server, to_client));
            }
        });
        port
    }

    /// A port that ends TLS, counts requests, and passes them on unchanged: their signature names the port before it.
    async fn requests(
        self: &Arc<Self>,
        behind: u16,
        server: Arc<ServerConfig>,
        trusted: Arc<ClientConfig>,
    ) -> u16 {
        let (listener, port) = listen().await;
        let (meter, acceptor) = (Arc::clone(self), TlsAcceptor::from(server));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (meter, acceptor) = (Arc::clone(&meter), acceptor.clone());
                let connector = TlsConnector::from(Arc::clone(&trusted));
                // A connection that breaks off is its client's affair.
                tokio::spawn(async move { meter.serve(client, acceptor, connector, behind).await.ok() });
            }
        });
        port
    }

    async fn serve(
        &self,
        client: TcpStream,
        acceptor: TlsAcceptor,
        connector: TlsConnector,
        behind: u16,
    ) -> std::io::Result<()> {
        let client = acceptor.accept(client).await?;
        let server = TcpStream::connect((Ipv4Addr::LOCALHOST, behind)).await?;
        let name = ServerName::from(IpAddr::from(Ipv4Addr::LOCALHOST));
        let server = connector.connect(name, server).await?;
        let (sender, connection) =
            http1::handshake(TokioIo::new(server)).await.map_err(std::io::Error::other)?;
        tokio::spawn(connection);
        let sender = tokio::sync::Mutex::new(sender);
        let service = service_fn(async |request: Request<Incoming>| {
            let copies = request.headers().contains_key("x-amz-copy-source");
            if let Some(class) = class(request.method(), request.uri(), copies) {
                self.count(class, 1);
            }
            sender.lock().await.send_request(request).await
        });
        let serving = server::conn::http1::Builder::new().serve_connection(TokioIo::new(client), service);
        serving.await.map_err(std::io::Error::other)
    }
}

async fn listen() -> (TcpListener, u16) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

async fn pass(meter: Arc<Meter>, mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
    let mut bytes = [0; 16 * 1024];
    while let Ok(read @ 1..) = from.read(&mut bytes).await {
        meter.count(Unit::Bytes, read);
        if to.write_all(&bytes[..read]).await.is_err() {
            break;
        }
    }
    let _gone = to.shutdown().await;
}

/// The class of a call; none for those that are free: uploads and deletions.
/// Source: backblaze.com/cloud-storage/transaction-pricing.
fn class(method: &Method, uri: &Uri, copies: bool) -> Option<Unit> {
    let (path, query) = (uri.path().trim_start_matches('/'), uri.query().unwrap_or_default());
    let object = path.split_once('/').is_some_and(|(_, key)| !key.is_empty());
    let about = ["acl", "attributes", "legal-hold", "retention", "tagging", "uploadId"];
    let settings = query.split('&').any(|part| about.contains(&part.split('=').next().unwrap_or_default()));
    match *method {
        Method::GET | Method::HEAD if object && !settings => Some(Unit::S3ClassB),
        Method::GET | Method::HEAD => Some(Unit::S3ClassC),
        Method::PUT if !object || copies => Some(Unit::S3ClassC),
        _ => None,
    }
}

#[test]
fn calls_are_told_by_their_class() {
    let of = |method: Method, uri: &'static str| class(&method, &Uri::from_static(uri), false);
    for uri in ["/b/k", "/b/a/k?x-id=GetObject", "/b/k?versionId=4"] {
        assert_eq!(of(Method::GET, uri), Some(Unit::S3ClassB), "{uri}");
    }
    assert_eq!(of(Method::HEAD, "/b/k"), Some(Unit::S3ClassB));
    for uri in ["/", "/b", "/b/?list-type=2&prefix=k", "/b?versioning", "/b/k?acl", "/b/k?uploadId=1"] {
        assert_eq!(of(Method::GET, uri), Some(Unit::S3ClassC), "{uri}");
    }
    assert_eq!(of(Method::PUT, "/b"), Some(Unit::S3ClassC));
    assert_eq!(class(&Method::PUT, &Uri::from_static("/b/k"), true), Some(Unit::S3ClassC));
    let free = [(Method::PUT, "/b/k"), (Method::POST, "/b/k?uploads"), (Method::DELETE, "/b/k")];
    for (method, uri) in free {
        assert_eq!(of(method, uri), None, "{uri}");
    }
}
