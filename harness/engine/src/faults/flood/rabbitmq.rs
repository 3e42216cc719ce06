//! Messages as fast as the broker confirms them, into a queue that keeps the last thousand.

use bulkhead_model::Service;
use bulkhead_target::{Error, clients};
use lapin::{
    BasicProperties, ExchangeKind,
    options::{
        BasicPublishOptions, ConfirmSelectOptions, ExchangeDeclareOptions, ExchangeDeleteOptions,
        QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions,
    },
    types::{AMQPValue, FieldTable},
};

use super::Client;

/// Messages whose confirms are awaited together.
const AT_ONCE: u64 = 100;

/// Bytes of a message.
const SIZE: usize = 1024;

/// Messages that the queue keeps.
const KEPT: i32 = 1000;

pub(super) async fn flood(client: Client) -> Result<u64, Error> {
    let connection = clients::rabbitmq::connect(&client.access).await?;
    publish(client, &connection).await.map_err(Error::serve(Service::Rabbitmq, "flood it with messages"))
}

async fn publish(mut client: Client, connection: &lapin::Connection) -> lapin::Result<u64> {
    let channel = connection.create_channel().await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    // Through an exchange of its own, since the default one is closed to all where a vhost is shared.
    let name = client.access.tenant.slices.rabbitmq.queue(&client.name());
    let mut limited = FieldTable::default();
    limited.insert("x-max-length".into(), AMQPValue::LongInt(KEPT));
    channel.queue_declare(name.as_str().into(), QueueDeclareOptions::default(), limited).await?;
    let (kind, plain) = (ExchangeKind::Direct, ExchangeDeclareOptions::default());
    channel.exchange_declare(name.as_str().into(), kind, plain, FieldTable::default()).await?;
    let (queue, exchange, key) = (name.as_str().into(), name.as_str().into(), name.as_str().into());
    channel.queue_bind(queue, exchange, key, QueueBindOptions::default(), FieldTable::default()).await?;
    let body = vec![b'.'; SIZE];
    while client.goes_on() {
        let mut confirms = Vec::new();
        for _ in 0..AT_ONCE {
            let (exchange, key) = (name.as_str().into(), name.as_str().into());
            let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
            confirms.push(channel.basic_publish(exchange, key, options, &body, properties).await?);
        }
        for confirm in confirms {
            confirm.await?;
        }
        client.done += AT_ONCE;
    }
    channel.queue_delete(name.as_str().into(), QueueDeleteOptions::default()).await?;
    channel.exchange_delete(name.as_str().into(), ExchangeDeleteOptions::default()).await?;
    connection.close(200, "done".into()).await?;
    Ok(client.done)
}
