//! What loses, mixes up or reorders messages: careless workloads, and somebody with the tenant's own access.

use bulkhead_model::answer_to;
use bulkhead_target::{Cause, TenantAccess, clients};
use futures::StreamExt;
use lapin::{
    BasicProperties, Channel, Connection, Consumer,
    message::Delivery,
    options::{
        BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, QueueDeclareOptions,
    },
    types::{FieldTable, ShortString},
};

use super::{PLAIN, Sabotage};
use crate::workload::Flaw;

/// All consumers are at work whenever a connection breaks, and each has to wait for the work a while.
const BUSY: &str = "{ rabbitmq.tasks: { consumers: 8, rate: 80/s, work: 150ms } }";

pub(super) static ACK_BEFORE_WORK: Sabotage = Sabotage {
    name: "ack-before-work",
    breaks: "A consumer acknowledges a task before it works on it, and ends meanwhile.",
    workload: BUSY,
    run_for: "2500ms",
    // Late enough for all of them to be there on a slow machine.
    fault: "down: { service: rabbitmq, at: 1800ms, for: 100ms }",
    expect: "nothing-lost",
    says: "were never taken",
    flaw: Some(Flaw::EarlyAck),
    ..PLAIN
};

pub(super) static DOUBLED_TASKS: Sabotage = Sabotage {
    name: "doubled-tasks",
    breaks: "Tasks are taken out and come again twice, each as if it were new.",
    workload: "rabbitmq.tasks",
    expect: "nothing-lost",
    says: "were given out as new more than once",
    begin: |access| Ok(Box::pin(double(access.clone()))),
    ..PLAIN
};

/// Much more than is worked on, so that tasks wait in the queue when the broker is killed.
const MORE: &str = "{ rabbitmq.tasks: { consumers: 8, rate: 150/s, work: 150ms } }";

pub(super) static TRANSIENT_QUEUE: Sabotage = Sabotage {
    name: "transient-queue",
    breaks: "The queue of the tasks is not durable, and the broker is killed.",
    workload: MORE,
    run_for: "1s",
    fault: "kill: { service: rabbitmq, at: 400ms, for: 100ms }",
    expect: "nothing-lost",
    says: "were never taken",
    flaw: Some(Flaw::TransientQueue),
    ..PLAIN
};

pub(super) static SWAPPED_REPLIES: Sabotage = Sabotage {
    name: "swapped-replies",
    breaks: "Two requests get each other's replies.",
    workload: "rabbitmq.calls",
    expect: "replies-match",
    says: "which is the answer to `engine.",
    begin: |access| {
        let swapped = |[one, other]: [&Delivery; 2]| [answer_to(&element(other)), answer_to(&element(one))];
        Ok(Box::pin(answer(access.clone(), swapped)))
    },
    ..PLAIN
};

pub(super) static NEIGHBOURS_REPLY: Sabotage = Sabotage {
    name: "neighbours-reply",
    breaks: "A service answers one tenant's requests with what is another's.",
    workload: "rabbitmq.calls",
    expect: "nothing-foreign",
    says: "`plane.1.1` first, plane's",
    begin: |access| {
        let foreign = |_: [&Delivery; 2]| [String::from("plane.1.1"), String::from("plane.1.1")];
        Ok(Box::pin(answer(access.clone(), foreign)))
    },
    ..PLAIN
};

pub(super) static SHUFFLED_EVENTS: Sabotage = Sabotage {
    name: "shuffled-events",
    breaks: "A subscriber's events are taken out and come again, the last first.",
    workload: "rabbitmq.events",
    expect: "in-order",
    says: "were out of order",
    begin: |access| Ok(Box::pin(shuffle(access.clone()))),
    ..PLAIN
};

/// Somebody who takes from a queue of the tenant's, as its own consumers do.
struct Meddler {
    _connection: Connection,
    channel: Channel,
    deliveries: Consumer,
}

impl Meddler {
    /// Holds so many deliveries unacknowledged at most.
    async fn at(access: &TenantAccess, queue: &str, holds: u16) -> Result<Self, Cause> {
        let connection = clients::rabbitmq::connect(access).await?;
        let channel = connection.create_channel().await?;
        let queue = ShortString::from(access.tenant.slices.rabbitmq.queue(queue));
        // It may come before the workload, which declares it alike.
        let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        channel.queue_declare(queue.clone(), durable, FieldTable::default()).await?;
        channel.basic_qos(holds, BasicQosOptions::default()).await?;
        let options = BasicConsumeOptions::default();
        let deliveries = channel.basic_consume(queue, "".into(), options, FieldTable::default()).await?;
        Ok(Self { _connection: connection, channel, deliveries })
    }

    async fn next(&mut self) -> Result<Delivery, Cause> {
        Ok(self.deliveries.next().await.ok_or("no more is delivered")??)
    }

    async fn publish(
        &self,
        exchange: &str,
        key: ShortString,
        payload: &str,
        properties: BasicProperties,
    ) -> Result<(), Cause> {
        let (exchange, options) = (exchange.into(), BasicPublishOptions::default());
        let published =
            self.channel.basic_publish(exchange, key, options, payload.as_bytes(), properties).await?;
        let _no_confirm = published.await?;
        Ok(())
    }
}

/// What a message of a workload begins with.
fn element(delivery: &Delivery) -> String {
    String::from_utf8_lossy(&delivery.data).split(' ').next().unwrap_or_default().to_owned()
}

/// Takes requests in pairs and replies to each with what `answers` makes of both.
async fn answer(
    access: TenantAccess,
    answers: impl Fn([&Delivery; 2]) -> [String; 2] + Send,
) -> Result<(), Cause> {
    let exchange = access.tenant.slices.rabbitmq.queue("calls");
    let mut meddler = Meddler::at(&access, "calls", 2).await?;
    for _ in 0..5 {
        let asked = [meddler.next().await?, meddler.next().await?];
        let replies = answers([&asked[0], &asked[1]]);
        for (request, reply) in asked.iter().zip(replies) {
            let properties = &request.properties;
            let caller = properties.reply_to().clone().ok_or("a request names nobody to reply to")?;
            let id = properties.correlation_id().clone().ok_or("a request has no id")?;
            let properties = BasicProperties::default().with_correlation_id(id);
            meddler.publish(&exchange, caller, &reply, properties).await?;
            request.ack(BasicAckOptions::default()).await?;
        }
    }
    Ok(())
}

/// Takes events from a subscriber's queue and publishes them again, the last first.
async fn shuffle(access: TenantAccess) -> Result<(), Cause> {
    let exchange = access.tenant.slices.rabbitmq.queue("events");
    let mut meddler = Meddler::at(&access, "events.2", 10).await?;
    let mut taken = Vec::new();
    for _ in 0..10 {
        taken.push(meddler.next().await?);
    }
    for event in taken.iter().rev() {
        let properties = BasicProperties::default();
        meddler.publish(&exchange, event.routing_key.clone(), &element(event), properties).await?;
        event.ack(BasicAckOptions::default()).await?;
    }
    Ok(())
}

/// Takes tasks and publishes each twice.
async fn double(access: TenantAccess) -> Result<(), Cause> {
    let exchange = access.tenant.slices.rabbitmq.queue("tasks");
    let mut meddler = Meddler::at(&access, "tasks", 1).await?;
    for _ in 0..5 {
        let task = meddler.next().await?;
        for _ in 0..2 {
            let properties = BasicProperties::default();
            meddler.publish(&exchange, task.routing_key.clone(), &element(&task), properties).await?;
        }
        task.ack(BasicAckOptions::default()).await?;
    }
    Ok(())
}
