//! `rabbitmq.tell-foreign-queues-apart`. Leaves out the passive declare and the management API, which need no permission
//! on the queue: in a vhost that both use they show every queue's name and length by design.

use async_trait::async_trait;
use bulkhead_model::{Class, Outcome, Service};
use bulkhead_target::Error;
use lapin::options::BasicGetOptions;

use super::ground::{Ground, empty, limit};
use crate::probes::{About, Attempt, Pair, Probe, Side, answer::Answer};

pub(super) struct TellForeignQueues;

#[async_trait]
impl Probe for TellForeignQueues {
    fn about(&self) -> &About {
        const {
            &About::new(
                Service::Rabbitmq,
                "rabbitmq.tell-foreign-queues-apart",
                Class::Enumerate,
                "Reads from an empty queue of the neighbour's and from one that does not exist, and compares the answers.",
            )
        }
    }

    fn fix(&self, pair: &Pair<'_>) -> String {
        limit(pair)
    }

    async fn attempt(&self, pair: &Pair<'_>, side: Side) -> Result<Attempt, Error> {
        let (ground, slice) = (pair.rabbitmq().await?, &pair.tenant(side).slices.rabbitmq);
        let (there, missing) = (empty(slice), slice.queue("bulkhead-missing"));
        let answer = look(pair, ground, side, &there).await;
        let other = look(pair, ground, side, &missing).await;
        Ok(Attempt::Seen(answer.told_apart_from(&other, &[&there, &missing])))
    }
}

/// An empty queue that answers has shown that it exists.
async fn look(pair: &Pair<'_>, ground: &Ground, side: Side, queue: &str) -> Answer {
    let name = queue.to_owned();
    let call = ground.ask(pair, side, format!("basic.get `{queue}`"), |channel| async move {
        let got = channel.basic_get(name.into(), BasicGetOptions { no_ack: false }).await?;
        Ok((Outcome::Allowed, String::from(if got.is_some() { "a message" } else { "empty" })))
    });
    call.await
}
