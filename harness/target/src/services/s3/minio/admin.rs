//! MinIO's admin API: requests signed with SigV4 over TLS, one connection each.

use std::{fmt::Write as _, net::Ipv4Addr, path::Path, sync::Arc, time::Duration};

use bulkhead_model::{Secret, Service, url::S3Access};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper_util::rt::TokioIo;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use ring::hmac;
use rustls::pki_types::ServerName;
use sha2::{Digest as _, Sha256};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::seal::seal;
use crate::{Error, clients, error::Cause, services::password::Source};

/// The longest that one request may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// What stays as it is in a query (RFC 3986).
const PLAIN: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// The region that MinIO has unless told otherwise.
pub(super) const REGION: &str = "us-east-1";

/// One request of the API.
pub(super) struct Call {
    method: &'static str,
    name: &'static str,
    /// In the alphabetical order of the names, as signatures want them.
    query: Vec<(&'static str, String)>,
    pub(super) body: Vec<u8>,
}

impl Call {
    fn new(
        method: &'static str,
        name: &'static str,
        query: &[(&'static str, &str)],
        body: impl Into<Vec<u8>>,
    ) -> Self {
        let query = query.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        Self { method, name, query, body: body.into() }
    }

    /// Makes a policy of that name.
    pub(super) fn add_policy(name: &str, document: &serde_json::Value) -> Self {
        Self::new("PUT", "add-canned-policy", &[("name", name)], document.to_string())
    }

    /// Makes a user, its secret sealed with the administrator's; none when it cannot be sealed.
    pub(super) fn add_user(id: &str, secret: &Secret, admin: &Secret, source: Source) -> Option<Self> {
        let text = serde_json::json!({ "secretKey": secret.expose(), "status": "enabled" }).to_string();
        let sealed = seal(admin, text.as_bytes(), source, &format!("s3 {id}"))?;
        Some(Self::new("PUT", "add-user", &[("accessKey", id)], sealed))
    }

    /// Puts a user under a policy.
    pub(super) fn attach_policy(id: &str, policy: &str) -> Self {
        let query = [("isGroup", "false"), ("policyName", policy), ("userOrGroup", id)];
        Self::new("PUT", "set-user-or-group-policy", &query, "")
    }

    fn remove_user(id: &str) -> Self {
        Self::new("DELETE", "remove-user", &[("accessKey", id)], "")
    }

    fn remove_policy(name: &str) -> Self {
        Self::new("DELETE", "remove-canned-policy", &[("name", name)], "")
    }

    pub(super) fn path(&self) -> String {
        format!("/minio/admin/v3/{}", self.name)
    }

    pub(super) fn query(&self) -> String {
        let spell = |text: &str| utf8_percent_encode(text, &PLAIN).to_string();
        let query = self.query.iter().map(|(name, value)| format!("{}={}", spell(name), spell(value)));
        query.collect::<Vec<_>>().join("&")
    }
}

/// The administrator.
pub(super) struct Admin {
    port: u16,
    tls: TlsConnector,
    id: String,
    secret: Secret,
}

impl Admin {
    /// With the root credentials.
    pub(super) fn new(root: &S3Access, port: u16, ca: &Path) -> Result<Self, Error> {
        let config = clients::tls::config(Service::S3, Some(ca))?;
        let (id, secret) = (root.access_key_id.clone(), root.secret_access_key.clone());
        Ok(Self { port, tls: TlsConnector::from(Arc::new(config)), id, secret })
    }

    /// Makes a policy of that name.
    pub(super) async fn add_policy(&self, name: &str, document: &serde_json::Value) -> Result<(), Cause> {
        self.make(Call::add_policy(name, document)).await
    }

    /// Makes a user and puts it under a policy.
    pub(super) async fn add_user(&self, id: &str, secret: &Secret, policy: &str) -> Result<(), Cause> {
        let add = Call::add_user(id, secret, &self.secret, Source::Random);
        self.make(add.ok_or("the user's secret could not be sealed")?).await?;
        self.make(Call::attach_policy(id, policy)).await
    }

    /// Removes a user and its policy.
    pub(super) async fn remove_user(&self, id: &str, policy: &str) -> Result<(), Cause> {
        self.make(Call::remove_user(id)).await?;
        self.make(Call::remove_policy(policy)).await
    }

    async fn make(&self, call: Call) -> Result<(), Cause> {
        tokio::time::timeout(PATIENCE, self.make_once(call)).await?
    }

    async fn make_once(&self, call: Call) -> Result<(), Cause> {
        let (path, query) = (call.path(), call.query());
        let Call { method, name, body, .. } = call;
        let host = format!("127.0.0.1:{}", self.port);
        let hash = hex::encode(Sha256::digest(&body));
        let (stamp, authorization) = self.sign(method, &path, &query, &host, &hash);
        let request = Request::builder()
            .method(method)
            .uri(format!("{path}?{query}"))
            .header("host", &host)
            .header("x-amz-date", stamp)
            .header("x-amz-content-sha256", hash)
            .header("authorization", authorization)
            .body(Full::new(Bytes::from(body)))?;
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).await?;
        let stream = self.tls.connect(ServerName::IpAddress(Ipv4Addr::LOCALHOST.into()), stream).await?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        let driven = tokio::spawn(connection);
        let answer = sender.send_request(request).await?;
        let status = answer.status();
        let body = answer.into_body().collect().await?.to_bytes();
        driven.abort();
        if status.is_success() {
            return Ok(());
        }
        Err(format!("minio answered {status} to {name}: {}", String::from_utf8_lossy(&body)).into())
    }

    /// The time and the `Authorization` header of a request. `query` is sorted and encoded.
    fn sign(&self, method: &str, path: &str, query: &str, host: &str, hash: &str) -> (String, String) {
        let now = time::OffsetDateTime::now_utc();
        let date = format!("{:04}{:02}{:02}", now.year(), u8::from(now.month()), now.day());
        let stamp = format!("{date}T{:02}{:02}{:02}Z", now.hour(), now.minute(), now.second());
        let names = "host;x-amz-content-sha256;x-amz-date";
        let headers = format!("host:{host}\nx-amz-content-sha256:{hash}\nx-amz-date:{stamp}\n");
        let canonical = format!("{method}\n{path}\n{query}\n{headers}\n{names}\n{hash}");
        let scope = format!("{date}/{REGION}/s3/aws4_request");
        let text = format!("AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{}", hex::encode(Sha256::digest(canonical)));
        let mut key = format!("AWS4{}", self.secret.expose()).into_bytes();
        for step in [&*date, REGION, "s3", "aws4_request", &text] {
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
        let admin = Admin::new(&root, port, &ca).unwrap();
        let heard = async {
            let (mut client, mut first) = (listener.accept().await.unwrap().0, [0; 6]);
            client.read_exact(&mut first).await.unwrap();
            first
        };
        let document = serde_json::json!({});
        let (asked, first) = tokio::join!(admin.add_policy("engine", &document), heard);
        asked.expect_err("nobody serves there");
        // A handshake record of TLS 1.x whose first message is a ClientHello (RFC 8446, section 4).
        assert!(matches!(first, [0x16, 0x03, _, _, _, 0x01]), "{first:?}");
    }
}
