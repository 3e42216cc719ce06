//! A TLS handshake on its own, for evidence: which version, which cipher, and whose certificate was verified.
//!
//! It logs in nowhere. Client libraries keep these facts to themselves, so they are taken from a handshake with the
//! same address, host name and authority.

use std::{future::Future, io, path::Path, sync::Arc};

use bulkhead_model::Service;
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use x509_parser::{extensions::GeneralName, parse_x509_certificate};

use super::{bounded, read_ca};
use crate::{Error, TenantAccess, error::Cause};

/// What has to be said in the clear before the handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preamble {
    /// Nothing: TLS from the first byte.
    None,
    /// PostgreSQL's `SSLRequest`, which the server answers with `S`.
    Postgres,
}

/// What a handshake showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFacts {
    /// `TLSv1.3`
    pub version: String,
    /// `TLS13_AES_256_GCM_SHA384`
    pub cipher: String,
    /// The names and addresses that the server's certificate is for.
    pub peer_names: Vec<String>,
}

/// PostgreSQL's `SSLRequest`: a length of 8 and the code 80877103.
pub const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

/// Shakes hands with the server that the tenant's connection to `service` leads to.
///
/// # Errors
/// As [`handshake`]; also when the S3 endpoint's URL names no host.
pub async fn facts(access: &TenantAccess, service: Service) -> Result<TlsFacts, Error> {
    let (host, port) = access.address(service)?;
    if service == Service::S3 && !access.connections.s3.tls() {
        return Err(Error::serve(service, "read the endpoint")("it does not start with https://"));
    }
    let preamble = if service == Service::Postgres { Preamble::Postgres } else { Preamble::None };
    let Some(detour) = access.detour(service) else {
        return handshake(service, &host, port, access.ca.as_deref(), preamble).await;
    };
    let config = match &detour.authority {
        Some(pem) => config_of(service, pem_certificates(service, pem.as_bytes())?)?,
        None => config(service, access.ca.as_deref())?,
    };
    let doing = || format!("shake hands with {host}:{port} through {}", detour.address);
    bounded(service, doing, shake(config, &host, TcpStream::connect(detour.address), preamble)).await
}

/// Connects, shakes hands, verifies the certificate against `ca` (none: the system's roots) and `host`, and hangs up.
///
/// # Errors
/// [`Error::Serve`] when the server does not answer in TLS, or its certificate does not hold, or after
/// [`super::CONNECT_DEADLINE`].
pub async fn handshake(
    service: Service,
    host: &str,
    port: u16,
    ca: Option<&Path>,
    preamble: Preamble,
) -> Result<TlsFacts, Error> {
    let config = config(service, ca)?;
    let doing = || format!("shake hands with {host}:{port}");
    let host = host.trim_matches(['[', ']']);
    bounded(service, doing, shake(config, host, TcpStream::connect((host, port)), preamble)).await
}

async fn shake(
    config: ClientConfig,
    host: &str,
    dial: impl Future<Output = io::Result<TcpStream>>,
    preamble: Preamble,
) -> Result<TlsFacts, Cause> {
    let mut tcp = dial.await?;
    if preamble == Preamble::Postgres {
        tcp.write_all(&SSL_REQUEST).await?;
        let answer = tcp.read_u8().await?;
        if answer != b'S' {
            return Err("the server offers no TLS".into());
        }
    }
    let mut stream = begin(config, host, tcp).await?;
    let (_, session) = stream.get_ref();
    let facts = TlsFacts {
        version: session
            .protocol_version()
            .and_then(|v| v.as_str())
            .unwrap_or_default()
            .replacen("TLSv1_", "TLSv1.", 1),
        cipher: session
            .negotiated_cipher_suite()
            .and_then(|suite| suite.suite().as_str())
            .unwrap_or_default()
            .to_owned(),
        peer_names: session
            .peer_certificates()
            .and_then(<[_]>::first)
            .map(names)
            .transpose()?
            .unwrap_or_default(),
    };
    // The facts are in hand; a server that has hung up already is none the worse.
    let _hung_up = stream.shutdown().await;
    Ok(facts)
}

/// What a client trusts: the authorities in this file, or the system's.
///
/// # Errors
/// When the file cannot be read or is no PEM.
pub fn config(service: Service, ca: Option<&Path>) -> Result<ClientConfig, Error> {
    let certificates = match ca {
        Some(ca) => pem_certificates(service, &read_ca(ca)?)?,
        None => rustls_native_certs::load_native_certs().certs,
    };
    config_of(service, certificates)
}

/// Begins TLS with the server of that name over a connection that is there.
///
/// # Errors
/// When the server is not verified, or no server of TLS.
pub async fn begin(config: ClientConfig, host: &str, tcp: TcpStream) -> Result<TlsStream<TcpStream>, Cause> {
    let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned())?;
    Ok(TlsConnector::from(Arc::new(config)).connect(name, tcp).await?)
}

fn pem_certificates(service: Service, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, Error> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    all.map_err(Error::serve(service, "set up TLS"))
}

fn config_of(service: Service, certificates: Vec<CertificateDer<'static>>) -> Result<ClientConfig, Error> {
    let failed = |why: Cause| Error::serve(service, "set up TLS")(why);
    let mut roots = RootCertStore::empty();
    let (added, _ignored) = roots.add_parsable_certificates(certificates);
    if added == 0 {
        return Err(failed("there is no authority to trust".into()));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| failed(error.into()))?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

/// The names and addresses in a certificate.
fn names(certificate: &CertificateDer<'_>) -> Result<Vec<String>, Cause> {
    let (_, parsed) = parse_x509_certificate(certificate).map_err(|error| error.to_string())?;
    let alternatives = parsed.subject_alternative_name()?;
    let alternatives = alternatives.iter().flat_map(|extension| &extension.value.general_names);
    Ok(alternatives.filter_map(name).collect())
}

fn name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => {
            let four = <[u8; 4]>::try_from(*bytes).map(|b| std::net::IpAddr::from(b).to_string());
            four.or_else(|_| <[u8; 16]>::try_from(*bytes).map(|b| std::net::IpAddr::from(b).to_string())).ok()
        }
        _ => None,
    }
}
