//! Probes of a neighbour's bucket, or of its path prefix in a bucket that both use.
//!
//! Left to the catalogue: listing buckets, copies from a foreign source, presigned URLs with another key in them, awkward
//! keys, multipart uploads and versions, bucket settings.

use super::Probe;

mod delete_foreign_object;
mod get_foreign_object;
pub(crate) mod ground;
mod list_foreign_objects;
mod put_foreign_object;

pub(crate) use ground::Ground;

/// All of them, in the order of the matrix.
pub const ALL: &[&dyn Probe] = &[
    &get_foreign_object::GetForeignObject,
    &put_foreign_object::PutForeignObject,
    &delete_foreign_object::DeleteForeignObject,
    &list_foreign_objects::ListForeignObjects,
];
