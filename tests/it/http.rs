//! HTTP by hand, over TLS or not, for requests that no SDK would send and for servers that have none.

use std::{path::Path, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

/// An answer, its head as text in lower case.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

/// Connects to `127.0.0.1:port` and shakes hands.
pub(crate) async fn tls(authority: &str, ca: &Path) -> TlsStream<TcpStream> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(ca).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = builder.with_root_certificates(roots).with_no_client_auth();
    let stream = TcpStream::connect(authority).await.unwrap();
    let name = ServerName::try_from("127.0.0.1").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap()
}

/// Sends what was written down and reads the answer to its end.
pub(crate) async fn exchange(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    head: &str,
    body: &[u8],
) -> Answer {
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(body).await.unwrap();
    // TLS keeps back what the socket did not take at once. A server that has answered already may take no more.
    let _answered = stream.flush().await;
    let mut answer = Vec::new();
    // rustls reports an end without close_notify as an error; what was read is what counts.
    let _end = stream.read_to_end(&mut answer).await;
    let split = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("an answer has a head");
    let head = String::from_utf8(answer[..split].to_vec()).unwrap().to_lowercase();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head, body: answer[split + 4..].to_vec() }
}

/// `GET` of an `http://` or `https://` URL; `authorization` is that header's value. HTTP/1.0, so that the body comes
/// whole and unframed.
pub(crate) async fn get(url: &str, authorization: Option<&str>, ca: &Path) -> (u16, String) {
    let (scheme, rest) = url.split_once("://").unwrap();
    let (authority, path) = rest.split_once('/').unwrap();
    let mut head = format!("GET /{path} HTTP/1.0\r\nhost: {authority}\r\n");
    if let Some(value) = authorization {
        head.push_str(&format!("authorization: {value}\r\n"));
    }
    head.push_str("\r\n");
    let answer = if scheme == "https" {
        exchange(tls(authority, ca).await, &head, b"").await
    } else {
        exchange(TcpStream::connect(authority).await.unwrap(), &head, b"").await
    };
    (answer.status, String::from_utf8(answer.body).unwrap())
}
