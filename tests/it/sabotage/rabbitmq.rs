//! What somebody with the tenant's own access to RabbitMQ can break behind its workloads' backs.

use bulkhead_model::{
    Verdict, answer_to,
    history::{Event, EventKind},
};
use bulkhead_target::{TenantAccess, clients};
use futures::StreamExt;
use lapin::{
    BasicProperties, Channel, Connection, Consumer, ExchangeKind,
    message::Delivery,
    options::{
        BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, ExchangeDeclareOptions,
        QueueBindOptions, QueueDeclareOptions,
    },
    types::{FieldTable, ShortString},
};

use super::{case, fails, judge, meddled};

/// Somebody who takes from a queue of the tenant's, as its own consumers do.
struct Meddler {
    _connection: Connection,
    channel: Channel,
    deliveries: Consumer,
}

impl Meddler {
    /// Holds so many deliveries unacknowledged at most.
    async fn at(access: &TenantAccess, queue: &str, holds: u16) -> Self {
        let connection = clients::rabbitmq::connect(access).await.unwrap();
        let channel = connection.create_channel().await.unwrap();
        let queue = ShortString::from(access.tenant.slices.rabbitmq.queue(queue));
        // It may come before the workload, which declares it alike.
        let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        channel.queue_declare(queue.clone(), durable, FieldTable::default()).await.unwrap();
        channel.basic_qos(holds, BasicQosOptions::default()).await.unwrap();
        let options = BasicConsumeOptions::default();
        let deliveries = channel.basic_consume(queue, "".into(), options, FieldTable::default()).await;
        Self { _connection: connection, channel, deliveries: deliveries.unwrap() }
    }

    async fn next(&mut self) -> Delivery {
        self.deliveries.next().await.unwrap().unwrap()
    }

    async fn publish(&self, exchange: &str, key: ShortString, payload: &str, properties: BasicProperties) {
        let (exchange, options) = (exchange.into(), BasicPublishOptions::default());
        let published =
            self.channel.basic_publish(exchange, key, options, payload.as_bytes(), properties).await;
        let _no_confirm = published.unwrap().await.unwrap();
    }
}

async fn acknowledge(delivery: &Delivery) {
    delivery.ack(BasicAckOptions::default()).await.unwrap();
}

/// What a message of a workload begins with.
fn element(delivery: &Delivery) -> String {
    String::from_utf8_lossy(&delivery.data).split(' ').next().unwrap().to_owned()
}

/// Takes tasks and does none of them.
async fn steal(access: TenantAccess) {
    let mut meddler = Meddler::at(&access, "tasks", 1).await;
    for _ in 0..10 {
        acknowledge(&meddler.next().await).await;
    }
}

/// It takes the workload's whole patience: only then are the tasks given up.
#[tokio::test]
async fn a_task_that_another_took_is_lost() {
    fails("rabbitmq.tasks", "nothing-lost", "were never taken", steal).await;
}

/// Takes requests in pairs and replies to each with what `answers` makes of both.
async fn answer(access: TenantAccess, answers: impl Fn([&Delivery; 2]) -> [(String, ShortString); 2] + Send) {
    let exchange = access.tenant.slices.rabbitmq.queue("calls");
    let mut meddler = Meddler::at(&access, "calls", 2).await;
    for _ in 0..5 {
        let asked = [meddler.next().await, meddler.next().await];
        let replies = answers([&asked[0], &asked[1]]);
        for (request, (reply, id)) in asked.iter().zip(replies) {
            let caller = request.properties.reply_to().clone().unwrap();
            let properties = BasicProperties::default().with_correlation_id(id);
            meddler.publish(&exchange, caller, &reply, properties).await;
            acknowledge(request).await;
        }
    }
}

fn id(delivery: &Delivery) -> ShortString {
    delivery.properties.correlation_id().clone().unwrap()
}

#[tokio::test]
async fn a_wrong_answer_is_no_answer() {
    let wrong = |asked: [&Delivery; 2]| asked.map(|request| (String::from("engine.wrong"), id(request)));
    let sabotage = |access| answer(access, wrong);
    let says = "got `engine.wrong`";
    fails("rabbitmq.calls", "replies-match", says, sabotage).await;
}

#[tokio::test]
async fn replies_with_each_others_ids_come_unasked() {
    let swapped = |[one, other]: [&Delivery; 2]| {
        [(answer_to(&element(one)), id(other)), (answer_to(&element(other)), id(one))]
    };
    let sabotage = |access| answer(access, swapped);
    fails("rabbitmq.calls", "replies-match", "came to who had not asked", sabotage).await;
}

/// Returns when somebody consumes the queue: whoever does has bound it.
async fn until_consumed(channel: &Channel, queue: &ShortString) {
    let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    // Declared alike, so that it is answered before the workload has declared it, too.
    let consumers = async || {
        let queue = channel.queue_declare(queue.clone(), durable, FieldTable::default()).await;
        queue.unwrap().consumer_count()
    };
    while consumers().await == 0 {}
}

/// Takes a subscriber's queue away from the exchange while many events are announced.
async fn unbind(access: TenantAccess) {
    let name = |name: &str| ShortString::from(access.tenant.slices.rabbitmq.queue(name));
    let (exchange, queue, pattern) = (name("events"), name("events.2"), ShortString::from("event.*"));
    let mut meddler = Meddler::at(&access, "meddler", 1).await;
    let channel = meddler.channel.clone();
    // It may come before the workload, which declares it alike.
    let durable = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    let topic =
        channel.exchange_declare(exchange.clone(), ExchangeKind::Topic, durable, FieldTable::default());
    topic.await.unwrap();
    let bind = |queue| {
        let (options, table) = (QueueBindOptions::default(), FieldTable::default());
        channel.queue_bind(queue, exchange.clone(), pattern.clone(), options, table)
    };
    bind(name("meddler")).await.unwrap();
    acknowledge(&meddler.next().await).await;
    until_consumed(&channel, &queue).await;
    let unbound =
        channel.queue_unbind(queue.clone(), exchange.clone(), pattern.clone(), FieldTable::default());
    unbound.await.unwrap();
    for _ in 0..30 {
        acknowledge(&meddler.next().await).await;
    }
    bind(queue).await.unwrap();
}

/// It takes the workload's whole patience: only then are the events given up.
#[tokio::test]
async fn an_event_that_one_subscriber_never_got_is_lost() {
    fails("rabbitmq.events", "nothing-lost", " first by subscriber 2, handed over by ", unbind).await;
}

/// Takes items from the middle of the pipeline and passes none of them on.
async fn divert(access: TenantAccess) {
    let mut meddler = Meddler::at(&access, "pipeline.2", 1).await;
    for _ in 0..10 {
        acknowledge(&meddler.next().await).await;
    }
}

/// It takes the workload's whole patience: only then are the items given up.
#[tokio::test]
async fn an_item_that_left_the_pipeline_early_is_lost() {
    let says = ", last passed on by worker 1 of stage 1 at ";
    fails("rabbitmq.pipeline", "nothing-lost", says, divert).await;
}

/// Takes away the way into a queue that is being consumed.
async fn lose_the_binding(access: TenantAccess) {
    let name = ShortString::from(access.tenant.slices.rabbitmq.queue("pipeline.2"));
    let connection = clients::rabbitmq::connect(&access).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    until_consumed(&channel, &name).await;
    channel.queue_unbind(name.clone(), name.clone(), name.clone(), FieldTable::default()).await.unwrap();
}

/// As a broker that was killed may have lost it, where it was made shortly before.
#[tokio::test]
async fn a_binding_that_is_gone_is_made_again_by_whoever_consumes_anew() {
    let case = case(
        "title: A binding is gone\nwhy: Whoever consumes anew makes it again.\ntags: [chaos]\ntenants: [engine]\n\
         workload: [{ rabbitmq.pipeline: { stages: 2, rate: 60/s } }]\nrun-for: 4s\n\
         faults: [{ terminate: { service: rabbitmq, at: 2s, for: 500ms } }]\nexpect: [nothing-lost]\n",
    );
    let run = meddled(case, lose_the_binding).await;
    let came_back =
        |event: &&Event| matches!(&event.kind, EventKind::Ended(ended) if ended.detail.contains("NO_ROUTE"));
    assert!(run.history.iter().any(|event| came_back(&event)), "the binding was never gone");
    let report = judge(&run);
    assert_eq!(report.verdict, Verdict::Pass, "{}", report.evidence);
}
