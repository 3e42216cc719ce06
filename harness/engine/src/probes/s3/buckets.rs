//! Probes of buckets as a whole: whether they are there, their settings, their end, their names.
//!
//! What would change a setting is asked with a body that breaks off: the server judges whether it may be asked, and then
//! has nothing to carry out. Policies are MinIO's alone. Leaves out what else B2 has no S3 call for (tags, logging by prefix,
//! switching versions off) and the calls that remove a setting, which need no body and would be carried out.

use bulkhead_model::Class::{self, Administer, Delete, Enumerate, Exhaust};

use super::{
    at::{At, Plant},
    call::{Call, call},
    reply::{Reply, inside},
    request::Request,
};
use crate::probes::Side;

/// The side's bucket.
fn bucket(at: &At<'_>, method: &'static str) -> Request {
    Request::bucket(method, &at.slice().bucket)
}

/// A bucket that is not the probing tenant's: the neighbour's, or where both share one a name that may be somebody's. The
/// control is the own one.
fn other(at: &At<'_>, method: &'static str) -> Request {
    let (own, to) = (at.my_slice(), at.slice());
    if at.side == Side::Own || own.bucket != to.bucket {
        return bucket(at, method);
    }
    Request::bucket(method, &format!("{}-{}", to.bucket, at.pair.to.name))
}

/// How many buckets are listed that are not the probing tenant's; for the control its own.
fn others(at: &At<'_>, reply: &Reply) -> Vec<String> {
    let names = reply.elements("Bucket").flat_map(|bucket| inside(bucket, "Name"));
    let (own, to) = (&at.my_slice().bucket, &at.slice().bucket);
    match at.side {
        Side::Own => names.filter(|name| name == own).map(str::to_owned).collect(),
        Side::Foreign => {
            let others: Vec<_> = names.filter(|name| name != own).collect();
            let shown = |name: &&str| if name == to { to.clone() } else { String::from("another's") };
            others.iter().map(shown).collect()
        }
    }
}

const fn setting(name: &'static str, ask: fn(&At<'_>) -> Request, sentence: &'static str) -> Call {
    call(Administer, name, &[], ask, sentence).by_name()
}

const fn reads(name: &'static str, ask: fn(&At<'_>) -> Request, sentence: &'static str) -> Call {
    setting(name, ask, sentence).needs("readBuckets")
}

const fn writes(name: &'static str, ask: fn(&At<'_>) -> Request, sentence: &'static str) -> Call {
    setting(name, ask, sentence).needs("writeBuckets")
}

const fn whole(
    class: Class,
    name: &'static str,
    ask: fn(&At<'_>) -> Request,
    sentence: &'static str,
) -> Call {
    // What is there keeps the server from carrying it out.
    call(class, name, &[Plant::Object], ask, sentence)
}

pub(super) static EXISTS: Call = call(
    Enumerate,
    "s3.foreign-bucket-exists",
    &[],
    |at| other(at, "HEAD"),
    "Asks whether there is a bucket that is not its own.",
)
.by_name()
.needs("listBuckets");
pub(super) static LOCATION: Call = call(
    Enumerate,
    "s3.locate-foreign-bucket",
    &[],
    |at| other(at, "GET").query("location", ""),
    "Asks where a bucket is that is not its own.",
)
.by_name()
.needs("readBuckets");
pub(super) static LIST: Call = call(
    Enumerate,
    "s3.list-buckets",
    &[],
    |_| Request::account("GET"),
    "Lists the names of all buckets of the account.",
)
.names(others)
.kept_from_all()
.by_name();
pub(super) static READ_ACL: Call = reads(
    "s3.read-bucket-acl",
    |at| bucket(at, "GET").query("acl", ""),
    "Reads whether the neighbour's bucket is public.",
);
pub(super) static READ_CORS: Call = reads(
    "s3.read-bucket-cors",
    |at| bucket(at, "GET").query("cors", ""),
    "Reads which sites may use the neighbour's bucket from a browser.",
);
pub(super) static READ_LIFECYCLE: Call = reads(
    "s3.read-bucket-lifecycle",
    |at| bucket(at, "GET").query("lifecycle", ""),
    "Reads the lifecycle rules of the neighbour's bucket, which in a shared bucket name the tenants' prefixes.",
);
pub(super) static READ_LOCK: Call = reads(
    "s3.read-bucket-lock",
    |at| bucket(at, "GET").query("object-lock", ""),
    "Reads how long the neighbour's bucket keeps objects from deletion.",
);
pub(super) static READ_VERSIONING: Call = reads(
    "s3.read-bucket-versioning",
    |at| bucket(at, "GET").query("versioning", ""),
    "Reads whether the neighbour's bucket keeps versions.",
);
pub(super) static READ_ENCRYPTION: Call = setting(
    "s3.read-bucket-encryption",
    |at| bucket(at, "GET").query("encryption", ""),
    "Reads how the neighbour's bucket is encrypted.",
)
.needs("readBucketEncryption");
pub(super) static READ_POLICY: Call = setting(
    "s3.read-bucket-policy",
    |at| bucket(at, "GET").query("policy", ""),
    "Reads the policy of the neighbour's bucket, which names who may do what in it.",
)
.needs("s3:GetBucketPolicy");
pub(super) static CHANGE_POLICY: Call = setting(
    "s3.change-bucket-policy",
    |at| bucket(at, "PUT").query("policy", "").body("{"),
    "Changes the policy of the neighbour's bucket, which may open it to everybody.",
)
.needs("s3:PutBucketPolicy");
pub(super) static CHANGE_ACL: Call = writes(
    "s3.change-bucket-acl",
    |at| bucket(at, "PUT").query("acl", "").body("<AccessControlPolicy>"),
    "Changes who may read the neighbour's bucket.",
);
pub(super) static CHANGE_CORS: Call = writes(
    "s3.change-bucket-cors",
    |at| bucket(at, "PUT").query("cors", "").body("<CORSConfiguration>"),
    "Changes which sites may use the neighbour's bucket from a browser.",
);
pub(super) static CHANGE_LIFECYCLE: Call = writes(
    "s3.change-bucket-lifecycle",
    |at| bucket(at, "PUT").query("lifecycle", "").body("<LifecycleConfiguration>"),
    "Changes the lifecycle rules of the neighbour's bucket, which delete objects.",
);
pub(super) static CHANGE_ENCRYPTION: Call = writes(
    "s3.change-bucket-encryption",
    |at| bucket(at, "PUT").query("encryption", "").body("<ServerSideEncryptionConfiguration>"),
    "Changes how the neighbour's bucket is encrypted.",
);
pub(super) static CHANGE_LOCK: Call = writes(
    "s3.change-bucket-lock",
    |at| bucket(at, "PUT").query("object-lock", "").body("<ObjectLockConfiguration>"),
    "Changes how long the neighbour's bucket keeps objects from deletion.",
);
pub(super) static TAKE_NAME: Call = whole(
    Administer,
    "s3.take-foreign-bucket-name",
    |at| bucket(at, "PUT"),
    "Makes a bucket with the name of the neighbour's, which is free for anybody once that is gone.",
)
.needs("writeBuckets");
pub(super) static REMOVE: Call =
    whole(Delete, "s3.remove-foreign-bucket", |at| bucket(at, "DELETE"), "Removes the neighbour's bucket.")
        .needs("deleteBuckets");
pub(super) static MAKE: Call = call(
    Exhaust,
    "s3.make-buckets",
    &[],
    |at| {
        let name = format!("bulkhead-{}", at.marker());
        Request::bucket("PUT", &name).body("<CreateBucketConfiguration>")
    },
    "Makes a bucket, of which an account may have a hundred.",
)
.by_name()
.needs("writeBuckets");
