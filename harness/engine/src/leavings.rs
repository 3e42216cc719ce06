//! Every name that a probe, an item or a workload may make below a slice's prefix on Redis and RabbitMQ, where a fenced
//! login may not ask which there are. Keys that nobody can name beforehand expire, and one says that there are some. A test
//! on hand-started servers finds what is missing here: it compares them before and after.

use bulkhead_model::Tenant;
use bulkhead_target::backends::env::Leavings;

use crate::{probes, workload};

/// The Redis key that a workload sets which makes keys that are not named here.
pub(crate) const MORE: &str = "bulkhead:more";

/// The names.
pub const LEAVINGS: Leavings = Leavings {
    keys: &[
        "bulkhead:added",
        "bulkhead:appended",
        "bulkhead:canary",
        "bulkhead:checklist",
        "bulkhead:copied",
        "bulkhead:copied-elsewhere",
        "bulkhead:copying",
        "bulkhead:doomed",
        "bulkhead:elsewhere",
        "bulkhead:expiring",
        "bulkhead:fields",
        "bulkhead:filling",
        "bulkhead:grouped",
        "bulkhead:handover",
        "bulkhead:hash",
        "bulkhead:leaving",
        "bulkhead:list",
        "bulkhead:long",
        "bulkhead:mark",
        "bulkhead:monitored",
        "bulkhead:moved",
        "bulkhead:moving",
        "bulkhead:notified",
        "bulkhead:notified-too",
        "bulkhead:popped",
        "bulkhead:pushed",
        "bulkhead:renamed",
        "bulkhead:renamed-to",
        "bulkhead:restored",
        "bulkhead:scripted",
        "bulkhead:stream",
        "bulkhead:taken",
        "bulkhead:tracked",
        "bulkhead:trimmed",
        "bulkhead:unlinked",
        "bulkhead:written",
    ],
    more: MORE,
    broker,
};

/// Those on RabbitMQ that no row of the probes' tables has.
const ON_THE_BROKER: [&str; 11] = [
    "bulkhead-asked",
    "bulkhead-canary",
    "bulkhead-checklist",
    "bulkhead-checklist-in",
    "bulkhead-doomed",
    "bulkhead-empty",
    "bulkhead-exchange",
    "bulkhead-seeding",
    "bulkhead-signed",
    "bulkhead-tasks",
    "bulkhead-tasks-in",
];

fn broker(by: &Tenant, on: &Tenant, all: &[Tenant]) -> Vec<String> {
    let mut names = Vec::new();
    if by.name == on.name {
        names.extend(ON_THE_BROKER.iter().map(|name| on.slices.rabbitmq.queue(name)));
        names.extend(workload::rabbitmq::leaves().map(|name| on.slices.rabbitmq.queue(&name)));
    }
    names.extend(probes::rabbitmq::ALL.iter().flat_map(|probe| probe.leaves(by, on, all)));
    names.sort();
    names.dedup();
    names
}
