//! Every name that a probe or an item may make below a slice's prefix on Redis and RabbitMQ, where a fenced login may not
//! ask which there are. A test on hand-started servers finds what is missing here: it compares them before and after.

use bulkhead_model::Tenant;
use bulkhead_target::backends::env::Leavings;

use crate::probes;

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
    let own = if by.name == on.name { &ON_THE_BROKER[..] } else { &[] };
    let mut names: Vec<_> = own.iter().map(|name| on.slices.rabbitmq.queue(name)).collect();
    names.extend(probes::rabbitmq::ALL.iter().flat_map(|probe| probe.leaves(by, on, all)));
    names.sort();
    names.dedup();
    names
}
