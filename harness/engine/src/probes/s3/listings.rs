//! Probes that list names: of objects, versions, markers, uploads, tenants.

use bulkhead_model::Class::Enumerate;

use super::{
    at::{At, Plant},
    call::{Call, call},
    reply::{Reply, inside},
    request::Request,
};
use crate::probes::Side;

/// A listing of the side's bucket.
fn list(at: &At<'_>) -> Request {
    Request::bucket("GET", &at.slice().bucket)
}

/// A listing of what this probe planted there.
fn below(at: &At<'_>) -> Request {
    list(at).query("prefix", &at.folder())
}

/// A listing as wide as it goes: below the bucket's root, or for the control below what is the probing tenant's own.
fn widest(at: &At<'_>) -> Request {
    match at.side {
        Side::Own => list(at).query("prefix", &at.slice().key("")),
        Side::Foreign => list(at),
    }
}

/// The side's prefix without its last slash, which is the start of other names as well.
fn cut(at: &At<'_>) -> String {
    let folder = at.folder();
    match at.side {
        Side::Own => folder,
        Side::Foreign => {
            let prefix = at.slice().prefix.clone().unwrap_or(folder);
            prefix.trim_end_matches('/').to_owned()
        }
    }
}

/// Those of the texts that are names of the side's.
fn ours<'a>(at: &At<'_>, texts: impl Iterator<Item = &'a str>) -> Vec<String> {
    let prefix = at.slice().key("");
    texts.filter(|text| text.starts_with(&prefix)).map(str::to_owned).collect()
}

/// Keys of objects, versions, markers or uploads.
pub(super) fn keys(at: &At<'_>, reply: &Reply) -> Vec<String> {
    ours(at, reply.elements("Key"))
}

/// Keys behind delete markers.
fn markers(at: &At<'_>, reply: &Reply) -> Vec<String> {
    ours(at, reply.elements("DeleteMarker").flat_map(|marker| inside(marker, "Key")))
}

/// Common prefixes.
fn folders(at: &At<'_>, reply: &Reply) -> Vec<String> {
    ours(at, reply.elements("CommonPrefixes").flat_map(|folder| inside(folder, "Prefix")))
}

pub(super) static OBJECTS: Call = call(
    Enumerate,
    "s3.list-foreign-objects",
    &[Plant::Named],
    |at| below(at).query("list-type", "2"),
    "Lists the names of the neighbour's objects.",
)
.names(keys)
.by_name();
pub(super) static OBJECTS_V1: Call = call(
    Enumerate,
    "s3.list-by-the-old-call",
    &[Plant::Named],
    below,
    "Lists the names of the neighbour's objects by the call's first version.",
)
.names(keys)
.by_name();
pub(super) static WHOLE_BUCKET: Call = call(
    Enumerate,
    "s3.list-without-prefix",
    &[Plant::Named],
    |at| widest(at).query("list-type", "2"),
    "Lists all of the neighbour's bucket, with no prefix given.",
)
.names(keys)
.by_name();
pub(super) static CUT_PREFIX: Call = call(
    Enumerate,
    "s3.list-by-cut-prefix",
    &[Plant::Named],
    |at| list(at).query("list-type", "2").query("prefix", &cut(at)),
    "Lists by the neighbour's prefix without its last slash.",
)
.names(keys)
.by_name();
pub(super) static TENANTS: Call = call(
    Enumerate,
    "s3.list-folders",
    &[Plant::Named],
    |at| widest(at).query("list-type", "2").query("delimiter", "/"),
    "Lists the folders at the root of the neighbour's bucket, which in a shared bucket are the tenants' names.",
)
.names(folders)
.by_name();
pub(super) static VERSIONS: Call = call(
    Enumerate,
    "s3.list-foreign-versions",
    &[Plant::Versions],
    |at| below(at).query("versions", ""),
    "Lists the versions of the neighbour's objects.",
)
.names(keys)
.by_name();
pub(super) static MARKERS: Call = call(
    Enumerate,
    "s3.list-foreign-markers",
    &[Plant::Hidden],
    |at| below(at).query("versions", ""),
    "Lists which objects the neighbour has deleted.",
)
.names(markers)
.by_name();
