//! RustFS's admin API: a user and a policy of the same name for each key.

use async_trait::async_trait;
use bulkhead_model::{Secret, Service};
use hyper::StatusCode;
use serde_json::{Value, json};

use crate::{
    Error,
    error::Cause,
    instance::{Instance, InstanceSpec},
    services::{
        password,
        s3::{
            product::{self, Key, May},
            signed::{Call, Signer},
        },
    },
};

/// The administrator.
pub(super) struct Admin(pub(super) Signer);

impl Admin {
    /// Has it done; a thing that is not there answers none.
    async fn make(
        &self,
        method: &'static str,
        name: &'static str,
        query: &[(&'static str, &str)],
        body: &Value,
    ) -> Result<Option<()>, Cause> {
        let query = query.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let call = Call { method, path: format!("/rustfs/admin/v3/{name}"), query, body, of: "s3" };
        let (status, answer) = self.0.make(call).await?;
        match status {
            StatusCode::NOT_FOUND => Ok(None),
            _ if status.is_success() => Ok(Some(())),
            _ => {
                Err(format!("rustfs answered {status} to {name}: {}", String::from_utf8_lossy(&answer))
                    .into())
            }
        }
    }

    async fn put(
        &self,
        name: &'static str,
        query: &[(&'static str, &str)],
        body: &Value,
    ) -> Result<(), Cause> {
        let missing = || format!("rustfs answered 404 to {name}");
        Ok(self.make("PUT", name, query, body).await?.ok_or_else(missing)?)
    }

    async fn add_policy(&self, name: &str, document: &Value) -> Result<(), Cause> {
        self.put("add-canned-policy", &[("name", name)], document).await
    }

    async fn add(&self, Key { id, secret }: &Key, document: &Value) -> Result<(), Cause> {
        self.add_policy(id, document).await?;
        let user = json!({ "secretKey": secret.expose(), "status": "enabled" });
        self.put("add-user", &[("accessKey", id)], &user).await?;
        let attached = [("isGroup", "false"), ("policyName", id), ("userOrGroup", id)];
        self.put("set-user-or-group-policy", &attached, &Value::Null).await
    }
}

#[async_trait]
impl product::Admin for Admin {
    /// What it says about itself: `rustfs 1.0.1`, and more below.
    async fn version(&self, _: &InstanceSpec, instance: &Instance) -> Result<String, Error> {
        let said = match instance {
            Instance::Container(container) => {
                let asked = container.inside().run("root", &["rustfs", "--version"], &[]).await;
                asked.map_err(Error::serve(Service::S3, "ask for its version"))?
            }
            Instance::Process(_) => String::new(),
        };
        Ok(said.split_whitespace().nth(1).unwrap_or("unknown").to_owned())
    }

    async fn admit(&self, name: &str, may: &May<'_>) -> Result<Key, Cause> {
        let secret = password::random();
        let secret = Secret::new(secret.expose().get(..40).unwrap_or_default());
        let key = Key { id: name.to_owned(), secret };
        match self.add(&key, &may.document()).await {
            Ok(()) => Ok(key),
            Err(cause) => {
                // The first failure is the one to tell.
                let _kept = self.withdraw(name).await;
                Err(cause)
            }
        }
    }

    async fn withdraw(&self, name: &str) -> Result<(), Cause> {
        self.make("DELETE", "remove-user", &[("accessKey", name)], &Value::Null).await?;
        self.make("DELETE", "remove-canned-policy", &[("name", name)], &Value::Null).await?;
        Ok(())
    }

    async fn replace(&self, name: &str, document: &Value) -> Result<(), Cause> {
        self.add_policy(name, document).await
    }
}
