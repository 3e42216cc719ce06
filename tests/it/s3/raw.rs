//! HTTP by hand over TLS, for requests that no SDK would send.

use std::sync::Arc;

use bulkhead_target::TenantAccess;
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
};
use sha2::{Digest as _, Sha256};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

/// An answer, its head as text.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

/// `host:port` of the endpoint.
pub(crate) fn authority(access: &TenantAccess) -> String {
    access.connections.s3.endpoint.trim_start_matches("https://").to_owned()
}

/// Connects and shakes hands.
pub(crate) async fn connect(access: &TenantAccess) -> TlsStream<TcpStream> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(access.ca.as_ref().unwrap()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = builder.with_root_certificates(roots).with_no_client_auth();
    let stream = TcpStream::connect(authority(access)).await.unwrap();
    let name = ServerName::try_from("127.0.0.1").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap()
}

/// Sends `<method> <target>` exactly as given, with these header lines, and reads the answer to its end.
pub(crate) async fn send(
    access: &TenantAccess,
    method: &str,
    target: &str,
    headers: &[&str],
    body: &[u8],
) -> Answer {
    let mut stream = connect(access).await;
    let mut head =
        format!("{method} {target} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n", authority(access));
    for line in headers {
        head.push_str(line);
        head.push_str("\r\n");
    }
    head.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(body).await.unwrap();
    let mut answer = Vec::new();
    // rustls reports an end without close_notify as an error; what was read is what counts.
    let _end = stream.read_to_end(&mut answer).await;
    let split = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("an answer has a head");
    let head = String::from_utf8(answer[..split].to_vec()).unwrap().to_lowercase();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head, body: answer[split + 4..].to_vec() }
}

/// Path and query of a URL of this endpoint.
pub(crate) fn target(url: &str) -> &str {
    let rest = url.split_once("://").unwrap().1;
    &rest[rest.find('/').unwrap()..]
}

/// `Code: Message` of an error's body.
pub(crate) fn reason(answer: &Answer) -> String {
    let text = String::from_utf8_lossy(&answer.body);
    let field = |name: &str| {
        let start = text.find(&format!("<{name}>"))? + name.len() + 2;
        Some(text[start..start + text[start..].find('<')?].to_owned())
    };
    format!("{}: {}", field("Code").unwrap_or_default(), field("Message").unwrap_or_default())
}

/// A key's path, percent-encoded as SDKs do.
pub(crate) fn path(bucket: &str, key: &str) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.~/".contains(byte);
    let encoded =
        key.bytes().map(|b| if plain(&b) { char::from(b).to_string() } else { format!("%{b:02X}") });
    format!("/{bucket}/{}", encoded.collect::<String>())
}

/// Signs a request with the access's key (SigV4; the body is left out of the signature unless a header says otherwise) and sends it.
///
/// `query` is in canonical form: sorted, encoded, each name with its `=`.
pub(crate) async fn signed(
    access: &TenantAccess,
    method: &str,
    path: &str,
    query: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Answer {
    let now = time::OffsetDateTime::now_utc();
    let date = format!("{:04}{:02}{:02}", now.year(), u8::from(now.month()), now.day());
    let stamp = format!("{date}T{:02}{:02}{:02}Z", now.hour(), now.minute(), now.second());
    let host = authority(access);
    let given = headers.iter().find(|(name, _)| *name == "x-amz-content-sha256");
    let payload = given.map_or("UNSIGNED-PAYLOAD", |(_, value)| value);
    let mut all = vec![("host", host.as_str()), ("x-amz-date", &stamp)];
    all.extend(headers);
    if given.is_none() {
        all.push(("x-amz-content-sha256", payload));
    }
    all.sort_unstable();
    let lines: String = all.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
    let names = all.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
    let canonical = format!("{method}\n{path}\n{query}\n{lines}\n{names}\n{payload}");
    let scope = format!("{date}/us-east-1/s3/aws4_request");
    let text = format!("AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{}", hex(&Sha256::digest(&canonical)));
    let s3 = &access.connections.s3;
    let mut key = format!("AWS4{}", s3.secret_access_key.expose()).into_bytes();
    for step in [date.as_str(), "us-east-1", "s3", "aws4_request"] {
        key = hmac(&key, step.as_bytes());
    }
    let signature = hex(&hmac(&key, text.as_bytes()));
    let id = &s3.access_key_id;
    let authorization = format!(
        "authorization: AWS4-HMAC-SHA256 Credential={id}/{scope}, SignedHeaders={names}, Signature={signature}"
    );
    let lines: Vec<_> = all.iter().map(|(n, v)| format!("{n}: {v}")).collect();
    let mut lines: Vec<_> =
        lines.iter().map(String::as_str).filter(|line| !line.starts_with("host:")).collect();
    lines.push(&authorization);
    let target = if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") };
    send(access, method, &target, &lines, body).await
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// HMAC-SHA256 (RFC 2104).
fn hmac(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mut block = [0_u8; 64];
    let hashed = Sha256::digest(key);
    let key = if key.len() > 64 { &hashed[..] } else { key };
    block[..key.len()].copy_from_slice(key);
    let inner = Sha256::new().chain_update(block.map(|b| b ^ 0x36)).chain_update(text).finalize();
    Sha256::new().chain_update(block.map(|b| b ^ 0x5c)).chain_update(inner).finalize().to_vec()
}
