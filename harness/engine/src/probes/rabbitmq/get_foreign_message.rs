//! `rabbitmq.get-foreign-message`. Leaves out binding a queue of one's own to the neighbour's exchange.

use async_trait::async_trait;
use bulkhead_model::{Class, Outcome, Service};
use bulkhead_target::Error;
use lapin::options::{BasicGetOptions, BasicNackOptions};

use super::ground::{limit, queue};
use crate::probes::{About, Attempt, Pair, Probe, Side};

pub(super) struct GetForeignMessage;

#[async_trait]
impl Probe for GetForeignMessage {
    fn about(&self) -> &About {
        const {
            &About::new(
                Service::Rabbitmq,
                "rabbitmq.get-foreign-message",
                Class::Read,
                "Takes a message from the neighbour's queue and gives it back.",
            )
            .by_name()
        }
    }

    fn fix(&self, pair: &Pair<'_>) -> String {
        limit(pair)
    }

    async fn attempt(&self, pair: &Pair<'_>, side: Side) -> Result<Attempt, Error> {
        let queue = queue(&pair.tenant(side).slices.rabbitmq);
        let answer =
            pair.rabbitmq().await?.ask(pair, side, format!("basic.get `{queue}`"), |channel| async move {
                let Some(message) = channel.basic_get(queue.into(), BasicGetOptions::default()).await? else {
                    return Ok((Outcome::Invisible, String::from("empty")));
                };
                let payload = String::from_utf8_lossy(&message.delivery.data).into_owned();
                let back = BasicNackOptions { requeue: true, ..BasicNackOptions::default() };
                message.delivery.acker.nack(back).await?;
                Ok((Outcome::Allowed, payload))
            });
        Ok(Attempt::Seen(answer.await))
    }
}
