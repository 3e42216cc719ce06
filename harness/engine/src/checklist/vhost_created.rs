//! "RabbitMQ vhost created": the tenant's user opens its vhost, and a message goes through a queue of its own there.

use bulkhead_model::{Item, RabbitmqSlice, Service};
use bulkhead_target::{Error, clients};
use lapin::{
    BasicProperties, Connection, ExchangeKind,
    options::{
        BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, ExchangeDeclareOptions,
        ExchangeDeleteOptions, QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions,
    },
    types::FieldTable,
};
use tokio::time::Instant;

use super::{ChecklistItem, Examination, Examining, NotDone, RoundTrips};

pub(super) struct VhostCreated;

impl ChecklistItem for VhostCreated {
    fn item(&self) -> Item {
        Item::VhostCreated
    }

    fn examine<'a>(&'a self, examination: &'a Examination<'a>) -> Examining<'a> {
        Box::pin(async move {
            let slice = &examination.access.tenant.slices.rabbitmq;
            let url = &examination.access.connections.rabbitmq;
            if url.vhost != slice.vhost {
                let reason = format!("the URL means vhost `{}`, the topology `{}`", url.vhost, slice.vhost);
                let path = slice.vhost.replace('%', "%25").replace('/', "%2F");
                return Err(NotDone::new(reason, format!("write the path of the AMQP URL as `/{path}`")));
            }
            let names = slice.pattern();
            let create = format!(
                "rabbitmqctl add_vhost '{0}'; rabbitmqctl set_permissions -p '{0}' '{1}' '{names}' '{names}' '{names}'; \
             the password in the URL must be that user's",
                slice.vhost, url.user
            );
            let not_done = |error: Error| NotDone::of(&error, create.clone());
            let connection = clients::rabbitmq::connect(examination.access).await.map_err(not_done)?;
            let work = work(&connection, slice).await;
            let trips = work
                .map_err(Error::serve(Service::Rabbitmq, format!("work in {slice}")))
                .map_err(not_done)?;
            let server = examination.server(Service::Rabbitmq).await?;
            Ok(format!("{server}, {slice}, message confirmed and received, {}", trips.text()))
        })
    }
}

/// Sends a message through an exchange and a queue of the tenant's own, and measures. Goes through an exchange because
/// in a vhost that tenants share the default one is open to none of them.
async fn work(connection: &Connection, slice: &RabbitmqSlice) -> lapin::Result<RoundTrips> {
    let channel = connection.create_channel().await?;
    let (queue, exchange) = (slice.queue("bulkhead-checklist"), slice.queue("bulkhead-checklist-in"));
    let none = FieldTable::default;
    let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    channel.queue_declare(queue.as_str().into(), durable, none()).await?;
    let fanout = ExchangeKind::Fanout;
    channel
        .exchange_declare(exchange.as_str().into(), fanout, ExchangeDeclareOptions::default(), none())
        .await?;
    let bind = QueueBindOptions::default();
    channel.queue_bind(queue.as_str().into(), exchange.as_str().into(), "".into(), bind, none()).await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    let mut trips = RoundTrips::new();
    while trips.wanted() {
        let begun = Instant::now();
        let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
        let sent = channel
            .basic_publish(exchange.as_str().into(), "".into(), options, b"written", properties)
            .await?;
        sent.await?;
        trips.took(begun);
    }
    let got = channel.basic_get(queue.as_str().into(), BasicGetOptions { no_ack: true }).await?;
    channel.queue_delete(queue.into(), QueueDeleteOptions::default()).await?;
    channel.exchange_delete(exchange.into(), ExchangeDeleteOptions::default()).await?;
    match got {
        Some(message) if message.delivery.data == b"written" => Ok(trips),
        _ => Err(std::io::Error::other("the confirmed message was not in the queue").into()),
    }
}
