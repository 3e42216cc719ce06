//! What the journal holds: buckets, versions of objects and unfinished uploads, as plain data.
//!
//! Times are milliseconds since the epoch. Bytes are not here: a [`Piece`] names the file that holds them.

use std::collections::BTreeMap;

use s3s::dto::Timestamp;
use serde::{Deserialize, Serialize};

use super::sums::{Algorithm, Sums};

/// One change. A line of the journal is a list of them that holds as a whole or not at all.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Entry {
    /// A bucket was made.
    MakeBucket { bucket: String, at: i64 },
    /// A bucket was removed with all that was in it.
    RemoveBucket { bucket: String },
    /// A version became an object's newest.
    AddVersion { bucket: String, key: String, version: Version },
    /// A version was removed for good.
    RemoveVersion { bucket: String, key: String, id: String },
    /// An upload in parts began.
    StartUpload { bucket: String, key: String, id: String, upload: Upload },
    /// A part arrived, perhaps in place of an earlier one.
    AddPart { bucket: String, key: String, id: String, number: i32, part: Part },
    /// An upload ended: completed when an `AddVersion` stands beside it, else aborted.
    EndUpload { bucket: String, key: String, id: String },
}

/// One version of an object, or a marker that hides the older ones.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Version {
    /// Its id.
    pub id: String,
    /// When it became the newest.
    pub at: i64,
    /// What it holds; none for a delete marker.
    pub content: Option<Content>,
}

/// An object's bytes and what is said about them.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Content {
    /// The number of bytes.
    pub size: u64,
    /// The entity tag without its quotes: an MD5, or `<MD5 of MD5s>-<parts>`.
    pub etag: String,
    /// Where the bytes are, in order. An upload in parts keeps one for each part.
    pub pieces: Vec<Piece>,
    /// The headers it was stored with.
    pub meta: Meta,
    /// The checksums it was stored with.
    pub sums: Sums,
}

/// A file of bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Piece {
    /// The file's name.
    pub blob: String,
    /// Its length.
    pub size: u64,
}

/// The headers that an object keeps.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub(crate) struct Meta {
    pub content_type: Option<String>,
    pub cache_control: Option<String>,
    pub content_disposition: Option<String>,
    pub content_encoding: Option<String>,
    pub content_language: Option<String>,
    pub expires: Option<Timestamp>,
    /// `x-amz-meta-*`, names without that start.
    pub user: BTreeMap<String, String>,
}

/// An upload in parts.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Upload {
    /// When it began.
    pub at: i64,
    /// The headers that the object will have.
    pub meta: Meta,
    /// The checksum that every part carries, and whether the object's is over all bytes instead of over the parts'.
    pub checksum: Option<(Algorithm, bool)>,
}

/// A part that arrived.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Part {
    /// When.
    pub at: i64,
    /// The MD5 of its bytes.
    pub etag: String,
    /// Where its bytes are.
    pub piece: Piece,
    /// Its checksums.
    pub sums: Sums,
}

impl Version {
    /// Whether it hides the object.
    pub(crate) fn is_marker(&self) -> bool {
        self.content.is_none()
    }
}

/// A time as the protocol's types have it.
pub(crate) fn timestamp(at: i64) -> Timestamp {
    let nanoseconds = i128::from(at).saturating_mul(1_000_000);
    time::OffsetDateTime::from_unix_timestamp_nanos(nanoseconds)
        .unwrap_or(time::OffsetDateTime::UNIX_EPOCH)
        .into()
}
