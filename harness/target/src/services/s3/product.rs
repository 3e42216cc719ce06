//! An S3 server that nobody here wrote, and what differs from one to the next: a folder and a line in [`ALL`] each.
//!
//! Which of them an image holds its configuration says, or else its name. What they have in common is in `server` (buckets,
//! slices, faults), `policy` (what a tenant may do, as AWS words it) and `signed` (an administrator's requests).

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use aws_sdk_s3::{
    Client,
    error::{DisplayErrorContext, SdkError},
};
use bulkhead_model::{Enforcement, S3Slice, Secret, Service, Tenant, url::S3Access};

use super::{garage, minio, policy, rustfs, seaweedfs};
use crate::{
    Error, TargetSpec,
    backends::docker::{self, Image, images},
    error::Cause,
    instance::{Instance, InstanceSpec},
    private,
    services::{Place, password::Source},
};

/// Those that an image may hold.
pub(super) const ALL: [&Product; 4] =
    [&minio::PRODUCT, &rustfs::PRODUCT, &seaweedfs::PRODUCT, &garage::PRODUCT];

/// One of them.
pub(super) struct Product {
    /// As reports name it, and as the images' names do: a word of `quay.io/minio/minio`.
    pub(super) name: &'static str,
    /// As people write it.
    pub(super) title: &'static str,
    /// The program that its image runs.
    pub(super) program: &'static str,
    /// Whether its rules for keys reach below a bucket, to a prefix in one that tenants share.
    pub(super) below_bucket: bool,
    /// Whether it keeps an object's older versions.
    pub(super) versions: bool,
    /// What starts it, and who then makes its keys. Writes what the server reads; starts nothing.
    pub(super) prepare: fn(&Site<'_>) -> Result<Prepared, Error>,
}

/// Where one is to run.
pub(super) struct Site<'a> {
    pub(super) spec: &'a TargetSpec,
    /// The image that it is in; none for a program of this machine.
    pub(super) image: Option<&'a Image>,
    pub(super) place: &'a Place,
    /// The port at which clients reach it.
    pub(super) port: u16,
}

/// One that is ready to be started.
pub(super) struct Prepared {
    pub(super) spec: InstanceSpec,
    pub(super) admin: Box<dyn Admin>,
    /// Its administrator, whose key makes and opens every bucket.
    pub(super) root: S3Access,
}

/// Whom a running server obeys in what S3 has no calls for.
#[async_trait]
pub(super) trait Admin: Send + Sync {
    /// Whether it serves its administrator, asked again and again from its start on, or why not yet. Whatever it takes
    /// besides before there can be slices is done here.
    async fn serves(&self, root: &Client) -> Result<(), String> {
        listed(root).await
    }

    /// Its version.
    async fn version(&self, spec: &InstanceSpec, instance: &Instance) -> Result<String, Error>;

    /// Makes a bucket that its administrator's key opens; one that is there stays.
    async fn make_bucket(&self, root: &Client, name: &str) -> Result<(), Cause> {
        match root.create_bucket().bucket(name).send().await.map_err(SdkError::into_service_error) {
            Err(error) if !error.is_bucket_already_owned_by_you() => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Makes a key of this name that may do this, and nothing else. What there is of one that could not be made is withdrawn.
    async fn admit(&self, name: &str, may: &May<'_>) -> Result<Key, Cause>;

    /// Withdraws a key, or what there is of it.
    async fn withdraw(&self, name: &str) -> Result<(), Cause>;

    /// Lets a key do what this document says instead, in the server's own words.
    async fn replace(&self, name: &str, document: &serde_json::Value) -> Result<(), Cause>;
}

/// A key and its secret.
#[derive(Clone)]
pub(super) struct Key {
    pub(super) id: String,
    pub(super) secret: Secret,
}

/// A fresh name for a key, of eighteen hexadecimal digits, after `BH`.
pub(super) fn name(source: Source, tenant: &str) -> String {
    format!("BH{}", hex::encode(source.bytes::<9>(&format!("id of s3 {tenant}"))))
}

/// What a tenant's key may do.
pub(super) struct May<'a> {
    pub(super) slice: &'a S3Slice,
    /// The buckets of all tenants of its topology.
    pub(super) buckets: &'a [String],
    pub(super) enforcement: Enforcement,
}

impl May<'_> {
    /// As a policy document words it.
    pub(super) fn document(&self) -> serde_json::Value {
        policy::of(self.slice, self.buckets, self.enforcement)
    }
}

impl Site<'_> {
    /// Access with a key that opens more than a bucket.
    pub(super) fn root(&self, Key { id, secret }: Key) -> S3Access {
        S3Access {
            endpoint: format!("https://127.0.0.1:{}", self.port),
            access_key_id: id,
            secret_access_key: secret,
            bucket: String::new(),
        }
    }
}

/// A folder with the run's certificate and the certificate's key, under the two names that a server looks for.
///
/// # Errors
/// When they cannot be made.
pub(super) fn certificates(place: &Place, names: [&str; 2]) -> Result<PathBuf, Error> {
    let certs = place.dir.join("certs");
    private::folder(&certs)?;
    let identity = place.authority.identity("s3", &certs)?;
    for (from, to) in [&identity.cert, &identity.key].into_iter().zip(names.map(|name| certs.join(name))) {
        std::fs::rename(from, &to).map_err(Error::disk("create", to))?;
    }
    Ok(certs)
}

/// Whether the administrator's key is served, or why not.
pub(super) async fn listed(root: &Client) -> Result<(), String> {
    let listed = root.list_buckets().send().await;
    listed.map(drop).map_err(|error| DisplayErrorContext(error).to_string())
}

/// Which of them an image holds.
///
/// # Errors
/// [`Error::NotS3`] when nothing says so; that the engine does not answer.
pub(super) async fn of(image: &Image) -> Result<&'static Product, Error> {
    let says = docker::runs(image).await.map_err(Error::serve(Service::S3, format!("look at `{image}`")))?;
    told(&says, &image.name).ok_or_else(|| Error::NotS3 {
        image: image.to_string(),
        variable: images::variable(Service::S3),
        known: ALL.map(|product| product.title).join(", "),
    })
}

/// By the words of an image's entry point and command, or those of its name.
fn told(says: &[String], name: &str) -> Option<&'static Product> {
    let programs = says.iter().filter_map(|word| Path::new(word).file_name()?.to_str());
    let run = |program: &str| ALL.into_iter().find(|product| product.program == program);
    let named = |word: &str| ALL.into_iter().find(|product| product.name == word);
    programs
        .filter_map(run)
        .next()
        .or_else(|| name.split(|c: char| !c.is_alphanumeric()).rev().find_map(named))
}

impl Product {
    /// Why it cannot keep these tenants apart as they are to be, if so.
    pub(super) fn refusal(&self, tenants: &[Tenant], enforcement: Enforcement) -> Option<Error> {
        let shared =
            |tenant: &&Tenant| tenant.slices.s3.prefix.as_deref().is_some_and(|prefix| !prefix.is_empty());
        let tenant = tenants.iter().find(shared)?;
        (!self.below_bucket && enforcement == Enforcement::Enforced).then(|| Error::Unkept {
            product: self.title,
            slice: tenant.slices.s3.to_string(),
            tenant: tenant.name.to_string(),
        })
    }
}

#[cfg(test)]
mod tests {
    use bulkhead_model::Topology;

    use super::*;

    fn called(says: &[&str], name: &str) -> Option<&'static str> {
        let says: Vec<_> = says.iter().map(|&word| word.to_owned()).collect();
        told(&says, name).map(|product| product.name)
    }

    #[test]
    fn an_image_is_what_it_runs_else_what_it_is_called() {
        assert_eq!(called(&["/usr/bin/minio"], "mine"), Some("minio"));
        assert_eq!(
            called(&["/usr/bin/docker-entrypoint.sh", "minio"], "registry:5000/rustfs"),
            Some("minio")
        );
        assert_eq!(called(&["/entrypoint.sh", "server"], "quay.io/minio/minio"), Some("minio"));
        assert_eq!(called(&[], "bitnami/minio-2025"), Some("minio"));
        assert_eq!(called(&["/entrypoint.sh"], "chrislusf/seaweedfs"), Some("seaweedfs"));
        assert_eq!(called(&["weed", "mini"], "mine"), Some("seaweedfs"));
        assert_eq!(called(&["/garage", "server"], "dxflrs/garage"), Some("garage"));
        assert_eq!(called(&["/entrypoint.sh", "rustfs"], "mine"), Some("rustfs"));
        assert_eq!(called(&["/entrypoint.sh"], "mine"), None);
        // A word, not a part of one.
        assert_eq!(called(&["miniode"], "terminio"), None);
    }

    #[test]
    fn only_prefixes_that_are_to_be_enforced_take_rules_below_a_bucket() {
        static FLAT: Product = Product { below_bucket: false, ..minio::PRODUCT };
        let mut tenants = Topology::builtin().tenants;
        assert!(FLAT.refusal(&tenants, Enforcement::Enforced).is_none());
        tenants[1].slices.s3.prefix = Some(String::from("plane/"));
        let refused = FLAT.refusal(&tenants, Enforcement::Enforced).unwrap();
        assert!(refused.to_string().contains(tenants[1].name.as_str()), "{refused}");
        assert!(refused.hint().unwrap().contains("a bucket of its own"));
        assert!(FLAT.refusal(&tenants, Enforcement::Convention).is_none());
        assert!(minio::PRODUCT.refusal(&tenants, Enforcement::Enforced).is_none());
    }
}
