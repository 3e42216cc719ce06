//! Over-grants in S3: B2 capabilities on the neighbour's slice that are added to the probing tenant's key.

use bulkhead_target::TenantAccess;

use super::super::{Control, Grant, Rig, Separate, Shared};

/// Adds a grant of this one capability on the neighbour's slice to the probing tenant's key.
async fn widen(rig: &mut Rig, from: &TenantAccess, to: &TenantAccess, capability: &str) {
    let (key, slice) = (&from.connections.s3.access_key_id, &to.tenant.slices.s3);
    let grant = serde_json::json!({
        "buckets": [slice.bucket], "prefix": slice.key(""), "capabilities": [capability],
    });
    rig.administer(&serde_json::json!({ "key": key, "grant": grant }).to_string()).await;
}

const fn capability(
    probe: &'static str,
    grant: &'static str,
    also: &'static [&'static str],
    apply: Grant,
) -> Control {
    Control { probe, grant, also, sharing: &[Separate, Shared], apply, undo: None }
}

/// A delete without a version is a write on B2.
const WRITES: &[&str] = &["s3.put-foreign-object", "s3.delete-foreign-object"];

pub(super) const CONTROLS: &[Control] = &[
    capability("s3.get-foreign-object", "readFiles on b's slice", &[], |rig, from, to| {
        Box::pin(widen(rig, from, to, "readFiles"))
    }),
    capability("s3.put-foreign-object", "writeFiles on b's slice", WRITES, |rig, from, to| {
        Box::pin(widen(rig, from, to, "writeFiles"))
    }),
    capability("s3.delete-foreign-object", "writeFiles on b's slice", WRITES, |rig, from, to| {
        Box::pin(widen(rig, from, to, "writeFiles"))
    }),
    capability("s3.list-foreign-objects", "listFiles on b's slice", &[], |rig, from, to| {
        Box::pin(widen(rig, from, to, "listFiles"))
    }),
];
