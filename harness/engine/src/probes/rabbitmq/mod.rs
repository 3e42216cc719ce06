//! Probes of a neighbour's vhost, or of its queues and exchanges in a vhost that both use. Most are rows of a table:
//! `reads`, `writes`, `deletes` and `enumerates`; `api` is about the management API, `budgets` about what all draw on.

use super::Probe;

mod acts;
mod api;
mod budgets;
mod deletes;
mod enumerates;
pub(crate) mod ground;
mod logins;
mod reads;
mod reply_address;
mod row;
mod writes;

pub(crate) use ground::Ground;

/// All of them, in the order of the matrix.
pub const ALL: &[&dyn Probe] = &[
    &logins::EnterVhost,
    &reads::GET,
    &reads::CONSUME,
    &reads::NAMED_AFTER,
    &reads::TAP,
    &reads::TOPICS,
    &reads::FIREHOSE,
    &api::DEFINITIONS,
    &writes::PUBLISH,
    &writes::DEFAULT_EXCHANGE,
    &writes::TOPIC_EXCHANGE,
    &writes::DIRECT_EXCHANGE,
    &writes::JOIN,
    &writes::ROUTE,
    &writes::DEAD_LETTER,
    &writes::DEAD_LETTER_BY_NAME,
    &writes::ALTERNATE,
    &writes::DECLARE,
    &writes::DECLARE_EXCHANGE,
    &logins::ForgeSender,
    &reply_address::ReplyAddress,
    &deletes::DELETE,
    &deletes::DELETE_EXCHANGE,
    &deletes::PURGE,
    &deletes::UNBIND,
    &deletes::LEAVE,
    &logins::Guest,
    &api::POLICY,
    &api::OPERATOR_POLICY,
    &api::SHOVEL,
    &api::FEDERATION,
    &api::GLOBAL_PARAMETER,
    &api::PERMISSIONS,
    &api::USER,
    &api::VHOST,
    &api::VHOST_LIMITS,
    &api::USER_LIMITS,
    &logins::TellVhosts,
    &enumerates::TELL_QUEUES,
    &enumerates::FIND_QUEUE,
    &enumerates::FIND_EXCHANGE,
    &enumerates::FIND_EXCLUSIVE,
    &api::OVERVIEW,
    &api::VHOSTS,
    &api::QUEUES,
    &api::CONNECTIONS,
    &api::USERS,
    &api::NODES,
    &budgets::CHANNELS,
    &budgets::QUEUES,
    &budgets::MESSAGES,
    &budgets::CONNECTIONS,
];
