//! `rabbitmq.publish-foreign-message`. Leaves out the default exchange, topic permissions, and dead-letter exchanges that
//! point across.

use async_trait::async_trait;
use bulkhead_model::{Class, Outcome, Service};
use bulkhead_target::Error;
use lapin::Confirmation;

use super::ground::{exchange, holds, inbox, limit, publish};
use crate::probes::{About, Attempt, Change, Pair, Probe, Side};

pub(super) struct PublishForeignMessage;

#[async_trait]
impl Probe for PublishForeignMessage {
    fn about(&self) -> &About {
        const {
            &About::new(
                Service::Rabbitmq,
                "rabbitmq.publish-foreign-message",
                Class::Write,
                "Publishes to the neighbour's exchange, which feeds the neighbour's queue.",
            )
        }
    }

    fn fix(&self, pair: &Pair<'_>) -> String {
        limit(pair)
    }

    async fn attempt(&self, pair: &Pair<'_>, side: Side) -> Result<Attempt, Error> {
        let (ground, slice) = (pair.rabbitmq().await?, &pair.tenant(side).slices.rabbitmq);
        let (exchange, marker) = (exchange(slice), pair.token("publish"));
        let what = format!("basic.publish to `{exchange}`");
        let payload = marker.clone();
        let call = ground.ask(pair, side, what, |channel| async move {
            Ok(match publish(&channel, &exchange, &payload).await? {
                Confirmation::Ack(_) => (Outcome::Allowed, String::from("confirmed")),
                other => (Outcome::Unknown, format!("{other:?}")),
            })
        });
        let answer = call.await;
        let seen = match ground.owner(side) {
            None => None,
            Some(owner) => Some(holds(owner, slice, &inbox(slice), &marker).await),
        };
        Ok(Attempt::Changed(Change { answer, seen }))
    }
}
