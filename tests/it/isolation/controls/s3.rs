//! Over-grants in S3: B2 capabilities that are added to the probing tenant's key, most of them in the one folder of the
//! neighbour's slice that the probe is about.

use bulkhead_target::TenantAccess;

use super::super::{Control, Grant, Rig, Separate, Shared};

/// Adds a grant of these capabilities below a prefix of the neighbour's bucket to the probing tenant's key.
async fn widen(rig: &mut Rig, from: &TenantAccess, to: &TenantAccess, prefix: &str, capabilities: &[&str]) {
    let grant = serde_json::json!({
        "buckets": [to.tenant.slices.s3.bucket], "prefix": prefix, "capabilities": capabilities,
    });
    add(rig, from, &grant).await;
}

/// Adds a grant to the probing tenant's key.
async fn add(rig: &mut Rig, from: &TenantAccess, grant: &serde_json::Value) {
    let key = &from.connections.s3.access_key_id;
    rig.administer(&serde_json::json!({ "key": key, "grant": grant }).to_string()).await;
}

const fn control(
    probe: &'static str,
    grant: &'static str,
    also: &'static [&'static str],
    apply: Grant,
) -> Control {
    Control { probe, grant, also, sharing: &[Separate, Shared], apply, undo: None }
}

/// The probe and the capabilities in its folder that open it, and nothing else.
macro_rules! in_folder {
    ($probe:literal, $($capability:literal),+) => {
        control(
            concat!("s3.", $probe),
            concat!($($capability, " ",)+ "below b/bulkhead/", $probe, "/"),
            &[],
            |rig, from, to| {
                let folder = to.tenant.slices.s3.key(concat!("bulkhead/", $probe, "/"));
                Box::pin(async move { widen(rig, from, to, &folder, &[$($capability),+]).await })
            },
        )
    };
}

/// The probe and the capability on the neighbour's bucket that opens it.
macro_rules! on_bucket {
    ($probe:literal, $capability:literal, $also:expr) => {
        control($probe, concat!($capability, " on b's bucket"), $also, |rig, from, to| {
            Box::pin(widen(rig, from, to, "", &[$capability]))
        })
    };
}

/// The probe and the capabilities on all buckets of the account that open it.
macro_rules! everywhere {
    ($probe:literal, $($capability:literal),+ ; $also:expr) => {
        control($probe, concat!($($capability, " ",)+ "on all buckets"), $also, |rig, from, _| {
            let grant = serde_json::json!({
                "buckets": null, "prefix": "", "capabilities": [$($capability),+],
            });
            Box::pin(async move { add(rig, from, &grant).await })
        })
    };
}

/// All that reads settings of a bucket: B2 has one right for it.
const READS: &[&str] = &[
    "s3.read-bucket-acl",
    "s3.read-bucket-cors",
    "s3.read-bucket-lifecycle",
    "s3.read-bucket-lock",
    "s3.read-bucket-versioning",
    "s3.locate-foreign-bucket",
];

/// All that changes settings of a bucket, or makes one: B2 has one right for it.
const WRITES: &[&str] = &[
    "s3.change-bucket-acl",
    "s3.change-bucket-cors",
    "s3.change-bucket-lifecycle",
    "s3.change-bucket-encryption",
    "s3.change-bucket-lock",
    "s3.take-foreign-bucket-name",
    "s3.make-buckets",
];

/// All that lists objects, versions and markers.
const LISTINGS: &[&str] = &[
    "s3.list-foreign-objects",
    "s3.list-by-the-old-call",
    "s3.list-by-cut-prefix",
    "s3.list-foreign-versions",
    "s3.list-foreign-markers",
    "s3.list-foreign-uploads",
];

/// The same, with what lists all of a bucket.
const ALL_LISTINGS: &[&str] = &[
    "s3.list-foreign-objects",
    "s3.list-by-the-old-call",
    "s3.list-without-prefix",
    "s3.list-by-cut-prefix",
    "s3.list-folders",
    "s3.list-foreign-versions",
    "s3.list-foreign-markers",
    "s3.list-foreign-uploads",
];

/// Lets the key list all of the neighbour's bucket.
const fn lists_all(probe: &'static str) -> Control {
    control(probe, "listFiles on all of b's bucket", ALL_LISTINGS, |rig, from, to| {
        Box::pin(widen(rig, from, to, "", &["listFiles"]))
    })
}

pub(super) const CONTROLS: &[Control] = &[
    in_folder!("get-foreign-object", "readFiles"),
    in_folder!("head-foreign-object", "readFiles"),
    in_folder!("get-foreign-range", "readFiles"),
    in_folder!("read-foreign-version", "readFiles"),
    in_folder!("read-foreign-acl", "readFiles"),
    in_folder!("copy-foreign-object", "readFiles"),
    in_folder!("copy-foreign-version", "readFiles"),
    in_folder!("copy-foreign-part", "readFiles"),
    // A prefix without its slash: the key of a tenant `ta` that reaches `tab/` as well.
    control(
        "s3.reach-beside-own-slice",
        "readFiles on all that begins like a's slice",
        &[],
        |rig, from, _| {
            let slice = &from.tenant.slices.s3;
            let (bucket, prefix) = match slice.prefix.as_deref() {
                Some(prefix) => (slice.bucket.clone(), prefix.trim_end_matches('/')),
                None => (format!("{}-beside", slice.bucket), ""),
            };
            let grant = serde_json::json!({
                "buckets": [bucket], "prefix": prefix, "capabilities": ["readFiles"],
            });
            Box::pin(async move { add(rig, from, &grant).await })
        },
    ),
    in_folder!("read-by-foreign-link", "readFiles"),
    in_folder!("read-by-other-spelling", "readFiles"),
    in_folder!("put-foreign-object", "writeFiles"),
    in_folder!("copy-into-foreign-slice", "writeFiles"),
    in_folder!("replace-foreign-metadata", "readFiles", "writeFiles"),
    in_folder!("send-foreign-part", "writeFiles"),
    in_folder!("copy-into-foreign-upload", "writeFiles"),
    in_folder!("complete-foreign-upload", "writeFiles"),
    in_folder!("write-by-foreign-link", "writeFiles"),
    in_folder!("write-by-other-spelling", "writeFiles"),
    in_folder!("delete-foreign-object", "writeFiles"),
    in_folder!("destroy-foreign-version", "deleteFiles"),
    in_folder!("uncover-foreign-object", "deleteFiles"),
    in_folder!("delete-in-batch", "writeFiles"),
    in_folder!("destroy-in-batch", "deleteFiles"),
    in_folder!("abort-foreign-upload", "writeFiles"),
    everywhere!("s3.remove-foreign-bucket", "deleteBuckets"; &[]),
    everywhere!("s3.read-bucket-acl", "readBuckets"; READS),
    everywhere!("s3.read-bucket-cors", "readBuckets"; READS),
    everywhere!("s3.read-bucket-lifecycle", "readBuckets"; READS),
    everywhere!("s3.read-bucket-lock", "readBuckets"; READS),
    everywhere!("s3.read-bucket-versioning", "readBuckets"; READS),
    on_bucket!("s3.read-bucket-encryption", "readBucketEncryption", &[]),
    everywhere!("s3.change-bucket-acl", "writeBuckets"; WRITES),
    everywhere!("s3.change-bucket-cors", "writeBuckets"; WRITES),
    everywhere!("s3.change-bucket-lifecycle", "writeBuckets"; WRITES),
    everywhere!("s3.change-bucket-encryption", "writeBuckets"; WRITES),
    everywhere!("s3.change-bucket-lock", "writeBuckets"; WRITES),
    everywhere!("s3.take-foreign-bucket-name", "writeBuckets"; WRITES),
    in_folder!("list-foreign-objects", "listFiles"),
    in_folder!("list-by-the-old-call", "listFiles"),
    lists_all("s3.list-without-prefix"),
    control(
        "s3.list-by-cut-prefix",
        "listFiles on b's prefix without its slash",
        LISTINGS,
        |rig, from, to| {
            let slice = &to.tenant.slices.s3;
            let prefix = slice.prefix.as_deref().unwrap_or("bulkhead/").trim_end_matches('/').to_owned();
            Box::pin(async move { widen(rig, from, to, &prefix, &["listFiles"]).await })
        },
    ),
    lists_all("s3.list-folders"),
    in_folder!("list-foreign-versions", "listFiles"),
    in_folder!("list-foreign-markers", "listFiles"),
    in_folder!("list-foreign-uploads", "listFiles"),
    in_folder!("list-foreign-parts", "writeFiles"),
    // The right to be told that an object is missing, and not the right to one that is there.
    control("s3.foreign-object-exists", "readFiles of what is missing", &[], |rig, from, to| {
        let missing = to.tenant.slices.s3.key("bulkhead/foreign-object-exists/missing");
        Box::pin(async move { widen(rig, from, to, &missing, &["readFiles"]).await })
    }),
    everywhere!("s3.foreign-bucket-exists", "listBuckets"; &[]),
    everywhere!("s3.locate-foreign-bucket", "readBuckets"; READS),
    everywhere!("s3.list-buckets", "listBuckets", "listAllBucketNames"; &["s3.foreign-bucket-exists"]),
    in_folder!("begin-foreign-upload", "writeFiles"),
    in_folder!("pile-up-foreign-markers", "writeFiles"),
    everywhere!("s3.make-buckets", "writeBuckets"; WRITES),
];
