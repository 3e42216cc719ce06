//! Probes of uploads in parts: begun, sent, completed, ended and listed in the neighbour's slice, or fed from it.

use bulkhead_model::Class::{Delete, Enumerate, Exhaust, Read, Write};

use super::{
    at::{At, Plant},
    call::{Call, call},
    listings::keys,
    request::Request,
};

/// The upload that its owner has begun in the side's slice.
fn upload(at: &At<'_>, method: &'static str) -> Request {
    Request::object(method, at.slice(), &at.key()).query("uploadId", &at.id)
}

/// A part of it that nobody has sent yet.
fn part(at: &At<'_>) -> Request {
    Request::object("PUT", at.slice(), &at.key()).query("partNumber", "2").query("uploadId", &at.id)
}

/// What its owner sees of it.
fn parts(at: &At<'_>) -> Request {
    upload(at, "GET")
}

/// What its owner has once it is completed.
fn held(at: &At<'_>) -> Request {
    Request::object("GET", at.slice(), &at.key())
}

fn completion(at: &At<'_>) -> String {
    let part = format!("<Part><PartNumber>1</PartNumber><ETag>{}</ETag></Part>", at.etag);
    let namespace = r#"xmlns="http://s3.amazonaws.com/doc/2006-03-01/""#;
    format!("<CompleteMultipartUpload {namespace}>{part}</CompleteMultipartUpload>")
}

pub(super) static COPY_PART: Call = call(
    Read,
    "s3.copy-foreign-part",
    &[Plant::Object, Plant::MyUpload],
    |at| {
        let into = Request::object("PUT", at.my_slice(), &at.my_key()).query("partNumber", "1");
        into.query("uploadId", &at.my_id).copy_of(at.slice(), &at.key(), None)
    },
    "Copies an object of the neighbour's into a part of an upload of its own.",
)
.by_name();
pub(super) static SEND_PART: Call = call(
    Write,
    "s3.send-foreign-part",
    &[Plant::Upload],
    |at| part(at).body(at.marker()),
    "Sends a part of an upload that the neighbour has begun.",
)
.changes(parts);
pub(super) static COPY_PART_INTO: Call = call(
    Write,
    "s3.copy-into-foreign-upload",
    &[Plant::Mine, Plant::Upload],
    |at| part(at).copy_of(at.my_slice(), &at.my_key(), None),
    "Copies an object of its own into a part of an upload that the neighbour has begun.",
)
.changes(parts);
pub(super) static COMPLETE: Call = call(
    Write,
    "s3.complete-foreign-upload",
    &[Plant::Object, Plant::Upload],
    |at| upload(at, "POST").body(completion(at)),
    "Completes an upload that the neighbour has begun, before all of its parts are there.",
)
.changes(held);
pub(super) static ABORT: Call = call(
    Delete,
    "s3.abort-foreign-upload",
    &[Plant::Upload],
    |at| upload(at, "DELETE"),
    "Ends an upload that the neighbour has begun, whose parts are lost.",
)
.changes(parts);
pub(super) static UPLOADS: Call = call(
    Enumerate,
    "s3.list-foreign-uploads",
    &[Plant::Upload],
    |at| {
        let bucket = Request::bucket("GET", &at.slice().bucket);
        bucket.query("prefix", &at.folder()).query("uploads", "")
    },
    "Lists the uploads that the neighbour has begun.",
)
.names(keys)
// MinIO can keep nobody below a prefix here, so that nobody in a shared bucket may list them.
.kept_from_all()
.by_name();
pub(super) static PARTS: Call = call(
    Enumerate,
    "s3.list-foreign-parts",
    &[Plant::Upload],
    parts,
    "Lists the parts of an upload that the neighbour has begun.",
);
pub(super) static BEGIN: Call = call(
    Exhaust,
    "s3.begin-foreign-upload",
    &[],
    |at| Request::object("POST", at.slice(), &at.key()).query("uploads", ""),
    "Begins an upload in the neighbour's slice, whose parts no listing of objects shows and the owner pays for.",
);
pub(super) static PILE_UP: Call = call(
    Exhaust,
    "s3.pile-up-foreign-markers",
    &[Plant::Hidden],
    |at| Request::object("DELETE", at.slice(), &at.key()),
    "Deletes again what is deleted, which adds a delete marker each time until listings are slow.",
)
.changes(|at| {
    let bucket = Request::bucket("GET", &at.slice().bucket);
    bucket.query("prefix", &at.folder()).query("versions", "")
});
