//! What somebody with the tenant's login does to its queues behind a workload's back.

use bulkhead_target::{TenantAccess, clients};
use futures::StreamExt;
use lapin::{
    options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions, QueueDeclareOptions},
    types::FieldTable,
};

use super::fails;

/// Takes tasks and does none of them.
async fn steal(access: TenantAccess) {
    let connection = clients::rabbitmq::connect(&access).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    let queue = access.tenant.slices.rabbitmq.queue("tasks");
    // It may come before the workload, which declares it alike.
    let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    channel.queue_declare(queue.as_str().into(), durable, FieldTable::default()).await.unwrap();
    channel.basic_qos(1, BasicQosOptions::default()).await.unwrap();
    let options = BasicConsumeOptions::default();
    let consumer =
        channel.basic_consume(queue.as_str().into(), "".into(), options, FieldTable::default()).await;
    let mut taken = consumer.unwrap().take(10);
    while let Some(delivery) = taken.next().await {
        delivery.unwrap().ack(BasicAckOptions::default()).await.unwrap();
    }
    connection.close(200, "done".into()).await.unwrap();
}

/// It takes the workload's whole patience: only then are the tasks given up.
#[tokio::test]
async fn a_task_that_another_took_is_lost() {
    fails("rabbitmq.tasks", "nothing-lost", "were never taken", steal).await;
}
