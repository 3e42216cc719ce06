//! HTTP by hand over TLS, for requests that no SDK would send.

use bulkhead_target::TenantAccess;
use sha2::{Digest as _, Sha256};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::http;
pub(crate) use crate::http::Answer;

/// `host:port` of the endpoint.
pub(crate) fn authority(access: &TenantAccess) -> String {
    access.connections.s3.endpoint.trim_start_matches("https://").to_owned()
}

/// Connects and shakes hands.
pub(crate) async fn connect(access: &TenantAccess) -> TlsStream<TcpStream> {
    http::tls(&authority(access), access.ca.as_ref().unwrap()).await
}

/// Sends `<method> <target>` exactly as given, with these header lines, and reads the answer to its end.
pub(crate) async fn send(
    access: &TenantAccess,
    method: &str,
    target: &str,
    headers: &[&str],
    body: &[u8],
) -> Answer {
    let mut head =
        format!("{method} {target} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n", authority(access));
    for line in headers {
        head.push_str(line);
        head.push_str("\r\n");
    }
    head.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
    http::exchange(connect(access).await, &head, body).await
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
