//! The two handshakes of a connection: the client says whom it wants and which protocols it speaks, the upstream is
//! asked for them, and what it chose is what the client is answered.

use std::{future::Future, io, sync::Arc, time::Duration};

use rustls::{
    ServerConfig,
    pki_types::{IpAddr, ServerName},
    server::{Acceptor, ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{LazyConfigAcceptor, StartHandshake, TlsConnector, TlsStream};

use super::{
    Preamble, Tls,
    authority::{Flaw, PROVIDER},
};

/// One side of a connection that the proxy ends TLS on. Shutting it down is `close_notify` and a FIN; its end without
/// `close_notify` is an error to whoever reads, so that a cut on one side never becomes a proper end on the other.
pub(crate) type Stream = TlsStream<TcpStream>;

/// How long each step may take before the connection is given up.
pub(super) const STEP: Duration = Duration::from_secs(30);
/// The record of a fatal alert, `internal_error`: the upstream could not be had.
const ALERT: [u8; 7] = [21, 3, 3, 0, 2, 2, 80];

/// A client that has said whom it wants.
pub(super) struct Hello {
    start: StartHandshake<TcpStream>,
    name: Option<String>,
    protocols: Vec<Vec<u8>>,
    local: String,
    preamble: bool,
}

impl Hello {
    /// Reads it, after the preamble if there is to be one.
    pub(super) async fn read(mut tcp: TcpStream, preamble: Option<&Preamble>) -> io::Result<Self> {
        let local = tcp.local_addr()?.ip().to_canonical().to_string();
        let hear = async {
            let preamble = match preamble {
                Some(preamble) => answered(&mut tcp, preamble).await?,
                None => false,
            };
            Ok((LazyConfigAcceptor::new(Acceptor::default(), tcp).await?, preamble))
        };
        let (start, preamble) = bounded("reading the client's hello", hear).await?;
        let hello = start.client_hello();
        let name = hello.server_name().map(str::to_owned);
        let protocols = hello.alpn().map(|all| all.map(<[u8]>::to_vec).collect()).unwrap_or_default();
        Ok(Self { start, name, protocols, local, preamble })
    }

    /// The names that a leaf for it has to carry.
    pub(super) fn names(&self, otherwise: Option<&str>) -> Vec<String> {
        match &self.name {
            Some(asked) => vec![asked.clone()],
            None => otherwise.into_iter().chain([self.local.as_str()]).map(str::to_owned).collect(),
        }
    }

    /// The protocol that it likes best.
    pub(super) fn first_protocol(&self) -> Option<Vec<u8>> {
        self.protocols.first().cloned()
    }

    pub(super) fn preamble(&self) -> bool {
        self.preamble
    }

    /// Goes on to the end of the handshake.
    pub(super) async fn answer(
        self,
        leaf: Arc<CertifiedKey>,
        protocol: Option<Vec<u8>>,
    ) -> io::Result<Stream> {
        let mut config = ServerConfig::builder_with_provider(PROVIDER.clone())
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(Always(leaf)));
        config.alpn_protocols = protocol.into_iter().collect();
        // Nothing is kept between connections that a later one could be resumed by.
        config.send_tls13_tickets = 0;
        let stream = bounded("answering the client", self.start.into_stream(Arc::new(config))).await?;
        Ok(TlsStream::Server(stream))
    }

    /// Ends it with an alert.
    async fn refuse(mut self) {
        let _ = timeout(STEP, self.start.io.write_all(&ALERT)).await;
    }
}

impl Tls {
    /// Both handshakes; the upstream's first, so that the client is promised nothing that cannot be kept.
    pub(crate) async fn meet(
        &self,
        client: TcpStream,
        upstream: &str,
        dial: impl Future<Output = io::Result<TcpStream>>,
    ) -> io::Result<(Stream, Stream)> {
        let hello = Hello::read(client, self.0.preamble.as_ref()).await?;
        let (server, protocol) =
            match self.begin(upstream, dial, hello.protocols.clone(), hello.preamble).await {
                Ok(server) => server,
                Err(error) => {
                    hello.refuse().await;
                    return Err(error);
                }
            };
        let names = hello.names(self.0.name.as_deref());
        let leaf = self.0.authority.leaf(&names, Flaw::None).map_err(io::Error::other)?;
        Ok((hello.answer(leaf, protocol).await?, server))
    }

    /// The handshake with the upstream, and the protocol that it chose.
    pub(super) async fn begin(
        &self,
        upstream: &str,
        dial: impl Future<Output = io::Result<TcpStream>>,
        protocols: Vec<Vec<u8>>,
        preamble: bool,
    ) -> io::Result<(Stream, Option<Vec<u8>>)> {
        let name = match &self.0.upstream {
            Some(name) => name.clone(),
            None => named(upstream)?,
        };
        let mut config = self.0.client.clone();
        config.alpn_protocols = protocols;
        let mut tcp = dial.await?;
        let shake = async {
            if let Some(preamble) = self.0.preamble.as_ref().filter(|_| preamble) {
                asked(&mut tcp, preamble).await?;
            }
            TlsConnector::from(Arc::new(config)).connect(name, tcp).await
        };
        let stream = bounded("the upstream's handshake", shake).await?;
        let protocol = stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec);
        Ok((TlsStream::Client(stream), protocol))
    }
}

/// The same leaf whoever asks: it was made for this connection.
#[derive(Debug)]
struct Always(Arc<CertifiedKey>);

impl ResolvesServerCert for Always {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.clone())
    }
}

/// The host of an address `host:port`.
fn named(address: &str) -> io::Result<ServerName<'static>> {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    let host = host.trim_matches(['[', ']']);
    if let Ok(ip) = host.parse::<std::net::IpAddr>() {
        return Ok(ServerName::IpAddress(IpAddr::from(ip)));
    }
    ServerName::try_from(host.to_owned()).map_err(io::Error::other)
}

/// Whether the client began with the preamble, which is answered then.
async fn answered(tcp: &mut TcpStream, preamble: &Preamble) -> io::Result<bool> {
    let mut first = [0];
    if tcp.peek(&mut first).await? == 0 || preamble.ask.first() != first.first() {
        return Ok(false);
    }
    let mut said = vec![0; preamble.ask.len()];
    tcp.read_exact(&mut said).await?;
    if said != preamble.ask {
        return Err(io::Error::other("the client begins with neither the preamble nor TLS"));
    }
    tcp.write_all(&preamble.answer).await?;
    Ok(true)
}

async fn asked(tcp: &mut TcpStream, preamble: &Preamble) -> io::Result<()> {
    tcp.write_all(&preamble.ask).await?;
    let mut said = vec![0; preamble.answer.len()];
    tcp.read_exact(&mut said).await?;
    if said == preamble.answer {
        return Ok(());
    }
    Err(io::Error::other("the upstream does not answer the preamble as it should"))
}

async fn bounded<T>(what: &str, step: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    match timeout(STEP, step).await {
        Ok(done) => done,
        Err(_) => {
            Err(io::Error::new(io::ErrorKind::TimedOut, format!("{what} took over {} s", STEP.as_secs())))
        }
    }
}
