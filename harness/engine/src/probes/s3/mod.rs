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
mod request;
mod uploads;

pub(crate) use ground::Ground;

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
    &buckets::READ_ACL,
    &buckets::READ_CORS,
    &buckets::READ_LIFECYCLE,
    &buckets::READ_LOCK,
    &buckets::READ_VERSIONING,
    &buckets::READ_ENCRYPTION,
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
