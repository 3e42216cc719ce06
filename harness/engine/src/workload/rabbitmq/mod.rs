//! What the workloads on RabbitMQ have in common: connections whose channel gives confirms, durable queues and the way to
//! them, publishing until the confirm comes.
//!
//! A message whose confirm never came is unknown and not published again: the app would ask first. An acknowledgement has
//! no answer in AMQP 0-9-1; it is `ok` once it was written.

use bulkhead_model::{
    Ending, Service,
    scenario::{Chosen, Kind},
};
use bulkhead_target::{Error, clients as connections};
use lapin::{
    BasicProperties, Channel, Confirmation, Connection, ExchangeKind,
    message::Delivery,
    options::{
        BasicAckOptions, BasicPublishOptions, ConfirmSelectOptions, ExchangeDeclareOptions, QueueBindOptions,
        QueueDeclareOptions,
    },
    types::FieldTable,
};
use tokio::time::timeout;

use super::{Flaw, OPERATION, Stage, Workload};
use crate::cost::{Cost, Span, prices};

mod calls;
mod consumer;
mod events;
mod pipeline;
mod publisher;
mod tally;
mod tasks;

pub(super) use self::{calls::Calls, events::Events, pipeline::Pipeline, tasks::Tasks};

/// The setting of a workload that says how many queues of a name there are.
const NUMBERED: [(&dyn Workload, &str, &str); 3] =
    [(&Calls, "callers", "calls"), (&Events, "subscribers", "events"), (&Pipeline, "stages", "pipeline")];

/// Every name that a workload may give a queue or an exchange below its tenant's prefix, whatever a file says.
pub(crate) fn leaves() -> impl Iterator<Item = String> {
    let numbered = NUMBERED.into_iter().flat_map(|(workload, setting, name)| {
        let most = workload.shape().settings.iter().find_map(|wanted| match &wanted.kind {
            Kind::Amount(_, bounds) if wanted.name == setting => Some(*bounds.end()),
            _ => None,
        });
        (1..=most.unwrap_or_default()).map(move |number| format!("{name}.{number}"))
    });
    ["tasks", "calls", "events"].map(str::to_owned).into_iter().chain(numbered)
}

/// AMQP's mark of a message that outlives the broker.
const PERSISTENT: u8 = 2;

/// A durable queue and how messages come into it: through an exchange of the tenant's own, because where tenants share a
/// vhost the default one is closed to all.
struct Route {
    exchange: String,
    kind: ExchangeKind,
    /// The key, or for a topic the pattern.
    key: String,
    queue: String,
}

impl Route {
    /// Whatever is published to the exchange under the queue's own name.
    fn direct(exchange: &str, queue: String) -> Self {
        Self { exchange: exchange.to_owned(), kind: ExchangeKind::Direct, key: queue.clone(), queue }
    }

    async fn declare(&self, channel: &Channel, durable: bool) -> lapin::Result<()> {
        let Self { exchange, kind, key, queue } = self;
        let durable = QueueDeclareOptions { durable, ..QueueDeclareOptions::default() };
        channel.queue_declare(queue.as_str().into(), durable, FieldTable::default()).await?;
        let durable = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
        let (exchange, kind) = (exchange.as_str(), kind.clone());
        channel.exchange_declare(exchange.into(), kind, durable, FieldTable::default()).await?;
        let (queue, key, options) = (queue.as_str().into(), key.as_str().into(), QueueBindOptions::default());
        channel.queue_bind(queue, exchange.into(), key, options, FieldTable::default()).await
    }
}

/// The name of a queue or an exchange of the tenant's own.
fn name(stage: &Stage<'_>, name: &str) -> String {
    stage.access.tenant.slices.rabbitmq.queue(name)
}

/// Makes the queues and exchanges of a workload.
async fn declare(stage: &Stage<'_>, routes: &[Route]) -> Result<(), Error> {
    let (connection, channel) = open(stage).await?;
    for route in routes {
        let doing = format!("declare the queue `{}`", route.queue);
        route
            .declare(&channel, !is_transient(stage))
            .await
            .map_err(Error::serve(Service::Rabbitmq, doing))?;
    }
    let closed = connection.close(200, "done".into()).await;
    closed.map_err(Error::serve(Service::Rabbitmq, "close a connection"))
}

/// What declaring so many queues costs.
fn declaring(queues: u64) -> Cost {
    prices::connection(Service::Rabbitmq).plus(prices::bytes(1024).times(queues))
}

/// What a consumer's connection costs, with what it is given before it acknowledges anything.
fn tapping(chosen: &Chosen) -> Cost {
    let given = prices::delivery(size(chosen)).times(u64::from(consumer::PREFETCH));
    prices::connection(Service::Rabbitmq).plus(given)
}

/// What so many consumers' connections may cost, and what they acknowledge that had been given out before.
fn consuming(chosen: &Chosen, span: Span, consumers: u64) -> Cost {
    let again = prices::delivery(size(chosen)).times(u64::from(consumer::PREFETCH));
    tapping(chosen).plus(again).times(span.connects(consumers))
}

/// What a message has at most: the file's `size`, or the name of what it is about.
fn size(chosen: &Chosen) -> u64 {
    chosen.amount("size").max(256)
}

/// Whether queues do not outlive the broker.
fn is_transient(stage: &Stage<'_>) -> bool {
    stage.terms.flaw == Some(Flaw::TransientQueue)
}

/// A connection and its channel, which gives confirms.
async fn open(stage: &Stage<'_>) -> Result<(Connection, Channel), Error> {
    let connection = connections::rabbitmq::connect(stage.access).await?;
    let channel = connection.create_channel().await;
    let channel = channel.map_err(Error::serve(Service::Rabbitmq, "open a channel"))?;
    let asked = channel.confirm_select(ConfirmSelectOptions::default()).await;
    asked.map_err(Error::serve(Service::Rabbitmq, "ask for confirms"))?;
    Ok((connection, channel))
}

/// What a message begins with.
fn element(delivery: &Delivery) -> String {
    String::from_utf8_lossy(&delivery.data).split(' ').next().unwrap_or_default().to_owned()
}

/// Publishes a persistent message and says what the broker answers within an operation's time.
async fn publish(
    channel: &Channel,
    exchange: &str,
    key: &str,
    payload: &[u8],
    properties: BasicProperties,
) -> (Ending, String) {
    let publishing = async {
        // What no queue takes comes back; the broker confirms it all the same.
        let (options, properties) = (
            BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() },
            properties.with_delivery_mode(PERSISTENT),
        );
        channel.basic_publish(exchange.into(), key.into(), options, payload, properties).await?.await
    };
    match timeout(OPERATION, publishing).await {
        Ok(Ok(Confirmation::Ack(None))) => (Ending::Ok, String::new()),
        Ok(Ok(Confirmation::Ack(Some(returned)))) => {
            (Ending::Failed, format!("it came back: {} {}", returned.reply_code, returned.reply_text))
        }
        Ok(Ok(Confirmation::Nack(_))) => (Ending::Failed, String::from("the broker refused it")),
        Ok(Ok(Confirmation::NotRequested)) => {
            (Ending::Unknown, String::from("the channel gives no confirms"))
        }
        Ok(Err(error)) => (Ending::Unknown, error.to_string()),
        Err(_) => (Ending::Unknown, format!("no confirm within {OPERATION:?}")),
    }
}

/// Acknowledges what was received and says whether that was written. The next one may come for it, which is paid before.
async fn acknowledge(stage: &Stage<'_>, delivery: &Delivery) -> (Ending, String) {
    if !stage.pay(prices::delivery(size(stage.chosen))) {
        return (Ending::Failed, String::from("not acknowledged: the next one cannot be paid"));
    }
    match timeout(OPERATION, delivery.ack(BasicAckOptions::default())).await {
        Ok(Ok(true)) => (Ending::Ok, String::new()),
        Ok(Ok(false)) => (Ending::Unknown, String::from("not acknowledged: the channel is closed")),
        Ok(Err(error)) => (Ending::Unknown, error.to_string()),
        Err(_) => (Ending::Unknown, format!("the acknowledgement was not sent within {OPERATION:?}")),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_queue_of_the_largest_workload_is_known_by_name() {
        let names: Vec<_> = super::leaves().collect();
        for name in ["tasks", "calls", "calls.16", "events", "events.32", "pipeline.1", "pipeline.8"] {
            assert!(names.iter().any(|known| known == name), "{name}: {names:?}");
        }
        assert_eq!(names.len(), 3 + 16 + 32 + 8);
    }
}
