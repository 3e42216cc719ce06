//! What Backblaze says, or its users have seen, of each probe's call and of what each workload and item takes. Written down
//! by hand, each with its source; where nobody says it, it is not known here.

/// What is known of B2.
#[derive(Clone, Copy, Debug)]
pub(super) enum Known {
    /// A key without this right there is refused as every key that is not entitled.
    Refused { right: &'static str, source: Source },
    /// It is as in the embedded server.
    Same(&'static str, Source),
    /// It is otherwise, in these words.
    Differs(&'static str, Source),
    /// What nobody says.
    Not(&'static str),
}

/// A page that says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Source {
    AppKeys,
    Capabilities,
    Compatible,
    Conditions,
    LargeFiles,
    RateLimits,
    Caps,
}

use Known::{Differs, Not, Refused, Same};
use Source::{AppKeys, Capabilities, Caps, Compatible, Conditions, LargeFiles, RateLimits};

impl Known {
    /// Who says it, if anybody.
    pub(super) const fn source(self) -> Option<Source> {
        match self {
            Refused { source, .. } | Same(_, source) | Differs(_, source) => Some(source),
            Not(_) => None,
        }
    }
}

impl Source {
    /// Its name on the page, and where it is.
    pub(super) const fn told(self) -> (&'static str, &'static str) {
        match self {
            AppKeys => ("app keys", "https://www.backblaze.com/docs/cloud-storage-s3-compatible-app-keys"),
            Capabilities => {
                ("capabilities", "https://www.backblaze.com/docs/cloud-storage-application-key-capabilities")
            }
            Compatible => {
                ("S3-compatible API", "https://www.backblaze.com/docs/cloud-storage-s3-compatible-api")
            }
            // Seen by users in July 2026; another list (taylorfinnell/awscr-s3#162) claims the contrary.
            Conditions => {
                ("seen by users", "https://github.com/sathinduga/obsidian-s3-sync-and-backup/pull/84")
            }
            LargeFiles => (
                "large files",
                "https://backblaze.com/docs/cloud-storage-create-large-files-with-the-native-api",
            ),
            RateLimits => ("rate limits", "https://backblaze.com/docs/cloud-storage-rate-limits"),
            Caps => ("caps", "https://www.backblaze.com/docs/cloud-storage-data-caps-and-alerts"),
        }
    }
}

/// The words of every refusal.
pub(super) const REFUSAL: Known =
    Same("`not entitled`, whether of the bucket, of the prefix or of the right", AppKeys);

const fn takes(right: &'static str) -> Known {
    Refused { right, source: AppKeys }
}

/// Never given on a key that is limited to buckets.
const fn never_limited(right: &'static str) -> Known {
    Refused { right, source: Capabilities }
}

const NO_POLICY: Known = Same("there is no such call", Compatible);
const NO_SOURCE: Known = Not("which right a copy takes on its source");
const NO_BATCH: Known = Not("how a batch is refused");
const NO_SPELLING: Known = Not("which spellings it takes for the same name");
const NO_LISTING: Known = Not("which right this listing takes");
const NO_READ: Known = Not("which right this setting takes");

/// Each probe of S3.
pub(super) const PROBES: &[(&str, Known)] = &[
    ("s3.get-foreign-object", takes("readFiles")),
    ("s3.head-foreign-object", takes("readFiles")),
    ("s3.get-foreign-range", takes("readFiles")),
    ("s3.read-foreign-version", takes("readFiles")),
    ("s3.read-foreign-acl", Not("which right an object's list of rights takes")),
    ("s3.copy-foreign-object", NO_SOURCE),
    ("s3.copy-foreign-version", NO_SOURCE),
    ("s3.copy-foreign-part", NO_SOURCE),
    ("s3.reach-beside-own-slice", takes("readFiles")),
    ("s3.read-by-foreign-link", Not("how a link is refused that was changed after it was signed")),
    ("s3.read-by-other-spelling", NO_SPELLING),
    ("s3.put-foreign-object", takes("writeFiles")),
    ("s3.copy-into-foreign-slice", takes("writeFiles")),
    ("s3.replace-foreign-metadata", takes("writeFiles")),
    ("s3.send-foreign-part", takes("writeFiles")),
    ("s3.copy-into-foreign-upload", takes("writeFiles")),
    ("s3.complete-foreign-upload", takes("writeFiles")),
    ("s3.write-by-foreign-link", Not("how a link is refused that was changed after it was signed")),
    ("s3.write-by-other-spelling", NO_SPELLING),
    ("s3.delete-foreign-object", takes("writeFiles")),
    ("s3.destroy-foreign-version", takes("deleteFiles")),
    ("s3.uncover-foreign-object", takes("deleteFiles")),
    ("s3.delete-in-batch", NO_BATCH),
    ("s3.destroy-in-batch", NO_BATCH),
    ("s3.abort-foreign-upload", takes("writeFiles")),
    ("s3.remove-foreign-bucket", never_limited("deleteBuckets")),
    ("s3.read-bucket-policy", NO_POLICY),
    ("s3.read-bucket-acl", takes("readBuckets")),
    ("s3.read-bucket-cors", NO_READ),
    ("s3.read-bucket-lifecycle", NO_READ),
    ("s3.read-bucket-lock", NO_READ),
    ("s3.read-bucket-versioning", takes("readBuckets")),
    ("s3.read-bucket-encryption", NO_READ),
    ("s3.change-bucket-policy", NO_POLICY),
    ("s3.change-bucket-acl", never_limited("writeBuckets")),
    ("s3.change-bucket-cors", never_limited("writeBuckets")),
    ("s3.change-bucket-lifecycle", never_limited("writeBuckets")),
    ("s3.change-bucket-encryption", never_limited("writeBuckets")),
    ("s3.change-bucket-lock", Not("which right changing this setting takes")),
    ("s3.take-foreign-bucket-name", never_limited("writeBuckets")),
    ("s3.list-foreign-objects", takes("listFiles")),
    ("s3.list-by-the-old-call", takes("listFiles")),
    ("s3.list-without-prefix", takes("listFiles")),
    ("s3.list-by-cut-prefix", takes("listFiles")),
    ("s3.list-folders", takes("listFiles")),
    ("s3.list-foreign-versions", NO_LISTING),
    ("s3.list-foreign-markers", NO_LISTING),
    ("s3.list-foreign-uploads", NO_LISTING),
    ("s3.list-foreign-parts", NO_LISTING),
    ("s3.foreign-object-exists", takes("readFiles")),
    ("s3.foreign-bucket-exists", takes("listBuckets")),
    ("s3.locate-foreign-bucket", takes("readBuckets")),
    ("s3.list-buckets", takes("listBuckets` and `listAllBucketNames")),
    ("s3.begin-foreign-upload", takes("writeFiles")),
    ("s3.pile-up-foreign-markers", takes("writeFiles")),
    ("s3.make-buckets", never_limited("writeBuckets")),
    (
        "s3.share-account",
        Same("caps on storage, downloads and calls are the account's, as are its requests a second", Caps),
    ),
];

/// Each workload on S3.
pub(super) const WORKLOADS: &[(&str, Known)] = &[
    (
        "s3.config",
        Same(
            "users saw a put on a condition answered `NotImplemented` in July 2026; others list it as served",
            Conditions,
        ),
    ),
    (
        "s3.logs",
        Differs(
            "a new account has 500 requests a second each way, and beyond that is answered 503 `SlowDown`",
            RateLimits,
        ),
    ),
    (
        "s3.backups",
        Same("parts of 5 MB to 5 GB, 10 000 at most; what is not completed is paid for", LargeFiles),
    ),
    (
        "s3.assets",
        Differs(
            "2 500 reads a day are free; beyond the cap 403 `AccessDenied: … cap exceeded`, and uploads go on",
            Caps,
        ),
    ),
];

/// Each item of the checklist that is about S3.
pub(super) const ITEMS: &[(&str, Known)] = &[
    ("bucket-created", Same("it takes `readFiles`, `writeFiles` and `listFiles`", AppKeys)),
    ("connections-tested", Same("it takes `readFiles` and `writeFiles`", AppKeys)),
];
