//! Probes of a neighbour's objects and of their versions: read, written, deleted.
//!
//! Leaves out what B2 has no S3 call for (attributes, tags) and what needs a bucket with object lock (retention, holds).

use bulkhead_model::{
    Class::{Delete, Read, Write},
    S3Slice,
};

use super::{
    at::{At, Plant},
    call::{Call, call},
    request::Request,
};
use crate::probes::Side;

fn object(at: &At<'_>, method: &'static str) -> Request {
    Request::object(method, at.slice(), &at.key())
}

fn version(at: &At<'_>, method: &'static str) -> Request {
    object(at, method).query("versionId", &at.id)
}

/// What the owner holds.
fn held(at: &At<'_>) -> Request {
    object(at, "GET")
}

/// One version of what the owner holds.
fn held_version(at: &At<'_>) -> Request {
    version(at, "GET")
}

/// A batch that deletes one object, or one version of it.
fn batch(at: &At<'_>) -> Request {
    let version = match at.id.as_str() {
        "" => String::new(),
        id => format!("<VersionId>{id}</VersionId>"),
    };
    let object = format!("<Object><Key>{}</Key>{version}</Object>", at.key());
    Request::bucket("POST", &at.slice().bucket)
        .query("delete", "")
        .body(format!(r#"<Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{object}</Delete>"#))
}

/// A copy of the neighbour's object, or of one version of it, into the probing tenant's own slice.
fn copy(at: &At<'_>) -> Request {
    let id = Some(at.id.as_str()).filter(|id| !id.is_empty());
    Request::object("PUT", at.my_slice(), &at.my_key()).copy_of(at.slice(), &at.key(), id)
}

/// A name beside the probing tenant's own slice, which one fence string too short lets in; for the control one inside.
fn beside(at: &At<'_>) -> Request {
    let own = at.granted();
    match (at.side, own.prefix.as_deref()) {
        (Side::Own, _) => object(at, "GET"),
        (Side::Foreign, Some(prefix)) => {
            let beside = format!("{}-{}", prefix.trim_end_matches('/'), at.marker());
            Request::object("GET", own, &beside)
        }
        (Side::Foreign, None) => {
            let bucket = S3Slice { bucket: format!("{}-beside", own.bucket), prefix: None };
            Request::object("GET", &bucket, "bulkhead/beside")
        }
    }
}

pub(super) static GET: Call = call(
    Read,
    "s3.get-foreign-object",
    &[Plant::Object],
    |at| object(at, "GET"),
    "Downloads an object that the neighbour uploaded.",
)
.by_name();
pub(super) static HEAD: Call = call(
    Read,
    "s3.head-foreign-object",
    &[Plant::Object],
    |at| object(at, "HEAD"),
    "Reads the size and the metadata of an object of the neighbour's.",
)
.by_name();
pub(super) static RANGE: Call = call(
    Read,
    "s3.get-foreign-range",
    &[Plant::Object],
    |at| object(at, "GET").header("range", "bytes=0-63"),
    "Downloads some bytes of an object of the neighbour's.",
)
.by_name();
pub(super) static VERSION: Call = call(
    Read,
    "s3.read-foreign-version",
    &[Plant::Versions],
    |at| version(at, "GET"),
    "Downloads an older version of an object of the neighbour's by its id.",
);
pub(super) static ACL: Call = call(
    Read,
    "s3.read-foreign-acl",
    &[Plant::Object],
    |at| object(at, "GET").query("acl", ""),
    "Reads who may read an object of the neighbour's.",
)
.by_name();
pub(super) static COPY: Call = call(
    Read,
    "s3.copy-foreign-object",
    &[Plant::Object],
    copy,
    "Copies an object of the neighbour's into its own slice.",
)
.by_name();
pub(super) static COPY_VERSION: Call = call(
    Read,
    "s3.copy-foreign-version",
    &[Plant::Versions],
    copy,
    "Copies an older version of an object of the neighbour's into its own slice.",
);
pub(super) static BESIDE: Call = call(
    Read,
    "s3.reach-beside-own-slice",
    &[Plant::Object],
    beside,
    "Asks for an object whose name begins like its own slice's, as that of a tenant `tab` does like `ta`'s.",
)
.by_name()
.told();
pub(super) static PUT: Call = call(
    Write,
    "s3.put-foreign-object",
    &[Plant::Object],
    |at| object(at, "PUT").body(at.marker()),
    "Uploads an object into the neighbour's slice.",
)
.changes(held);
pub(super) static COPY_INTO: Call = call(
    Write,
    "s3.copy-into-foreign-slice",
    &[Plant::Object, Plant::Mine],
    |at| object(at, "PUT").copy_of(at.my_slice(), &at.my_key(), None),
    "Copies an object of its own into the neighbour's slice.",
)
.changes(held);
pub(super) static REPLACE_METADATA: Call = call(
    Write,
    "s3.replace-foreign-metadata",
    &[Plant::Object],
    |at| {
        let itself = object(at, "PUT").copy_of(at.slice(), &at.key(), None);
        itself.header("x-amz-metadata-directive", "REPLACE").header("x-amz-meta-canary", at.marker())
    },
    "Copies an object of the neighbour's onto itself with other metadata.",
)
.changes(held);
pub(super) static DELETE: Call = call(
    Delete,
    "s3.delete-foreign-object",
    &[Plant::Object],
    |at| object(at, "DELETE"),
    "Deletes an object that the neighbour uploaded.",
)
.changes(held);
pub(super) static DELETE_VERSION: Call = call(
    Delete,
    "s3.destroy-foreign-version",
    &[Plant::Versions],
    |at| version(at, "DELETE"),
    "Deletes an older version of an object of the neighbour's for good.",
)
.changes(held_version);
pub(super) static DELETE_MARKER: Call = call(
    Delete,
    "s3.uncover-foreign-object",
    &[Plant::Hidden],
    |at| version(at, "DELETE"),
    "Deletes a delete marker of the neighbour's, which brings back what was deleted.",
)
.changes(held);
pub(super) static DELETE_BATCH: Call = call(
    Delete,
    "s3.delete-in-batch",
    &[Plant::Object],
    batch,
    "Deletes an object of the neighbour's in a batch.",
)
.changes(held);
pub(super) static DESTROY_BATCH: Call = call(
    Delete,
    "s3.destroy-in-batch",
    &[Plant::Versions],
    batch,
    "Deletes an older version of an object of the neighbour's for good in a batch.",
)
.changes(held_version);
