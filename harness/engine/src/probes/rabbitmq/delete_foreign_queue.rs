//! `rabbitmq.delete-foreign-queue`. Leaves out purging, which whoever may read a queue may do.

use async_trait::async_trait;
use bulkhead_model::Outcome;
use bulkhead_model::{Class, Service};
use bulkhead_target::{Error, TenantAccess};
use lapin::{Connection, options::QueueDeleteOptions};

use super::ground::{Ground, ask, exists, limit, queue};
use crate::probes::{Finding, Pair, Probe, finding::Change};

pub(super) struct DeleteForeignQueue;

#[async_trait]
impl Probe for DeleteForeignQueue {
    fn name(&self) -> &'static str {
        "rabbitmq.delete-foreign-queue"
    }

    fn service(&self) -> Service {
        Service::Rabbitmq
    }

    fn class(&self) -> Class {
        Class::Delete
    }

    fn sentence(&self) -> &'static str {
        "Deletes the neighbour's queue with the message in it."
    }

    fn fix(&self, pair: &Pair<'_>) -> String {
        limit(pair)
    }

    async fn run(&self, pair: &Pair<'_>) -> Result<Finding, Error> {
        let ground = Ground::plant(pair).await?;
        let control = delete(pair, pair.from, &ground.own).await;
        let attempt = delete(pair, pair.to, &ground.victim).await;
        Ok(Finding::of_change(pair, &control, &attempt))
    }
}

async fn delete(pair: &Pair<'_>, on: &TenantAccess, owner: &Connection) -> Change {
    let slice = &on.tenant.slices.rabbitmq;
    let name = queue(slice);
    let answer = ask(pair, on, &format!("queue.delete `{name}`"), |channel| async move {
        let messages = channel.queue_delete(name.into(), QueueDeleteOptions::default()).await?;
        // Deleting a queue that is not there is answered with OK as well; the owner knows the difference.
        Ok((Outcome::Allowed, format!("OK, {messages} messages")))
    })
    .await;
    let seen = exists(owner, slice).await.map(|there| !there);
    Change { answer, seen }
}
