//! Garage's admin API, version 2: JSON over HTTP, for whoever knows the token.

use std::net::Ipv4Addr;

use async_trait::async_trait;
use aws_sdk_s3::Client;
use bulkhead_model::{Enforcement, Secret};
use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use super::super::{
    front::Front,
    product::{self, Key, May},
    signed::{PATIENCE, exchange},
};
use crate::{
    Error,
    error::Cause,
    instance::{Instance, InstanceSpec},
};

/// What the one node of the cluster can hold, in bytes: it counts only beside other nodes.
const CAPACITY: u64 = 1 << 30;

/// The administrator.
pub(super) struct Admin {
    /// The admin API's, on loopback.
    pub(super) port: u16,
    pub(super) token: Secret,
    /// The key that owns every bucket.
    pub(super) root: Key,
    /// Ends TLS before it, for as long as there is an administrator.
    pub(super) _front: Front,
}

/// What it says about the cluster.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Cluster {
    layout_version: u64,
    nodes: Vec<Node>,
}

/// The one node that there is.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Node {
    id: String,
    /// `v2.1.0`, or `cargo:2.5.0` of a program that Cargo built.
    garage_version: Option<String>,
}

/// What a key may do in the buckets that it may do anything in.
#[derive(Deserialize)]
struct Known {
    buckets: Vec<Bucket>,
}

/// A bucket by the name that the admin API gives it.
#[derive(Deserialize)]
struct Bucket {
    id: String,
}

/// A bucket's rules for a key.
#[derive(Clone, Copy)]
enum Rule {
    Allow,
    Deny,
}

impl Admin {
    async fn ask(&self, method: &str, call: &str, body: &Value) -> Result<Value, Refusal> {
        tokio::time::timeout(PATIENCE, self.ask_once(method, call, body)).await.map_err(Cause::from)?
    }

    async fn ask_once(&self, method: &str, call: &str, body: &Value) -> Result<Value, Refusal> {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let request = Request::builder()
            .method(method)
            .uri(format!("/v2/{call}"))
            .header("host", format!("127.0.0.1:{}", self.port))
            .header("authorization", format!("Bearer {}", self.token.expose()))
            .body(Full::new(Bytes::from(body)))
            .map_err(Cause::from)?;
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).await.map_err(Cause::from)?;
        let (status, body) = exchange(stream, request).await?;
        if status.is_success() {
            return Ok(serde_json::from_slice(&body).map_err(Cause::from)?);
        }
        let (name, _) = call.split_once('?').unwrap_or((call, ""));
        let text = format!("garage answered {status} to {name}: {}", String::from_utf8_lossy(&body));
        Err(Refusal { status: Some(status), cause: text.into() })
    }

    async fn cluster(&self) -> Result<Cluster, Cause> {
        Ok(serde_json::from_value(self.ask("GET", "GetClusterStatus", &Value::Null).await?)?)
    }

    /// Gives the one node all of the cluster, which serves nobody before.
    async fn lay_out(&self, node: &str) -> Result<(), Cause> {
        let role = json!({ "id": node, "zone": "bulkhead", "capacity": CAPACITY, "tags": [] });
        self.ask("POST", "UpdateClusterLayout", &json!({ "roles": [role] })).await?;
        self.ask("POST", "ApplyClusterLayout", &json!({ "version": 1 })).await?;
        Ok(())
    }

    /// Makes a key; one that is there already stays.
    async fn import(&self, Key { id, secret }: &Key) -> Result<(), Cause> {
        let key = json!({ "accessKeyId": id, "secretAccessKey": secret.expose(), "name": "bulkhead" });
        match self.ask("POST", "ImportKey", &key).await {
            Err(refusal) if refusal.status == Some(StatusCode::CONFLICT) => Ok(()),
            made => Ok(made.map(drop)?),
        }
    }

    /// Takes up the cluster's work, and makes the key that owns every bucket. What is done already is done again in vain.
    async fn take_up(&self) -> Result<(), Cause> {
        let cluster = self.cluster().await?;
        if cluster.layout_version == 0 {
            // Keys that are made before are kept by nobody.
            self.lay_out(&cluster.nodes.first().ok_or("garage knows no node, not even itself")?.id).await?;
        }
        self.import(&self.root).await
    }

    async fn rule(&self, rule: Rule, key: &str, bucket: &str, permissions: &Value) -> Result<(), Cause> {
        let call = match rule {
            Rule::Allow => "AllowBucketKey",
            Rule::Deny => "DenyBucketKey",
        };
        let body = json!({ "bucketId": bucket, "accessKeyId": key, "permissions": permissions });
        self.ask("POST", call, &body).await?;
        Ok(())
    }

    async fn allow(&self, key: &str, bucket: &str, permissions: &Value) -> Result<(), Cause> {
        let found = self.ask("GET", &format!("GetBucketInfo?globalAlias={bucket}"), &Value::Null).await?;
        let Bucket { id } = serde_json::from_value(found)?;
        self.rule(Rule::Allow, key, &id, permissions).await
    }

    async fn admit_to(&self, key: &Key, buckets: &[String]) -> Result<(), Cause> {
        self.import(key).await?;
        let permissions = json!({ "read": true, "write": true, "owner": false });
        for bucket in buckets {
            self.allow(&key.id, bucket, &permissions).await?;
        }
        Ok(())
    }
}

#[async_trait]
impl product::Admin for Admin {
    async fn serves(&self, root: &Client) -> Result<(), String> {
        self.take_up().await.map_err(|cause| cause.to_string())?;
        product::listed(root).await
    }

    async fn version(&self, _: &InstanceSpec, _: &Instance) -> Result<String, Error> {
        let cluster = self.cluster().await.map_err(super::failed("ask for its version"))?;
        let said = cluster.nodes.into_iter().find_map(|node| node.garage_version);
        Ok(said.map_or_else(|| String::from("unknown"), |said| number(&said).to_owned()))
    }

    /// By its own call: in S3's a bucket's name is the key's alone that made it, and no other key finds it.
    async fn make_bucket(&self, _: &Client, name: &str) -> Result<(), Cause> {
        match self.ask("POST", "CreateBucket", &json!({ "globalAlias": name })).await {
            Err(refusal) if refusal.status == Some(StatusCode::CONFLICT) => {}
            made => drop(made?),
        }
        self.allow(&self.root.id, name, &json!({ "read": true, "write": true, "owner": true })).await
    }

    async fn admit(&self, name: &str, may: &May<'_>) -> Result<Key, Cause> {
        let key = Key { id: id(name), secret: secret() };
        let buckets = match may.enforcement {
            Enforcement::Enforced => std::slice::from_ref(&may.slice.bucket),
            Enforcement::Convention => may.buckets,
        };
        match self.admit_to(&key, buckets).await {
            Ok(()) => Ok(key),
            Err(cause) => {
                // The first failure is the one to tell.
                let _kept = self.withdraw(name).await;
                Err(cause)
            }
        }
    }

    async fn withdraw(&self, name: &str) -> Result<(), Cause> {
        match self.ask("POST", &format!("DeleteKey?id={}", id(name)), &Value::Null).await {
            Err(refusal) if refusal.status == Some(StatusCode::NOT_FOUND) => Ok(()),
            removed => Ok(removed.map(drop)?),
        }
    }

    /// The document is what the key may do in each bucket: `{"tl-engine": {"read": true, "write": true, "owner": false}}`.
    async fn replace(&self, name: &str, document: &Value) -> Result<(), Cause> {
        let id = &*id(name);
        let known = self.ask("GET", &format!("GetKeyInfo?id={id}"), &Value::Null).await?;
        let Known { buckets } = serde_json::from_value(known)?;
        let all = json!({ "read": true, "write": true, "owner": true });
        for bucket in buckets {
            self.rule(Rule::Deny, id, &bucket.id, &all).await?;
        }
        for (bucket, permissions) in document.as_object().ok_or("it names no bucket")? {
            self.allow(id, bucket, permissions).await?;
        }
        Ok(())
    }
}

/// The id of the key of this name, or of this id: `GK` and 24 hexadecimal digits, of which a name has the first.
pub(super) fn id(name: &str) -> String {
    let digits = name.strip_prefix("BH").map(|digits| format!("GK{digits:0<24}"));
    digits.unwrap_or_else(|| name.to_owned())
}

/// A fresh secret, as Garage makes them.
pub(super) fn secret() -> Secret {
    Secret::new(hex::encode(rand::random::<[u8; 32]>()))
}

/// `2.5.0` of `cargo:2.5.0` or `v2.5.0`.
fn number(said: &str) -> &str {
    let (_, number) = said.rsplit_once(':').unwrap_or(("", said));
    number.strip_prefix('v').unwrap_or(number)
}

/// Why it did not do it, with the status where it gave one.
struct Refusal {
    status: Option<StatusCode>,
    cause: Cause,
}

impl From<Cause> for Refusal {
    fn from(cause: Cause) -> Self {
        Self { status: None, cause }
    }
}

impl From<Refusal> for Cause {
    fn from(refusal: Refusal) -> Self {
        refusal.cause
    }
}

#[cfg(test)]
mod tests {
    use super::{id, number, secret};
    use crate::services::{password::Source, s3::product::name};

    #[test]
    fn a_version_is_a_number_however_it_was_built() {
        for said in ["cargo:2.5.0", "v2.5.0", "2.5.0"] {
            assert_eq!(number(said), "2.5.0");
        }
    }

    #[test]
    fn keys_look_like_garages() {
        let id = id(&name(Source::Random, ""));
        assert!(id.starts_with("GK") && id.len() == 26, "{id}");
        assert_eq!(super::id(&id), id);
        assert_eq!(secret().expose().len(), 64);
    }
}
