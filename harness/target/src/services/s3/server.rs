//! A running S3 server that nobody here wrote, and its slices: a bucket, with versions where the server has them, and a key
//! for each tenant.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use aws_sdk_s3::{
    Client,
    types::{BucketVersioningStatus, Delete, ObjectIdentifier, VersioningConfiguration},
};
use bulkhead_model::{Enforcement, S3Slice, Service, Tenant, report::ServerReport, url::S3Access};
use nix::{sys::signal::Signal, unistd::Pid};
use serde::Deserialize;

use super::product::{self, Admin, Key, May, Prepared, Product, Site};
use crate::{
    Error, TargetSpec,
    backends::docker::Image,
    clients::s3::connect,
    error::Cause,
    instance::{Instance, InstanceSpec},
    ready,
    services::{Access, HALT, Place, Running, password::Source, port},
};

/// The running server.
pub(super) struct Server {
    product: &'static Product,
    instance: Instance,
    /// How it is started.
    spec: InstanceSpec,
    /// From its start to ready.
    deadline: Duration,
    root: Client,
    admin: Box<dyn Admin>,
    endpoint: String,
    version: String,
    startup: Duration,
    /// The key of every slice that exists.
    keys: Vec<Held>,
}

/// A tenant's key.
struct Held {
    slice: S3Slice,
    /// Under which the administrator knows it.
    name: String,
    /// With which the tenant signs; empty until it is made.
    id: String,
}

/// What an administrator says about a key.
#[derive(Deserialize)]
struct Replaced {
    key: String,
    document: serde_json::Value,
}

/// Waits until it serves its administrator.
async fn serving(
    instance: &mut Instance,
    deadline: Duration,
    (admin, root): (&dyn Admin, &Client),
) -> Result<(), Error> {
    ready::until(Service::S3, instance, deadline, || admin.serves(root)).await
}

impl Server {
    /// Starts it, from an image or as a program of this machine, and waits until it serves.
    pub(super) async fn start(
        product: &'static Product,
        spec: &TargetSpec,
        image: Option<&Image>,
        place: &Place,
    ) -> Result<Self, Error> {
        let begun = Instant::now();
        let port = port::pick(Service::S3, place)?;
        let Prepared { spec, admin, root } = (product.prepare)(&Site { spec, image, place, port })?;
        let mut instance = spec.start().await?;
        let client = connect(&root, Some(&place.ca))?;
        serving(&mut instance, place.deadline, (&*admin, &client)).await?;
        let version = admin.version(&spec, &instance).await?;
        Ok(Self {
            product,
            instance,
            spec,
            deadline: place.deadline,
            root: client,
            admin,
            endpoint: root.endpoint,
            version,
            startup: begun.elapsed(),
            keys: Vec::new(),
        })
    }

    async fn make_bucket(&self, name: &str) -> Result<(), Cause> {
        self.admin.make_bucket(&self.root, name).await?;
        if self.product.versions {
            let on = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled).build();
            self.root.put_bucket_versioning().bucket(name).versioning_configuration(on).send().await?;
        }
        Ok(())
    }

    async fn admit(&mut self, may: &May<'_>) -> Result<S3Access, Cause> {
        let (slice, name) = (may.slice.clone(), product::name(Source::Random, ""));
        self.keys.push(Held { slice, name: name.clone(), id: String::new() });
        let Key { id, secret } = self.admin.admit(&name, may).await?;
        if let Some(held) = self.keys.last_mut() {
            held.id.clone_from(&id);
        }
        Ok(S3Access {
            endpoint: self.endpoint.clone(),
            access_key_id: id,
            secret_access_key: secret,
            bucket: may.slice.bucket.clone(),
        })
    }

    async fn dismiss(&mut self, slice: &S3Slice) -> Result<(), Cause> {
        for Held { name, .. } in self.keys.extract_if(.., |held| held.slice == *slice) {
            self.admin.withdraw(&name).await?;
        }
        let shared = self.keys.iter().any(|held| held.slice.bucket == slice.bucket);
        self.empty(&slice.bucket, if shared { slice.prefix.as_deref().unwrap_or_default() } else { "" })
            .await?;
        if !shared {
            self.root.delete_bucket().bucket(&slice.bucket).send().await?;
        }
        Ok(())
    }

    /// Every bucket, then every key: one that opens others' buckets finds them.
    async fn make(
        &mut self,
        tenants: &[Tenant],
        buckets: &[String],
        enforcement: Enforcement,
        made: &mut Vec<Access>,
    ) -> Result<(), Error> {
        for tenant in tenants {
            self.make_bucket(&tenant.slices.s3.bucket).await.map_err(failed("make", tenant))?;
        }
        for tenant in tenants {
            let may = May { slice: &tenant.slices.s3, buckets, enforcement };
            made.push(Access::S3(self.admit(&may).await.map_err(failed("make", tenant))?));
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
            let named = self.page(bucket, prefix).await?;
            if named.is_empty() {
                return Ok(());
            }
            let batch = Delete::builder().set_objects(Some(named)).quiet(true).build()?;
            let deleted = self.root.delete_objects().bucket(bucket).delete(batch).send().await?;
            if let Some(error) = deleted.errors().first() {
                return Err(format!("it kept an object: {}", error.message().unwrap_or_default()).into());
            }
        }
    }

    /// Some of the versions below a prefix, or of the objects where the server has no versions; none when there are none.
    async fn page(&self, bucket: &str, prefix: &str) -> Result<Vec<ObjectIdentifier>, Cause> {
        let named: Vec<_> = if self.product.versions {
            let page = self.root.list_object_versions().bucket(bucket).prefix(prefix).send().await?;
            let versions = page.versions().iter().map(|v| (v.key.clone(), v.version_id.clone()));
            versions
                .chain(page.delete_markers().iter().map(|m| (m.key.clone(), m.version_id.clone())))
                .collect()
        } else {
            let page = self.root.list_objects_v2().bucket(bucket).prefix(prefix).send().await?;
            page.contents().iter().map(|object| (object.key.clone(), None)).collect()
        };
        let named = named
            .into_iter()
            .map(|(key, id)| ObjectIdentifier::builder().set_key(key).set_version_id(id).build());
        Ok(named.collect::<Result<_, _>>()?)
    }
}

#[async_trait]
impl Running for Server {
    fn report(&self) -> ServerReport {
        ServerReport {
            service: Service::S3,
            product: String::from(self.product.name),
            version: self.version.clone(),
            startup_ms: u64::try_from(self.startup.as_millis()).unwrap_or(u64::MAX),
        }
    }

    async fn provision(
        &mut self,
        tenants: &[Tenant],
        enforcement: Enforcement,
    ) -> Result<Vec<Access>, Error> {
        if let Some(refusal) = self.product.refusal(tenants, enforcement) {
            return Err(refusal);
        }
        let buckets: Vec<_> = tenants.iter().map(|tenant| tenant.slices.s3.bucket.clone()).collect();
        let mut made = Vec::with_capacity(tenants.len());
        match self.make(tenants, &buckets, enforcement, &mut made).await {
            Ok(()) => Ok(made),
            Err(error) => {
                for tenant in tenants {
                    // The first failure is the one to tell.
                    let _kept = self.dismiss(&tenant.slices.s3).await;
                }
                Err(error)
            }
        }
    }

    async fn remove(&mut self, tenants: &[Tenant]) -> Result<(), Error> {
        for tenant in tenants {
            self.dismiss(&tenant.slices.s3).await.map_err(failed("remove", tenant))?;
        }
        Ok(())
    }

    /// The statement is JSON: `{"key": "…", "document": {…}}` lets the key do that instead of what it may, in the server's own
    /// words.
    async fn administer(&mut self, statement: &str) -> Result<String, Error> {
        let doing = "replace a key's policy as administrator";
        let Replaced { key, document } =
            serde_json::from_str(statement).map_err(Error::serve(Service::S3, doing))?;
        let held = self.keys.iter().find(|held| held.id == key);
        let held = held.ok_or("there is no such key").map_err(Error::serve(Service::S3, doing))?;
        let replaced = self.admin.replace(&held.name, &document).await;
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
        serving(&mut self.instance, self.deadline, (&*self.admin, &self.root)).await
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
