//! A running MinIO and its slices: a bucket with versions, a user and a policy for each tenant.

use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_s3::{
    Client,
    types::{BucketVersioningStatus, Delete, ObjectIdentifier, VersioningConfiguration},
};
use bulkhead_model::{Enforcement, S3Slice, Secret, Service, Tenant, report::ServerReport, url::S3Access};
use nix::{sys::signal::Signal, unistd::Pid};
use serde::Deserialize;

use super::{admin::Admin, policy};
use crate::{
    Error,
    error::Cause,
    instance::{Instance, InstanceSpec},
    services::{Access, HALT, Running, password::Source},
};

/// The running server.
pub(crate) struct Server {
    instance: Instance,
    /// How it is started.
    spec: InstanceSpec,
    /// From its start to ready.
    deadline: Duration,
    root: Client,
    admin: Admin,
    endpoint: String,
    version: String,
    startup: Duration,
    /// The user of every slice that exists; its policy has the same name.
    users: Vec<(S3Slice, String)>,
}

/// What an administrator says about a key.
#[derive(Deserialize)]
struct Replaced {
    key: String,
    document: serde_json::Value,
}

/// The id and the secret of a tenant's user, of which MinIO takes twenty and forty characters at most.
pub(super) fn key(tenant: &str, source: Source) -> (String, Secret) {
    let id = format!("BH{}", hex::encode(source.bytes::<9>(&format!("id of s3 {tenant}"))));
    let secret = source.password(&format!("s3 {tenant}"));
    (id, Secret::new(secret.expose().get(..40).unwrap_or_default()))
}

impl Server {
    pub(super) fn new(
        (instance, spec, deadline): (Instance, InstanceSpec, Duration),
        root: Client,
        admin: Admin,
        endpoint: String,
        version: String,
        startup: Duration,
    ) -> Self {
        Self { instance, spec, deadline, root, admin, endpoint, version, startup, users: Vec::new() }
    }

    async fn make_bucket(&self, name: &str) -> Result<(), Cause> {
        let made = self.root.create_bucket().bucket(name).send().await;
        if let Err(error) = made {
            let error = error.into_service_error();
            if !error.is_bucket_already_owned_by_you() {
                return Err(error.into());
            }
        }
        let enabled = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled).build();
        self.root.put_bucket_versioning().bucket(name).versioning_configuration(enabled).send().await?;
        Ok(())
    }

    async fn admit(
        &mut self,
        slice: &S3Slice,
        buckets: &[String],
        enforcement: Enforcement,
    ) -> Result<S3Access, Cause> {
        self.make_bucket(&slice.bucket).await?;
        let (id, secret) = key("", Source::Random);
        self.admin.add_policy(&id, &policy::of(slice, buckets, enforcement)).await?;
        self.users.push((slice.clone(), id.clone()));
        self.admin.add_user(&id, &secret, &id).await?;
        Ok(S3Access {
            endpoint: self.endpoint.clone(),
            access_key_id: id,
            secret_access_key: secret,
            bucket: slice.bucket.clone(),
        })
    }

    async fn dismiss(&mut self, slice: &S3Slice) -> Result<(), Cause> {
        for (_, id) in self.users.extract_if(.., |(own, _)| own == slice) {
            self.admin.remove_user(&id, &id).await?;
        }
        let shared = self.users.iter().any(|(other, _)| other.bucket == slice.bucket);
        self.empty(&slice.bucket, if shared { slice.prefix.as_deref().unwrap_or_default() } else { "" })
            .await?;
        if !shared {
            self.root.delete_bucket().bucket(&slice.bucket).send().await?;
        }
        Ok(())
    }

    /// Removes every version and unfinished upload below a prefix.
    async fn empty(&self, bucket: &str, prefix: &str) -> Result<(), Cause> {
        let uploads = self.root.list_multipart_uploads().bucket(bucket).prefix(prefix).send().await?;
        for upload in uploads.uploads() {
            let abort = self.root.abort_multipart_upload().bucket(bucket);
            abort.set_key(upload.key.clone()).set_upload_id(upload.upload_id.clone()).send().await?;
        }
        loop {
            let page = self.root.list_object_versions().bucket(bucket).prefix(prefix).send().await?;
            let versions = page.versions().iter().map(|v| (v.key.clone(), v.version_id.clone()));
            let markers = page.delete_markers().iter().map(|m| (m.key.clone(), m.version_id.clone()));
            let named: Result<Vec<_>, _> = versions
                .chain(markers)
                .map(|(key, id)| ObjectIdentifier::builder().set_key(key).set_version_id(id).build())
                .collect();
            let named = named?;
            if named.is_empty() {
                return Ok(());
            }
            let batch = Delete::builder().set_objects(Some(named)).quiet(true).build()?;
            let deleted = self.root.delete_objects().bucket(bucket).delete(batch).send().await?;
            if let Some(error) = deleted.errors().first() {
                return Err(format!("minio kept an object: {}", error.message().unwrap_or_default()).into());
            }
        }
    }
}

#[async_trait]
impl Running for Server {
    fn report(&self) -> ServerReport {
        ServerReport {
            service: Service::S3,
            product: String::from("minio"),
            version: self.version.clone(),
            startup_ms: u64::try_from(self.startup.as_millis()).unwrap_or(u64::MAX),
        }
    }

    async fn provision(
        &mut self,
        tenants: &[Tenant],
        enforcement: Enforcement,
    ) -> Result<Vec<Access>, Error> {
        let buckets: Vec<_> = tenants.iter().map(|tenant| tenant.slices.s3.bucket.clone()).collect();
        let mut made = Vec::with_capacity(tenants.len());
        for (position, tenant) in tenants.iter().enumerate() {
            match self.admit(&tenant.slices.s3, &buckets, enforcement).await {
                Ok(access) => made.push(Access::S3(access)),
                Err(cause) => {
                    for done in tenants.iter().take(position + 1) {
                        // The first failure is the one to tell.
                        let _kept = self.dismiss(&done.slices.s3).await;
                    }
                    return Err(failed("make", tenant)(cause));
                }
            }
        }
        Ok(made)
    }

    async fn remove(&mut self, tenants: &[Tenant]) -> Result<(), Error> {
        for tenant in tenants {
            self.dismiss(&tenant.slices.s3).await.map_err(failed("remove", tenant))?;
        }
        Ok(())
    }

    /// The statement is JSON: `{"key": "…", "document": {…}}` puts the key's user under this policy instead of its own.
    async fn administer(&mut self, statement: &str) -> Result<String, Error> {
        let doing = "replace a key's policy as administrator";
        let Replaced { key, document } =
            serde_json::from_str(statement).map_err(Error::serve(Service::S3, doing))?;
        let replaced = self.admin.add_policy(&key, &document).await;
        replaced.map(|()| String::from("done")).map_err(Error::serve(Service::S3, doing))
    }

    async fn pause(&mut self, paused: bool) -> Result<(), Error> {
        let failed = Error::serve(Service::S3, "pause the server, or let it go on");
        self.instance.pause(paused).await.map_err(failed)
    }

    async fn halt(&mut self, in_good_order: bool) -> Result<(), Error> {
        if in_good_order {
            self.instance.stop(Signal::SIGTERM, HALT).await;
            return Ok(());
        }
        self.instance.kill().await.map_err(Error::serve(Service::S3, "kill the server"))
    }

    async fn start_again(&mut self) -> Result<(), Error> {
        self.spec.start_again(&mut self.instance).await?;
        super::ready(&mut self.instance, self.deadline, &self.root).await
    }

    fn pid(&self) -> Option<Pid> {
        self.instance.pid()
    }

    fn exited(&mut self) -> Option<Error> {
        self.instance.end()
    }

    fn log_tail(&self, lines: usize) -> Vec<String> {
        self.instance.log_tail(lines)
    }

    async fn stop(&mut self) {
        self.instance.discard(Signal::SIGKILL).await;
    }
}

fn failed(doing: &str, tenant: &Tenant) -> impl FnOnce(Cause) -> Error {
    Error::serve(Service::S3, format!("{doing} {} for `{}`", tenant.slices.s3, tenant.name))
}
