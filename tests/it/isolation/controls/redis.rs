//! Over-grants on Redis: selectors and commands that an `ACL SETUSER` adds to the probing tenant's user.

use bulkhead_target::TenantAccess;

use super::super::{Control, Grant, Rig, Shared};

/// Adds a rule about the neighbour's keys to the probing tenant's user.
async fn selector(rig: &mut Rig, from: &TenantAccess, to: &TenantAccess, command: &str) {
    let (user, prefix) = (&from.connections.redis.user, &to.tenant.slices.redis.prefix);
    rig.administer(&format!("ACL SETUSER {user} ({command} ~{prefix}*)")).await;
}

const fn on_keys(probe: &'static str, grant: &'static str, apply: Grant) -> Control {
    Control { probe, grant, also: &[], sharing: &[Shared], apply, undo: None }
}

pub(super) const CONTROLS: &[Control] = &[
    on_keys("redis.get-foreign-key", "ACL SETUSER a (+get ~b:*)", |rig, from, to| {
        Box::pin(selector(rig, from, to, "+get"))
    }),
    on_keys("redis.set-foreign-key", "ACL SETUSER a (+set ~b:*)", |rig, from, to| {
        Box::pin(selector(rig, from, to, "+set"))
    }),
    on_keys("redis.delete-foreign-key", "ACL SETUSER a (+del ~b:*)", |rig, from, to| {
        Box::pin(selector(rig, from, to, "+del"))
    }),
    on_keys("redis.foreign-key-exists", "ACL SETUSER a (+exists ~b:*)", |rig, from, to| {
        Box::pin(selector(rig, from, to, "+exists"))
    }),
];
