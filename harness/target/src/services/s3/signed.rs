//! An administrator's requests, signed with SigV4 over TLS, one connection each.

use std::{fmt::Write as _, net::Ipv4Addr, path::Path, sync::Arc, time::Duration};

use bulkhead_model::{Secret, Service, url::S3Access};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use ring::hmac;
use rustls::pki_types::ServerName;
use sha2::{Digest as _, Sha256};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

use crate::{Error, clients, error::Cause};

/// The longest that one request may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// What stays as it is in a query (RFC 3986).
const PLAIN: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// The region that servers have unless told otherwise.
pub(super) const REGION: &str = "us-east-1";

/// One request.
pub(super) struct Call {
    pub(super) method: &'static str,
    pub(super) path: String,
    /// In the alphabetical order of the names, as signatures want them.
    pub(super) query: Vec<(&'static str, String)>,
    pub(super) body: Vec<u8>,
    /// The service that its signature names: `s3`, `iam`.
    pub(super) of: &'static str,
}

impl Call {
    /// The query as it is sent.
    pub(super) fn query(&self) -> String {
        form(&self.query)
    }
}

/// Names and values as queries and forms have them.
pub(super) fn form(pairs: &[(&str, String)]) -> String {
    let spell = |text: &str| utf8_percent_encode(text, &PLAIN).to_string();
    let pairs = pairs.iter().map(|(name, value)| format!("{}={}", spell(name), spell(value)));
    pairs.collect::<Vec<_>>().join("&")
}

/// Sends a request over a connection of its own, and gives the answer's status and body, whatever the status.
pub(super) async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<Full<Bytes>>,
) -> Result<(StatusCode, Bytes), Cause> {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let driven = tokio::spawn(connection);
    let answer = sender.send_request(request).await?;
    let status = answer.status();
    let body = answer.into_body().collect().await?.to_bytes();
    driven.abort();
    Ok((status, body))
}

/// Who signs them, and where they go.
pub(super) struct Signer {
    port: u16,
    tls: TlsConnector,
    id: String,
    secret: Secret,
}

impl Signer {
    /// With a server's own credentials.
    pub(super) fn new(root: &S3Access, port: u16, ca: &Path) -> Result<Self, Error> {
        let config = clients::tls::config(Service::S3, Some(ca))?;
        let (id, secret) = (root.access_key_id.clone(), root.secret_access_key.clone());
        Ok(Self { port, tls: TlsConnector::from(Arc::new(config)), id, secret })
    }

    /// Its secret, for what is sealed with it.
    pub(super) fn secret(&self) -> &Secret {
        &self.secret
    }

    /// Makes a request and gives the answer's status and body, whatever the status.
    pub(super) async fn make(&self, call: Call) -> Result<(StatusCode, Bytes), Cause> {
        tokio::time::timeout(PATIENCE, self.make_once(call)).await?
    }

    async fn make_once(&self, call: Call) -> Result<(StatusCode, Bytes), Cause> {
        let query = call.query();
        let host = format!("127.0.0.1:{}", self.port);
        let hash = hex::encode(Sha256::digest(&call.body));
        let (stamp, authorization) = self.sign(&call, &query, &host, &hash);
        let Call { method, path, body, .. } = call;
        let uri = if query.is_empty() { path } else { format!("{path}?{query}") };
        let request = Request::builder()
            .method(method)
            .uri(uri)
            .header("host", &host)
            .header("content-type", "application/x-www-form-urlencoded")
            .header("x-amz-date", stamp)
            .header("x-amz-content-sha256", hash)
            .header("authorization", authorization)
            .body(Full::new(Bytes::from(body)))?;
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).await?;
        let stream = self.tls.connect(ServerName::IpAddress(Ipv4Addr::LOCALHOST.into()), stream).await?;
        exchange(stream, request).await
    }

    /// The time and the `Authorization` header of a request. `query` is sorted and encoded.
    fn sign(&self, call: &Call, query: &str, host: &str, hash: &str) -> (String, String) {
        let now = time::OffsetDateTime::now_utc();
        let date = format!("{:04}{:02}{:02}", now.year(), u8::from(now.month()), now.day());
        let stamp = format!("{date}T{:02}{:02}{:02}Z", now.hour(), now.minute(), now.second());
        let names = "host;x-amz-content-sha256;x-amz-date";
        let headers = format!("host:{host}\nx-amz-content-sha256:{hash}\nx-amz-date:{stamp}\n");
        let Call { method, path, of, .. } = call;
        let canonical = format!("{method}\n{path}\n{query}\n{headers}\n{names}\n{hash}");
        let scope = format!("{date}/{REGION}/{of}/aws4_request");
        let text = format!("AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{}", hex::encode(Sha256::digest(canonical)));
        let mut key = format!("AWS4{}", self.secret.expose()).into_bytes();
        for step in [&*date, REGION, of, "aws4_request", &text] {
            let signed = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), step.as_bytes());
            key = signed.as_ref().to_vec();
        }
        let mut authorization = format!("AWS4-HMAC-SHA256 Credential={}/{scope}, ", self.id);
        // Writing into a string cannot fail.
        let _infallible = write!(authorization, "SignedHeaders={names}, Signature={}", hex::encode(key));
        (stamp, authorization)
    }
}

#[cfg(test)]
mod tests {
    use tokio::{io::AsyncReadExt as _, net::TcpListener};

    use super::*;
    use crate::Authority;

    #[tokio::test]
    async fn nothing_is_said_before_the_client_hello() {
        let folder = tempfile::tempdir().unwrap();
        let ca = folder.path().join("ca.pem");
        std::fs::write(&ca, Authority::new().unwrap().pem()).unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let root = S3Access {
            endpoint: format!("https://127.0.0.1:{port}"),
            access_key_id: "root".into(),
            secret_access_key: Secret::new("never-in-the-clear"),
            bucket: String::new(),
        };
        let signer = Signer::new(&root, port, &ca).unwrap();
        let heard = async {
            let (mut client, mut first) = (listener.accept().await.unwrap().0, [0; 6]);
            client.read_exact(&mut first).await.unwrap();
            first
        };
        let call = Call { method: "PUT", path: "/".into(), query: Vec::new(), body: Vec::new(), of: "s3" };
        let (asked, first) = tokio::join!(signer.make(call), heard);
        asked.expect_err("nobody serves there");
        // A handshake record of TLS 1.x whose first message is a ClientHello (RFC 8446, section 4).
        assert!(matches!(first, [0x16, 0x03, _, _, _, 0x01]), "{first:?}");
    }
}
