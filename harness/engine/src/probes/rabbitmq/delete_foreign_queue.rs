//! `rabbitmq.delete-foreign-queue`. Leaves out purging, which whoever may read a queue may do.

use async_trait::async_trait;
use bulkhead_model::{Class, Outcome, Service};
use bulkhead_target::Error;
use lapin::options::QueueDeleteOptions;

use super::ground::{doomed, exists, limit};
use crate::probes::{About, Attempt, Change, Pair, Probe, Side};

pub(super) struct DeleteForeignQueue;

#[async_trait]
impl Probe for DeleteForeignQueue {
    fn about(&self) -> &About {
        const {
            &About::new(
                Service::Rabbitmq,
                "rabbitmq.delete-foreign-queue",
                Class::Delete,
                "Deletes a queue of the neighbour's.",
            )
        }
    }

    fn fix(&self, pair: &Pair<'_>) -> String {
        limit(pair)
    }

    async fn attempt(&self, pair: &Pair<'_>, side: Side) -> Result<Attempt, Error> {
        let (ground, slice) = (pair.rabbitmq().await?, &pair.tenant(side).slices.rabbitmq);
        let name = doomed(slice);
        let what = format!("queue.delete `{name}`");
        let call = ground.ask(pair, side, what, |channel| async move {
            let messages = channel.queue_delete(name.into(), QueueDeleteOptions::default()).await?;
            // Deleting a queue that is not there is answered with OK as well; the owner knows the difference.
            Ok((Outcome::Allowed, format!("OK, {messages} messages")))
        });
        let answer = call.await;
        let seen = match ground.owner(side) {
            None => None,
            Some(owner) => Some(exists(owner, slice, &doomed(slice)).await.map(|there| !there)),
        };
        Ok(Attempt::Changed(Change { answer, seen }))
    }
}
