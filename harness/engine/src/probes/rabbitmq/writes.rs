//! Probes that bring something of their own into the neighbour's slice, a row a way.

use bulkhead_model::Class;

use super::{
    acts::Act::{
        Bind, Delete, DeleteExchange, Dying, Exchange, Find, FindExchange, Place, Publish, Queue, Route,
        Spilling,
    },
    row::{Look, Row, row},
};

pub(super) static PUBLISH: Row = Row {
    plant: &[Place("~inbox")],
    look: Look::Held("~inbox"),
    ..row(
        Class::Write,
        "rabbitmq.publish-foreign-message",
        "Publishes to the neighbour's exchange, which feeds the neighbour's queue.",
        &[Publish { exchange: "~inbox", key: "" }],
    )
};
pub(super) static DEFAULT_EXCHANGE: Row = Row {
    plant: &[Place("~defaulted")],
    instead: &[Publish { exchange: "~defaulted", key: "" }],
    look: Look::Held("~defaulted"),
    ..row(
        Class::Write,
        "rabbitmq.publish-through-default-exchange",
        "Publishes to the neighbour's queue through the default exchange, which knows every queue by its name.",
        &[Publish { exchange: "", key: "~defaulted" }],
    )
};
pub(super) static TOPIC_EXCHANGE: Row = Row {
    plant: &[Place("~topical"), Bind { queue: "~topical", exchange: "amq.topic", key: "~key" }],
    look: Look::Held("~topical"),
    ..row(
        Class::Write,
        "rabbitmq.publish-through-topic-exchange",
        "Publishes through `amq.topic` with a routing key of the neighbour's.",
        &[Publish { exchange: "amq.topic", key: "~key" }],
    )
};
pub(super) static DIRECT_EXCHANGE: Row = Row {
    plant: &[Place("~directed")],
    plant_if_let: Some(Bind { queue: "~directed", exchange: "amq.direct", key: "~directed" }),
    instead: &[Publish { exchange: "~directed", key: "" }],
    look: Look::Held("~directed"),
    ..row(
        Class::Write,
        "rabbitmq.publish-through-direct-exchange",
        "Publishes through `amq.direct`, for which there are no topic permissions, with a routing key of the neighbour's.",
        &[Publish { exchange: "amq.direct", key: "~directed" }],
    )
};
pub(super) static JOIN: Row = Row {
    plant: &[Place("~joined")],
    look: Look::Held("~joined"),
    ..row(
        Class::Write,
        "rabbitmq.bind-foreign-queue",
        "Binds the neighbour's queue to an exchange of its own and publishes there.",
        &[
            Exchange("=source"),
            Bind { queue: "~joined", exchange: "=source", key: "" },
            Publish { exchange: "=source", key: "" },
        ],
    )
};
pub(super) static ROUTE: Row = Row {
    plant: &[Place("~routed")],
    look: Look::Held("~routed"),
    ..row(
        Class::Write,
        "rabbitmq.bind-foreign-exchange",
        "Binds the neighbour's exchange to an exchange of its own and publishes there.",
        &[
            Exchange("=upstream"),
            Route { into: "~routed", from: "=upstream" },
            Publish { exchange: "=upstream", key: "" },
        ],
    )
};
pub(super) static DEAD_LETTER: Row = Row {
    plant: &[Place("~buried")],
    look: Look::Held("~buried"),
    ..row(
        Class::Write,
        "rabbitmq.dead-letter-to-foreign-exchange",
        "Declares a queue of its own whose dead letters go to the neighbour's exchange.",
        &[Dying { name: "=dying", into: "~buried", key: None }, Publish { exchange: "=dying", key: "" }],
    )
};
pub(super) static DEAD_LETTER_BY_NAME: Row = Row {
    plant: &[Place("~fallen")],
    instead: &[Publish { exchange: "~fallen", key: "" }],
    look: Look::Held("~fallen"),
    ..row(
        Class::Write,
        "rabbitmq.dead-letter-to-foreign-queue",
        "Declares a queue of its own whose dead letters go to the neighbour's queue through the default exchange.",
        &[
            Dying { name: "=falling", into: "", key: Some("~fallen") },
            Publish { exchange: "=falling", key: "" },
        ],
    )
};
pub(super) static ALTERNATE: Row = Row {
    plant: &[Place("~spare")],
    look: Look::Held("~spare"),
    ..row(
        Class::Write,
        "rabbitmq.spill-into-foreign-exchange",
        "Declares an exchange of its own whose alternate is the neighbour's and publishes what nobody is bound to.",
        &[Spilling { name: "=spilling", into: "~spare" }, Publish { exchange: "=spilling", key: "" }],
    )
};
pub(super) static DECLARE: Row = Row {
    plant: &[Delete("~squatted")],
    look: Look::There(Find("~squatted")),
    ..row(
        Class::Write,
        "rabbitmq.declare-foreign-queue",
        "Declares a queue under a name of the neighbour's, before the neighbour does.",
        &[Queue("~squatted")],
    )
};
pub(super) static DECLARE_EXCHANGE: Row = Row {
    plant: &[DeleteExchange("~claimed")],
    look: Look::There(FindExchange("~claimed")),
    ..row(
        Class::Write,
        "rabbitmq.declare-foreign-exchange",
        "Declares an exchange under a name of the neighbour's, before the neighbour does.",
        &[Exchange("~claimed")],
    )
};
