//! Probes of a neighbour's bucket, or of its path prefix in a bucket that both use. Most are rows of tables:
//! `objects`, `uploads`, `listings`, `buckets`.
//!
//! Each plants what it asks for in a folder of its own, so that a right on that folder alone shows which probe sees it.

use super::Probe;

mod at;
mod buckets;
mod call;
pub(crate) mod ground;
mod links;
mod listings;
mod objects;
mod oracles;
mod reply;
pub(crate) mod request;
mod uploads;

pub(crate) use ground::Ground;

const FORM_FIRST: &str = "it refuses the form of the request before it asks for the right to it";
const NO_SPELLING: &str = "it refuses such a spelling outright";
const NO_ACL: &str = "it refuses an object's list of rights to its owner, too";

/// Probes that a server does not answer so that one could tell.
struct Untold {
    /// How it is named, and how people write it.
    server: [&'static str; 2],
    /// Which, and why.
    probes: &'static [(&'static str, &'static str)],
    /// Which besides, where tenants share a bucket.
    shared: &'static [(&'static str, &'static str)],
}

const NO_VERSIONS: &str = "it keeps no versions";
const NO_OWNER: &str = "its listings name no owner";
const NO_SMALL_PART: &str = "it copies no part of less than 5 MiB";
const NO_POLICY: &str = "it has no S3 call for a bucket's policy";

const UNTOLD: [Untold; 4] = [
    Untold {
        server: ["minio", "MinIO"],
        probes: &[
            ("s3.change-bucket-lifecycle", FORM_FIRST),
            ("s3.list-foreign-uploads", "it shows no unfinished upload by its folder"),
            ("s3.make-buckets", FORM_FIRST),
            ("s3.pile-up-foreign-markers", "it adds no delete marker to what is hidden already"),
            ("s3.read-by-other-spelling", NO_SPELLING),
            ("s3.read-foreign-acl", NO_ACL),
            ("s3.write-by-other-spelling", NO_SPELLING),
        ],
        shared: &[],
    },
    Untold {
        server: ["rustfs", "RustFS"],
        probes: &[
            ("s3.change-bucket-acl", FORM_FIRST),
            ("s3.change-bucket-cors", FORM_FIRST),
            ("s3.change-bucket-encryption", FORM_FIRST),
            ("s3.change-bucket-lifecycle", FORM_FIRST),
            ("s3.change-bucket-lock", FORM_FIRST),
            ("s3.make-buckets", FORM_FIRST),
            ("s3.read-foreign-acl", NO_ACL),
            ("s3.share-account", NO_OWNER),
        ],
        shared: &[],
    },
    Untold {
        server: ["seaweedfs", "SeaweedFS"],
        probes: &[
            ("s3.read-by-other-spelling", NO_SPELLING),
            ("s3.read-foreign-acl", NO_ACL),
            ("s3.write-by-other-spelling", NO_SPELLING),
        ],
        shared: &[("s3.list-buckets", "it shows a bucket to nobody who may list but a part of it")],
    },
    Untold {
        server: ["garage", "Garage"],
        probes: &[
            ("s3.change-bucket-policy", NO_POLICY),
            ("s3.copy-foreign-part", NO_SMALL_PART),
            ("s3.copy-foreign-version", NO_VERSIONS),
            ("s3.copy-into-foreign-upload", NO_SMALL_PART),
            ("s3.make-buckets", FORM_FIRST),
            ("s3.pile-up-foreign-markers", NO_VERSIONS),
            ("s3.read-bucket-policy", NO_POLICY),
            ("s3.read-foreign-acl", NO_ACL),
            ("s3.share-account", NO_OWNER),
            ("s3.uncover-foreign-object", NO_VERSIONS),
        ],
        shared: &[],
    },
];

/// Servers that have bucket policies.
const WITH_POLICIES: [&str; 3] = ["minio", "rustfs", "seaweedfs"];

/// Probes of what Backblaze B2 has no S3 call for, which the embedded S3 does not have either.
const UNTOLD_BY_B2: [&str; 2] = ["s3.read-bucket-policy", "s3.change-bucket-policy"];

/// Why this server's answers to a probe tell nothing, where tenants share a bucket or not.
pub(super) fn untold(probe: &str, server: &str, shared: bool) -> Option<String> {
    if let Some(known) = UNTOLD.iter().find(|known| server.starts_with(known.server[0])) {
        let mut probes = known.probes.iter().chain(known.shared.iter().filter(|_| shared));
        let (_, why) = probes.find(|(name, _)| *name == probe)?;
        return Some(format!("{}'s answer tells nothing: {why}", known.server[1]));
    }
    let without = !WITH_POLICIES.iter().any(|name| server.starts_with(name));
    (without && UNTOLD_BY_B2.contains(&probe)).then(|| {
        String::from(
            "Backblaze B2 has no S3 call for a bucket's policy, and the embedded S3 none either; MinIO has",
        )
    })
}

/// All of them, in the order of the matrix.
pub const ALL: &[&dyn Probe] = &[
    &objects::GET,
    &objects::HEAD,
    &objects::RANGE,
    &objects::VERSION,
    &objects::ACL,
    &objects::COPY,
    &objects::COPY_VERSION,
    &uploads::COPY_PART,
    &objects::BESIDE,
    &links::READ_BY_LINK,
    &links::READ_BY_SPELLING,
    &objects::PUT,
    &objects::COPY_INTO,
    &objects::REPLACE_METADATA,
    &uploads::SEND_PART,
    &uploads::COPY_PART_INTO,
    &uploads::COMPLETE,
    &links::WRITE_BY_LINK,
    &links::WRITE_BY_SPELLING,
    &objects::DELETE,
    &objects::DELETE_VERSION,
    &objects::DELETE_MARKER,
    &objects::DELETE_BATCH,
    &objects::DESTROY_BATCH,
    &uploads::ABORT,
    &buckets::REMOVE,
    &buckets::READ_POLICY,
    &buckets::READ_ACL,
    &buckets::READ_CORS,
    &buckets::READ_LIFECYCLE,
    &buckets::READ_LOCK,
    &buckets::READ_VERSIONING,
    &buckets::READ_ENCRYPTION,
    &buckets::CHANGE_POLICY,
    &buckets::CHANGE_ACL,
    &buckets::CHANGE_CORS,
    &buckets::CHANGE_LIFECYCLE,
    &buckets::CHANGE_ENCRYPTION,
    &buckets::CHANGE_LOCK,
    &buckets::TAKE_NAME,
    &listings::OBJECTS,
    &listings::OBJECTS_V1,
    &listings::WHOLE_BUCKET,
    &listings::CUT_PREFIX,
    &listings::TENANTS,
    &listings::VERSIONS,
    &listings::MARKERS,
    &uploads::UPLOADS,
    &uploads::PARTS,
    &oracles::ForeignObjectExists,
    &buckets::EXISTS,
    &buckets::LOCATION,
    &buckets::LIST,
    &uploads::BEGIN,
    &uploads::PILE_UP,
    &buckets::MAKE,
    &oracles::ShareAccount,
];

#[cfg(test)]
mod tests {
    use super::{ALL, UNTOLD, UNTOLD_BY_B2, untold};

    #[test]
    fn only_other_servers_leave_probes_out_and_only_those_that_there_are() {
        for known in UNTOLD {
            let server = format!("{} 1", known.server[0]);
            for (probes, shared) in [(known.probes, false), (known.shared, true)] {
                for (name, _) in probes {
                    assert!(ALL.iter().any(|probe| probe.about().name == *name), "{name}");
                    assert!(untold(name, &server, shared).is_some(), "{name}");
                    let embedded = untold(name, "embedded 0.1.0", shared).is_some();
                    assert_eq!(embedded, UNTOLD_BY_B2.contains(name), "{name}");
                    assert_eq!(untold(name, &server, false).is_some(), !shared, "{name}");
                }
            }
            assert_eq!(untold("s3.get-foreign-object", &server, true), None);
        }
    }
}
