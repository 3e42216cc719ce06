//! Probes of a neighbour's vhost, or of its queues and exchanges in a vhost that both use.
//!
//! Left to the catalogue, because stock brokers allow them: the refusal for an existing vhost differs from that for a
//! missing one; in a vhost that both use, a passive declare needs no permission and counts a queue's messages.

use super::Probe;

mod delete_foreign_queue;
mod get_foreign_message;
pub(crate) mod ground;
mod publish_foreign_message;
mod tell_foreign_queues;

pub(crate) use ground::Ground;

/// All of them, in the order of the matrix.
pub const ALL: &[&dyn Probe] = &[
    &get_foreign_message::GetForeignMessage,
    &publish_foreign_message::PublishForeignMessage,
    &delete_foreign_queue::DeleteForeignQueue,
    &tell_foreign_queues::TellForeignQueues,
];
