//! Over-grants on RabbitMQ: wider regular expressions in the probing tenant's permissions on the neighbour's vhost.

use bulkhead_target::TenantAccess;

use super::super::{Control, Grant, Rig, Separate, Shared, Sharing};

/// Which of the three permissions on a vhost.
#[derive(Clone, Copy)]
enum Right {
    Configure,
    Write,
    Read,
}

fn binary(text: &str) -> String {
    format!("<<\"{text}\">>")
}

/// Lets the probing tenant's user do this with one name of the neighbour's.
async fn permit(rig: &mut Rig, from: &TenantAccess, to: &TenantAccess, right: Right, name: &str) {
    let [own, victim] = [from, to].map(|access| &access.tenant.slices.rabbitmq);
    let (kept, also) = match rig.sharing {
        Sharing::Separate => (String::from("^$"), format!("^{name}$")),
        Sharing::Shared => {
            (format!("^{}", own.queue("")), format!("^{}|^{}$", own.queue(""), victim.queue(name)))
        }
    };
    let mut rights = [kept.clone(), kept.clone(), kept];
    rights[right as usize] = also;
    let [user, vhost] = [&from.connections.rabbitmq.user, &victim.vhost].map(|text| binary(text));
    let rights = rights.map(|regex| binary(&regex)).join(",");
    let statement =
        format!("rabbit_auth_backend_internal:set_permissions({user},{vhost},{rights},<<\"test\">>)");
    assert_eq!(rig.administer(&statement).await, "ok");
}

const fn on_names(probe: &'static str, grant: &'static str, apply: Grant) -> Control {
    Control { probe, grant, also: &[], sharing: &[Separate, Shared], apply, undo: None }
}

pub(super) const CONTROLS: &[Control] = &[
    on_names("rabbitmq.get-foreign-message", "read permission on b's queue", |rig, from, to| {
        Box::pin(permit(rig, from, to, Right::Read, "bulkhead-canary"))
    }),
    on_names("rabbitmq.publish-foreign-message", "write permission on b's exchange", |rig, from, to| {
        Box::pin(permit(rig, from, to, Right::Write, "bulkhead-exchange"))
    }),
    on_names("rabbitmq.delete-foreign-queue", "configure permission on b's queue", |rig, from, to| {
        Box::pin(permit(rig, from, to, Right::Configure, "bulkhead-doomed"))
    }),
    on_names("rabbitmq.tell-foreign-queues-apart", "read permission on b's empty queue", |rig, from, to| {
        Box::pin(permit(rig, from, to, Right::Read, "bulkhead-empty"))
    }),
];
