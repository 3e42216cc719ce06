//! MinIO's admin API: a user and a policy of the same name for each key.

use async_trait::async_trait;
use bulkhead_model::Secret;
use hyper::StatusCode;

use super::{seal::seal, secret, version};
use crate::{
    Error,
    error::Cause,
    instance::{Instance, InstanceSpec},
    services::{
        password::Source,
        s3::{
            product::{self, Key, May},
            signed::{Call, Signer},
        },
    },
};

fn call(
    method: &'static str,
    name: &'static str,
    query: &[(&'static str, &str)],
    body: impl Into<Vec<u8>>,
) -> Call {
    let query = query.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    Call { method, path: format!("/minio/admin/v3/{name}"), query, body: body.into(), of: "s3" }
}

/// Makes a policy of that name.
pub(super) fn add_policy(name: &str, document: &serde_json::Value) -> Call {
    call("PUT", "add-canned-policy", &[("name", name)], document.to_string())
}

/// Makes a user, its secret sealed with the administrator's; none when it cannot be sealed.
pub(super) fn add_user(Key { id, secret }: &Key, admin: &Secret, source: Source) -> Option<Call> {
    let text = serde_json::json!({ "secretKey": secret.expose(), "status": "enabled" }).to_string();
    let sealed = seal(admin, text.as_bytes(), source, &format!("s3 {id}"))?;
    Some(call("PUT", "add-user", &[("accessKey", id)], sealed))
}

/// Puts a user under a policy.
pub(super) fn attach_policy(id: &str, policy: &str) -> Call {
    let query = [("isGroup", "false"), ("policyName", policy), ("userOrGroup", id)];
    call("PUT", "set-user-or-group-policy", &query, "")
}

fn remove_user(id: &str) -> Call {
    call("DELETE", "remove-user", &[("accessKey", id)], "")
}

fn remove_policy(name: &str) -> Call {
    call("DELETE", "remove-canned-policy", &[("name", name)], "")
}

/// The administrator.
pub(super) struct Admin(pub(super) Signer);

impl Admin {
    async fn make(&self, call: Call) -> Result<(), Cause> {
        self.answered(call, false).await
    }

    /// The same of what removes a thing, which may not be there.
    async fn unmake(&self, call: Call) -> Result<(), Cause> {
        self.answered(call, true).await
    }

    async fn answered(&self, call: Call, or_missing: bool) -> Result<(), Cause> {
        let path = call.path.clone();
        let (status, body) = self.0.make(call).await?;
        if status.is_success() || or_missing && status == StatusCode::NOT_FOUND {
            return Ok(());
        }
        Err(format!("minio answered {status} to {path}: {}", String::from_utf8_lossy(&body)).into())
    }
}

#[async_trait]
impl product::Admin for Admin {
    async fn version(&self, spec: &InstanceSpec, instance: &Instance) -> Result<String, Error> {
        version(spec, instance).await
    }

    async fn admit(&self, name: &str, may: &May<'_>) -> Result<Key, Cause> {
        let key = Key { id: name.to_owned(), secret: secret(Source::Random, "") };
        self.make(add_policy(name, &may.document())).await?;
        let add = add_user(&key, self.0.secret(), Source::Random);
        self.make(add.ok_or("the user's secret could not be sealed")?).await?;
        self.make(attach_policy(name, name)).await?;
        Ok(key)
    }

    async fn withdraw(&self, name: &str) -> Result<(), Cause> {
        self.unmake(remove_user(name)).await?;
        self.unmake(remove_policy(name)).await
    }

    async fn replace(&self, name: &str, document: &serde_json::Value) -> Result<(), Cause> {
        self.make(add_policy(name, document)).await
    }
}
