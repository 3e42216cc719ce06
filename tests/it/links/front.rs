//! A front that, like a provider's, knows whom a connection is for by the name in its TLS hello, and turns everybody
//! else away; behind it is a stand-in, reached over TLS of its own.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use bulkhead_model::Service;
use bulkhead_target::clients::tls::SSL_REQUEST;
use hyper::{Request, body::Incoming, client::conn::http1, server, service::service_fn};
use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, pem::PemObject},
    server::Acceptor,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::{LazyConfigAcceptor, TlsConnector};

/// What a front saw of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// The right name, and it was let in.
    Named,
    /// Another name in the hello, or none.
    Sni(Option<String>),
    /// The right name in the hello, and this in an HTTP request's Host header.
    Host(Option<String>),
}

/// It runs as long as the test.
pub(super) struct Front {
    pub(super) address: SocketAddr,
    /// The authority of its certificate.
    pub(super) ca: PathBuf,
    seen: Arc<Mutex<Vec<Seen>>>,
}

/// What each connection needs.
struct Terms {
    service: Service,
    name: String,
    server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
    behind: u16,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Front {
    /// A front called `name`, whose certificate is for `certified`, before the stand-in on this port of 127.0.0.1.
    pub(super) async fn start(
        service: Service,
        name: &str,
        certified: &str,
        (behind, trusted): (u16, &Path),
        folder: &Path,
    ) -> Self {
        let (server, pem) = certificate(certified);
        let ca = folder.join(format!("{service}.pem"));
        std::fs::write(&ca, pem).unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let (address, seen) = (listener.local_addr().unwrap(), Arc::default());
        let terms = Terms {
            service,
            name: name.to_owned(),
            server,
            client: trusting(trusted),
            behind,
            seen: Arc::clone(&seen),
        };
        let terms = Arc::new(terms);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let terms = Arc::clone(&terms);
                // A connection that breaks off is its client's affair.
                tokio::spawn(async move { terms.serve(client).await.ok() });
            }
        });
        Self { address, ca, seen }
    }

    /// What it saw since it was last asked.
    pub(super) fn seen(&self) -> Vec<Seen> {
        std::mem::take(&mut self.seen.lock().unwrap())
    }
}

impl Terms {
    async fn serve(&self, mut client: TcpStream) -> std::io::Result<()> {
        if self.service == Service::Postgres {
            let mut asked = [0; 8];
            client.read_exact(&mut asked).await?;
            assert_eq!(asked, SSL_REQUEST);
            client.write_all(b"S").await?;
        }
        let start = LazyConfigAcceptor::new(Acceptor::default(), client).await?;
        let asked = start.client_hello().server_name().map(str::to_owned);
        if asked.as_deref() != Some(self.name.as_str()) {
            self.see(Seen::Sni(asked));
            return Ok(());
        }
        let mut client = start.into_stream(Arc::clone(&self.server)).await?;
        let mut behind = TcpStream::connect((Ipv4Addr::LOCALHOST, self.behind)).await?;
        if self.service == Service::Postgres {
            behind.write_all(&SSL_REQUEST).await?;
            behind.read_u8().await?;
        }
        let name = ServerName::try_from("localhost").unwrap();
        let mut behind = TlsConnector::from(Arc::clone(&self.client)).connect(name, behind).await?;
        match self.service {
            Service::S3 => self.requests(client, behind).await,
            _ => {
                self.see(Seen::Named);
                tokio::io::copy_bidirectional(&mut client, &mut behind).await.map(drop)
            }
        }
    }

    /// Passes HTTP on, but ends the connection at a request whose Host is another.
    async fn requests(
        &self,
        client: impl AsyncRead + AsyncWrite + Unpin,
        behind: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    ) -> std::io::Result<()> {
        let shaken = http1::handshake(TokioIo::new(behind)).await;
        let (sender, connection) = shaken.map_err(std::io::Error::other)?;
        tokio::spawn(connection);
        let sender = tokio::sync::Mutex::new(sender);
        let service = service_fn(async |request: Request<Incoming>| {
            let host = request.headers().get("host").map(|host| host.to_str().unwrap().to_owned());
            if host.as_deref() != Some(self.name.as_str()) {
                self.see(Seen::Host(host));
                return Err(std::io::ErrorKind::ConnectionRefused.into());
            }
            self.see(Seen::Named);
            sender.lock().await.send_request(request).await.map_err(std::io::Error::other)
        });
        let serving = server::conn::http1::Builder::new().serve_connection(TokioIo::new(client), service);
        serving.await.map_err(std::io::Error::other)
    }

    fn see(&self, seen: Seen) {
        self.seen.lock().unwrap().push(seen);
    }
}

/// A certificate for this name and its authority's PEM.
pub(crate) fn certificate(name: &str) -> (Arc<ServerConfig>, String) {
    let (authority_key, key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let authority = params.self_signed(&authority_key).unwrap().pem();
    let issuer = Issuer::new(params, authority_key);
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.use_authority_key_identifier_extension = true;
    let signed = params.signed_by(&key, &issuer).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![signed.der().clone()], key);
    (Arc::new(config.unwrap()), authority)
}

/// Trusts this authority.
pub(crate) fn trusting(ca: &Path) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(ca).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    Arc::new(config)
}
