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

/// Probes that MinIO does not answer so that one could tell, and why.
const UNTOLD_BY_MINIO: [(&str, &str); 7] = [
    ("s3.change-bucket-lifecycle", FORM_FIRST),
    ("s3.list-foreign-uploads", "it shows no unfinished upload by its folder"),
    ("s3.make-buckets", FORM_FIRST),
    ("s3.pile-up-foreign-markers", "it adds no delete marker to what is hidden already"),
    ("s3.read-by-other-spelling", NO_SPELLING),
    ("s3.read-foreign-acl", "it refuses an object's list of rights to its owner, too"),
    ("s3.write-by-other-spelling", NO_SPELLING),
];

/// Probes of what Backblaze B2 has no S3 call for, which the embedded S3 does not have either.
const UNTOLD_BY_B2: [&str; 2] = ["s3.read-bucket-policy", "s3.change-bucket-policy"];

/// Why this server's answers to a probe tell nothing.
pub(super) fn untold(probe: &str, server: &str) -> Option<String> {
    if !server.starts_with("minio") && UNTOLD_BY_B2.contains(&probe) {
        return Some(String::from(
            "Backblaze B2 has no S3 call for a bucket's policy, and the embedded S3 none either; MinIO has",
        ));
    }
    let (_, why) = UNTOLD_BY_MINIO.iter().find(|(name, _)| server.starts_with("minio") && *name == probe)?;
    Some(format!("MinIO's answer tells nothing: {why}"))
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
    use super::{ALL, UNTOLD_BY_MINIO, untold};

    #[test]
    fn only_minio_leaves_probes_out_and_only_those_that_there_are() {
        for (name, _) in UNTOLD_BY_MINIO {
            assert!(ALL.iter().any(|probe| probe.about().name == name), "{name}");
            assert!(untold(name, "minio 2025").is_some() && untold(name, "embedded 0.1.0").is_none());
        }
        assert_eq!(untold("s3.get-foreign-object", "minio 2025"), None);
    }
}
