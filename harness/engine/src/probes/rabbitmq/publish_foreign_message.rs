//! `rabbitmq.publish-foreign-message`. Leaves out the default exchange, topic permissions, and dead-letter exchanges that
//! point across.

use async_trait::async_trait;
use bulkhead_model::Outcome;
use bulkhead_model::{Class, Service};
use bulkhead_target::{Error, TenantAccess};
use lapin::{Confirmation, Connection};

use super::ground::{Ground, ask, exchange, holds, limit, publish};
use crate::probes::{Finding, Pair, Probe, finding::Change};

pub(super) struct PublishForeignMessage;

#[async_trait]
impl Probe for PublishForeignMessage {
    fn name(&self) -> &'static str {
        "rabbitmq.publish-foreign-message"
    }

    fn service(&self) -> Service {
        Service::Rabbitmq
    }

    fn class(&self) -> Class {
        Class::Write
    }

    fn sentence(&self) -> &'static str {
        "Publishes to the neighbour's exchange, which feeds the neighbour's queue."
    }

    fn fix(&self, pair: &Pair<'_>) -> String {
        limit(pair)
    }

    async fn run(&self, pair: &Pair<'_>) -> Result<Finding, Error> {
        let ground = Ground::plant(pair).await?;
        let control = publish_to(pair, pair.from, &ground.own).await;
        let attempt = publish_to(pair, pair.to, &ground.victim).await;
        Ok(Finding::of_change(pair, &control, &attempt))
    }
}

async fn publish_to(pair: &Pair<'_>, on: &TenantAccess, owner: &Connection) -> Change {
    let slice = &on.tenant.slices.rabbitmq;
    let (exchange, marker) = (exchange(slice), pair.marker().to_owned());
    let answer = ask(pair, on, &format!("basic.publish to `{exchange}`"), |channel| async move {
        Ok(match publish(&channel, &exchange, &marker).await? {
            Confirmation::Ack(_) => (Outcome::Allowed, String::from("confirmed")),
            other => (Outcome::Unknown, format!("{other:?}")),
        })
    })
    .await;
    let seen = holds(owner, slice, pair.marker()).await;
    Change { answer, seen }
}
