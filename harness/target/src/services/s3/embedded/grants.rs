//! What a key may do: Backblaze B2's application keys, limited to buckets, a name prefix and capabilities.
//!
//! [`allowed`] is the whole of authorisation: a pure function of the grants and of what a request is about. Operations
//! that it does not list are refused. Whether a key exists and a signature holds is decided elsewhere.

use serde::{Deserialize, Serialize};

/// A right that a key carries, under B2's name for it. Capabilities that no S3 call asks for are left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Capability {
    /// See a bucket.
    ListBuckets,
    /// See the names of all buckets, with [`Capability::ListBuckets`].
    ListAllBucketNames,
    /// Read a bucket's settings.
    ReadBuckets,
    /// Make buckets and change their settings.
    WriteBuckets,
    /// Remove buckets.
    DeleteBuckets,
    /// Read a bucket's default encryption.
    ReadBucketEncryption,
    /// List objects, versions and unfinished uploads.
    ListFiles,
    /// Read objects.
    ReadFiles,
    /// Hand out download links (B2's own API; the S3 calls need [`Capability::ReadFiles`]).
    ShareFiles,
    /// Write objects, and hide them by a delete without a version.
    WriteFiles,
    /// Remove versions for good.
    DeleteFiles,
}

/// What a key may do, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyGrant {
    /// The buckets it is limited to; none means every bucket.
    pub buckets: Option<Vec<String>>,
    /// What every object's key must start with. Empty means any.
    pub prefix: String,
    /// What it may do there.
    pub capabilities: Vec<Capability>,
}

/// What a request is about, as far as authorisation asks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request<'a> {
    /// The S3 operation: `GetObject`.
    pub operation: &'a str,
    /// The bucket in the path.
    pub bucket: Option<&'a str>,
    /// The object's key in the path.
    pub key: Option<&'a str>,
    /// The prefix that a listing asks for.
    pub prefix: &'a str,
    /// Whether it names one version.
    pub version: bool,
    /// Bucket and key of a copy's source.
    pub source: Option<(&'a str, &'a str)>,
}

/// The answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Go on.
    Allowed,
    /// B2's `403 AccessDenied: not entitled`, whatever the reason.
    NotEntitled,
}

/// What an operation touches, and so what a grant must cover.
enum Scope {
    /// All buckets: both capabilities, on whichever key.
    Everywhere([Capability; 2]),
    /// Making, changing or removing buckets: never on a key that is limited to some.
    Manage(Capability),
    /// A bucket as a whole.
    Bucket(Capability),
    /// A listing, which must stay below the key's prefix.
    Listing(Capability),
    /// One object.
    Object(Capability),
    /// One object that is written from another.
    Copy,
    /// Several objects named in the body, each asked about by itself as a `DeleteObject`.
    Batch,
}

/// Whether the holder of a key with these grants may do what `request` asks. A key is made with one grant, and what it
/// was given on top adds to that.
pub(crate) fn allowed(grants: &[KeyGrant], request: &Request<'_>) -> Decision {
    let object = |capability, bucket, key| {
        grants.iter().any(|grant| grant.has(capability) && grant.covers(bucket, key))
    };
    let bucket =
        |capability| grants.iter().any(|grant| grant.has(capability) && grant.covers_bucket(request.bucket));
    let covered = scope(request).is_some_and(|scope| match scope {
        Scope::Everywhere(both) => grants.iter().any(|grant| both.iter().all(|one| grant.has(*one))),
        Scope::Manage(capability) => {
            grants.iter().any(|grant| grant.has(capability) && grant.buckets.is_none())
        }
        Scope::Bucket(capability) => bucket(capability),
        Scope::Listing(capability) => grants.iter().any(|grant| {
            grant.has(capability)
                && grant.covers_bucket(request.bucket)
                && request.prefix.starts_with(&grant.prefix)
        }),
        Scope::Object(capability) => object(capability, request.bucket, request.key),
        Scope::Copy => {
            let (source, name) = request.source.unzip();
            object(Capability::WriteFiles, request.bucket, request.key)
                && object(Capability::ReadFiles, source, name)
        }
        Scope::Batch => bucket(Capability::WriteFiles) || bucket(Capability::DeleteFiles),
    });
    if covered { Decision::Allowed } else { Decision::NotEntitled }
}

impl KeyGrant {
    fn has(&self, capability: Capability) -> bool {
        self.capabilities.contains(&capability)
    }

    fn covers_bucket(&self, bucket: Option<&str>) -> bool {
        bucket
            .is_some_and(|bucket| self.buckets.as_ref().is_none_or(|own| own.iter().any(|own| own == bucket)))
    }

    fn covers(&self, bucket: Option<&str>, key: Option<&str>) -> bool {
        self.covers_bucket(bucket) && key.is_some_and(|key| key.starts_with(&self.prefix))
    }
}

/// The operations that exist at all; the rest is refused.
fn scope(request: &Request<'_>) -> Option<Scope> {
    use Capability as Has;
    Some(match request.operation {
        "ListBuckets" => Scope::Everywhere([Has::ListBuckets, Has::ListAllBucketNames]),
        "CreateBucket" => Scope::Manage(Has::WriteBuckets),
        "DeleteBucket" => Scope::Manage(Has::DeleteBuckets),
        "HeadBucket" => Scope::Bucket(Has::ListBuckets),
        "GetBucketEncryption" => Scope::Bucket(Has::ReadBucketEncryption),
        "ListObjects" | "ListObjectsV2" | "ListObjectVersions" | "ListMultipartUploads" => {
            Scope::Listing(Has::ListFiles)
        }
        "GetObject"
        | "HeadObject"
        | "GetObjectAcl"
        | "GetObjectAttributes"
        | "GetObjectLegalHold"
        | "GetObjectRetention"
        | "GetObjectTagging"
        | "GetObjectTorrent"
        | "SelectObjectContent" => Scope::Object(Has::ReadFiles),
        "PutObject"
        | "CreateMultipartUpload"
        | "UploadPart"
        | "CompleteMultipartUpload"
        | "AbortMultipartUpload"
        | "ListParts"
        | "PutObjectAcl"
        | "PutObjectLegalHold"
        | "PutObjectRetention"
        | "PutObjectTagging"
        | "DeleteObjectTagging"
        | "RestoreObject" => Scope::Object(Has::WriteFiles),
        "CopyObject" | "UploadPartCopy" => Scope::Copy,
        "DeleteObject" if request.version => Scope::Object(Has::DeleteFiles),
        "DeleteObject" => Scope::Object(Has::WriteFiles),
        "DeleteObjects" => Scope::Batch,
        "GetBucketAccelerateConfiguration"
        | "GetBucketAcl"
        | "GetBucketCors"
        | "GetBucketLifecycleConfiguration"
        | "GetBucketLocation"
        | "GetBucketLogging"
        | "GetBucketNotificationConfiguration"
        | "GetBucketOwnershipControls"
        | "GetBucketPolicy"
        | "GetBucketPolicyStatus"
        | "GetBucketReplication"
        | "GetBucketRequestPayment"
        | "GetBucketTagging"
        | "GetBucketVersioning"
        | "GetBucketWebsite"
        | "GetObjectLockConfiguration"
        | "GetPublicAccessBlock" => Scope::Bucket(Has::ReadBuckets),
        "DeleteBucketCors"
        | "DeleteBucketEncryption"
        | "DeleteBucketLifecycle"
        | "DeleteBucketOwnershipControls"
        | "DeleteBucketPolicy"
        | "DeleteBucketReplication"
        | "DeleteBucketTagging"
        | "DeleteBucketWebsite"
        | "DeletePublicAccessBlock"
        | "PutBucketAccelerateConfiguration"
        | "PutBucketAcl"
        | "PutBucketCors"
        | "PutBucketEncryption"
        | "PutBucketLifecycleConfiguration"
        | "PutBucketLogging"
        | "PutBucketNotificationConfiguration"
        | "PutBucketOwnershipControls"
        | "PutBucketPolicy"
        | "PutBucketReplication"
        | "PutBucketRequestPayment"
        | "PutBucketTagging"
        | "PutBucketVersioning"
        | "PutBucketWebsite"
        | "PutObjectLockConfiguration"
        | "PutPublicAccessBlock" => Scope::Manage(Has::WriteBuckets),
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
