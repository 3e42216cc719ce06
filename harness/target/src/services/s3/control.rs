//! What the keeper and the embedded server say to each other: JSON lines over the child's standard input and output.
//!
//! The first line in is a [`Start`], the first line out a [`Hello`]; after that every [`Asked`] gets one [`Answered`]
//! of the same number. The end of the input ends the server. Secrets cross here and nowhere else.

use std::path::PathBuf;

use bulkhead_model::{Secret, secret};
use serde::{Deserialize, Serialize};

use super::embedded::KeyGrant;
use crate::ServiceFault;

/// How one embedded server is to run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Start {
    /// Where it keeps everything: a folder of its own, kept across restarts.
    pub data: PathBuf,
    /// Its certificate, PEM.
    pub cert: PathBuf,
    /// Its certificate's key, PEM.
    pub key: PathBuf,
    /// The port to listen on; 0 lets the kernel pick.
    pub port: u16,
    /// How it answers.
    pub options: Options,
}

/// What can be set about the way the embedded server answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Options {
    /// Whose ways it has.
    pub profile: Profile,
    /// The only region that a signature may name; none accepts any.
    pub region: Option<String>,
    /// The smallest size of every part but the last, in bytes.
    pub min_part_size: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { profile: Profile::B2, region: None, min_part_size: 5 * 1024 * 1024 }
    }
}

/// Whose ways the embedded server has where S3 services differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// Backblaze B2: a conditional write is not implemented.
    #[default]
    B2,
    /// Amazon S3: conditional writes work.
    S3,
}

/// The server's first line.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Hello {
    /// The port it listens on.
    pub port: u16,
}

/// A numbered request, so that an answer which comes after its asker gave up is not taken for the next one's.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Asked {
    /// Counts up.
    pub number: u64,
    /// The request.
    pub command: Command,
}

/// The answer to the request of that number.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Answered {
    /// The request's.
    pub number: u64,
    /// The answer.
    pub reply: Reply,
}

/// A request to the running server.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Command {
    /// Makes the buckets that are not there yet, then adds the keys. All or nothing.
    Provision {
        /// Buckets, each once.
        buckets: Vec<String>,
        /// Keys.
        keys: Vec<Key>,
    },
    /// Adds to what a key may do. No slice is made like this: it is how a server is set up wrong on purpose.
    Widen(Widening),
    /// Begins a fault for whoever signs with a key of the slice, or undoes it.
    Fault {
        /// Whose.
        slice: Slice,
        /// Which.
        fault: ServiceFault,
        /// Whether it begins.
        begins: bool,
    },
    /// Removes these slices: their keys, their objects, and each bucket that no key can reach any more.
    Remove {
        /// The slices.
        slices: Vec<Slice>,
    },
}

/// One key, with its secret.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Key {
    /// Its id: what S3 clients call the access key.
    pub id: String,
    /// Its secret.
    #[serde(with = "secret::exposed")]
    pub secret: Secret,
    /// What it may do: the one grant that it was made with, then what it was given on top.
    pub grants: Vec<KeyGrant>,
    /// The slice that it was made for, and goes with.
    pub slice: Slice,
    /// Whether it is worth nothing for the time being.
    #[serde(default)]
    pub revoked: bool,
}

/// More for a key that there is: the only statement that the server's administrator can make.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Widening {
    /// The key's id.
    pub key: String,
    /// What it may do besides, and where.
    pub grant: KeyGrant,
}

/// A bucket, or the keys below a prefix in a bucket that others share.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Slice {
    /// The bucket.
    pub bucket: String,
    /// The prefix; empty means the whole bucket.
    pub prefix: String,
}

/// The server's answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Reply {
    /// It is done.
    Done,
    /// A fault is undone that touched so many requests.
    Touched(u64),
    /// It is not, and nothing was changed; why.
    Refused(String),
}
