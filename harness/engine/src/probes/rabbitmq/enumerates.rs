//! Probes that learn what the neighbour has, a row a way.

use bulkhead_model::Class;

use super::{
    acts::Act::{Exclusive, Find, FindExchange, Get, Place, Publish},
    row::{Look, Row, row},
};

/// Of a vhost that both use.
const PASSIVE: &str = "RabbitMQ checks no permission for a passive declare: whoever may enter a vhost learns what it holds; \
     a vhost for each tenant closes it";

pub(super) static TELL_QUEUES: Row = Row {
    plant: &[Place("~empty")],
    look: Look::ToldApart(&[Get("~missing")]),
    ..row(
        Class::Enumerate,
        "rabbitmq.tell-foreign-queues-apart",
        "Reads from an empty queue of the neighbour's and from one that does not exist, and compares the answers.",
        &[Get("~empty")],
    )
};
pub(super) static FIND_QUEUE: Row = Row {
    plant: &[Place("~counted"), Publish { exchange: "~counted", key: "" }],
    inherent: PASSIVE,
    ..row(
        Class::Enumerate,
        "rabbitmq.count-foreign-messages",
        "Declares a queue of the neighbour's passively, which tells how many messages and consumers it has.",
        &[Find("~counted")],
    )
};
pub(super) static FIND_EXCHANGE: Row = Row {
    plant: &[Place("~found")],
    inherent: PASSIVE,
    ..row(
        Class::Enumerate,
        "rabbitmq.find-foreign-exchange",
        "Declares an exchange of the neighbour's passively, which tells whether it exists.",
        &[FindExchange("~found")],
    )
};
pub(super) static FIND_EXCLUSIVE: Row = Row {
    // One that went with a connection a moment ago, or whose connection a fault cut off, may still be locked.
    plant: &[Exclusive("~exclusive-#")],
    look: Look::ToldApart(&[Find("~no-such-exclusive")]),
    inherent: PASSIVE,
    ..row(
        Class::Enumerate,
        "rabbitmq.find-exclusive-queue",
        "Declares an exclusive queue of the neighbour's and one that does not exist passively, and compares the refusals.",
        &[Find("~exclusive-#")],
    )
};
