//! Probes that take something of the neighbour's away, a row a way.

use bulkhead_model::Class;

use super::{
    acts::Act::{Delete, DeleteExchange, Find, FindExchange, Fleeting, Leave, Place, Publish, Purge, Unbind},
    row::{Look, Row, row},
};

pub(super) static DELETE: Row = Row {
    plant: &[Place("~doomed")],
    look: Look::Gone(Find("~doomed")),
    ..row(
        Class::Delete,
        "rabbitmq.delete-foreign-queue",
        "Deletes a queue of the neighbour's.",
        &[Delete("~doomed")],
    )
};
pub(super) static DELETE_EXCHANGE: Row = Row {
    plant: &[Place("~razed")],
    look: Look::Gone(FindExchange("~razed")),
    ..row(
        Class::Delete,
        "rabbitmq.delete-foreign-exchange",
        "Deletes an exchange of the neighbour's.",
        &[DeleteExchange("~razed")],
    )
};
pub(super) static PURGE: Row = Row {
    plant: &[Place("~purged"), Publish { exchange: "~purged", key: "" }],
    look: Look::Missed("~purged"),
    ..row(
        Class::Delete,
        "rabbitmq.purge-foreign-queue",
        "Deletes all messages of a queue of the neighbour's.",
        &[Purge("~purged")],
    )
};
pub(super) static UNBIND: Row = Row {
    plant: &[Place("~unbound")],
    then: &[Publish { exchange: "~unbound", key: "" }],
    look: Look::Missed("~unbound"),
    ..row(
        Class::Delete,
        "rabbitmq.unbind-foreign-queue",
        "Takes the binding between the neighbour's exchange and the neighbour's queue away.",
        &[Unbind { queue: "~unbound", exchange: "~unbound" }],
    )
};
pub(super) static LEAVE: Row = Row {
    // One that is there already may have a consumer whose client a fault has cut off: the next would not be the last.
    plant: &[Delete("~fleeting"), Fleeting("~fleeting")],
    look: Look::Gone(Find("~fleeting")),
    ..row(
        Class::Delete,
        "rabbitmq.leave-foreign-queue",
        "Is the last to consume from an auto-delete queue of the neighbour's and stops, which deletes it.",
        &[Leave("~fleeting")],
    )
};
