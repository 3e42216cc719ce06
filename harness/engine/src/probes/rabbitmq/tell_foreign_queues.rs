//! `rabbitmq.tell-foreign-queues-apart`. Leaves out the passive declare and the management API, which need no permission
//! on the queue: in a vhost that both use they show every queue's name and length by design.

use async_trait::async_trait;
use bulkhead_model::Outcome;
use bulkhead_model::{Class, Service};
use bulkhead_target::{Error, TenantAccess};
use lapin::options::BasicGetOptions;

use super::ground::{Ground, ask, empty, limit};
use crate::probes::{Finding, Pair, Probe, answer::Answer};

pub(super) struct TellForeignQueues;

#[async_trait]
impl Probe for TellForeignQueues {
    fn name(&self) -> &'static str {
        "rabbitmq.tell-foreign-queues-apart"
    }

    fn service(&self) -> Service {
        Service::Rabbitmq
    }

    fn class(&self) -> Class {
        Class::Enumerate
    }

    fn sentence(&self) -> &'static str {
        "Reads from an empty queue of the neighbour's and from one that does not exist, and compares the answers."
    }

    fn fix(&self, pair: &Pair<'_>) -> String {
        limit(pair)
    }

    async fn run(&self, pair: &Pair<'_>) -> Result<Finding, Error> {
        let _ground = Ground::plant(pair).await?;
        let control = tell(pair, pair.from).await;
        let attempt = tell(pair, pair.to).await;
        Ok(Finding::of_reading(pair, &control, &attempt))
    }
}

async fn tell(pair: &Pair<'_>, on: &TenantAccess) -> Answer {
    let slice = &on.tenant.slices.rabbitmq;
    let (there, missing) = (empty(slice), slice.queue("bulkhead-missing"));
    let answer = look(pair, on, &there).await;
    answer.told_apart_from(&look(pair, on, &missing).await, &[&there, &missing])
}

/// An empty queue that answers has shown that it exists.
async fn look(pair: &Pair<'_>, on: &TenantAccess, queue: &str) -> Answer {
    let name = queue.to_owned();
    ask(pair, on, &format!("basic.get `{queue}`"), |channel| async move {
        let got = channel.basic_get(name.into(), BasicGetOptions { no_ack: false }).await?;
        Ok((Outcome::Allowed, String::from(if got.is_some() { "a message" } else { "empty" })))
    })
    .await
}
