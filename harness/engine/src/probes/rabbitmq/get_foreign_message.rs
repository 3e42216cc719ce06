//! `rabbitmq.get-foreign-message`. Leaves out binding a queue of one's own to the neighbour's exchange.

use async_trait::async_trait;
use bulkhead_model::Outcome;
use bulkhead_model::{Class, Service};
use bulkhead_target::{Error, TenantAccess};
use lapin::options::{BasicGetOptions, BasicNackOptions};

use super::ground::{Ground, ask, limit, queue};
use crate::probes::{Finding, Pair, Probe, answer::Answer};

pub(super) struct GetForeignMessage;

#[async_trait]
impl Probe for GetForeignMessage {
    fn name(&self) -> &'static str {
        "rabbitmq.get-foreign-message"
    }

    fn service(&self) -> Service {
        Service::Rabbitmq
    }

    fn class(&self) -> Class {
        Class::Read
    }

    fn sentence(&self) -> &'static str {
        "Takes a message from the neighbour's queue and gives it back."
    }

    fn fix(&self, pair: &Pair<'_>) -> String {
        limit(pair)
    }

    async fn run(&self, pair: &Pair<'_>) -> Result<Finding, Error> {
        let _ground = Ground::plant(pair).await?;
        let control = get(pair, pair.from).await;
        let attempt = get(pair, pair.to).await;
        Ok(Finding::of_reading(pair, &control, &attempt))
    }
}

async fn get(pair: &Pair<'_>, on: &TenantAccess) -> Answer {
    let queue = queue(&on.tenant.slices.rabbitmq);
    ask(pair, on, &format!("basic.get `{queue}`"), |channel| async move {
        let Some(message) = channel.basic_get(queue.into(), BasicGetOptions::default()).await? else {
            return Ok((Outcome::Invisible, String::from("empty")));
        };
        let payload = String::from_utf8_lossy(&message.delivery.data).into_owned();
        message
            .delivery
            .acker
            .nack(BasicNackOptions { requeue: true, ..BasicNackOptions::default() })
            .await?;
        Ok((Outcome::Allowed, payload))
    })
    .await
}
