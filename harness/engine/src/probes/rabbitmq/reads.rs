//! Probes that read what is the neighbour's, a row a way.

use bulkhead_model::Class;

use super::{
    acts::Act::{Bind, Consume, Delete, Get, Place, Publish, Queue},
    row::{Look, Row, row},
};
use crate::probes::About;

const fn by_name(row: Row) -> Row {
    let about: About = row.about.by_name();
    Row { about, ..row }
}

pub(super) static GET: Row = by_name(Row {
    plant: &[Place("~canary"), Publish { exchange: "~canary", key: "" }],
    ..row(
        Class::Read,
        "rabbitmq.get-foreign-message",
        "Takes a message from the neighbour's queue and gives it back.",
        &[Get("~canary")],
    )
});
pub(super) static CONSUME: Row = Row {
    // A consumer that a fault cut off and that the broker has not missed yet would be given the message.
    plant: &[Delete("~consumed"), Place("~consumed"), Publish { exchange: "~consumed", key: "" }],
    ..row(
        Class::Read,
        "rabbitmq.consume-foreign-messages",
        "Consumes from the neighbour's queue and gives the message back.",
        &[Consume("~consumed")],
    )
};
pub(super) static NAMED_AFTER: Row = Row {
    plant: &[Place("~to-%"), Publish { exchange: "~to-%", key: "" }],
    ..row(
        Class::Read,
        "rabbitmq.read-queue-named-after-itself",
        "Takes a message from a queue of the neighbour's in whose name its own is, which a permission that is not \
         anchored matches.",
        &[Get("~to-%")],
    )
};
pub(super) static TAP: Row = Row {
    plant: &[Place("~news")],
    then: &[Publish { exchange: "~news", key: "" }],
    look: Look::Taken("=tap"),
    ..row(
        Class::Read,
        "rabbitmq.tap-foreign-exchange",
        "Binds a queue of its own to the neighbour's exchange and reads what the neighbour publishes there.",
        &[Queue("=tap"), Bind { queue: "=tap", exchange: "~news", key: "" }],
    )
};
pub(super) static TOPICS: Row = Row {
    then: &[Publish { exchange: "amq.topic", key: "~topic" }],
    look: Look::Taken("=topics"),
    ..row(
        Class::Read,
        "rabbitmq.tap-foreign-topics",
        "Binds a queue of its own to `amq.topic` for the neighbour's routing keys and reads what the neighbour publishes.",
        &[Queue("=topics"), Bind { queue: "=topics", exchange: "amq.topic", key: "~topic" }],
    )
};
pub(super) static FIREHOSE: Row = by_name(Row {
    instead: &[Place("=traced"), Bind { queue: "=traced", exchange: "=traced", key: "#" }],
    ..row(
        Class::Read,
        "rabbitmq.tap-firehose",
        "Binds a queue of its own to `amq.rabbitmq.trace`, which copies every message of the vhost once tracing is on.",
        &[Queue("=trace"), Bind { queue: "=trace", exchange: "amq.rabbitmq.trace", key: "#" }],
    )
});
