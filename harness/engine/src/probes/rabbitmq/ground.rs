//! What both tenants plant on RabbitMQ, and the one way in which the probing tenant asks there.

use std::future::Future;

use bulkhead_model::{Outcome, RabbitmqSlice, Service};
use bulkhead_target::{Error, TenantAccess, clients};
use lapin::{
    BasicProperties, Channel, Confirmation, Connection, ErrorKind, ExchangeKind,
    options::{
        BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, ExchangeDeclareOptions, QueueBindOptions,
        QueueDeclareOptions, QueuePurgeOptions,
    },
    types::FieldTable,
};

use crate::probes::{
    Pair,
    answer::{Answer, cause, chain},
};

/// The most messages that an owner looks through for what a probe published.
const LOOK_MAX: usize = 100;

/// Both slices hold a queue with one message, an exchange that feeds it, and an empty queue.
pub(super) struct Ground {
    /// The probing tenant's connection to its own vhost.
    pub own: Connection,
    /// The neighbour's own connection to its vhost.
    pub victim: Connection,
}

impl Ground {
    /// Plants on both sides, each by its owner.
    ///
    /// # Errors
    /// When a tenant cannot work in its own slice.
    pub(super) async fn plant(pair: &Pair<'_>) -> Result<Self, Error> {
        let (own, victim) = tokio::join!(plant(pair.from, pair.own()), plant(pair.to, pair.canary()));
        Ok(Self { own: own?, victim: victim? })
    }
}

/// The queue that holds the planted message.
pub(super) fn queue(slice: &RabbitmqSlice) -> String {
    slice.queue("bulkhead-canary")
}

/// An empty queue.
pub(super) fn empty(slice: &RabbitmqSlice) -> String {
    slice.queue("bulkhead-empty")
}

/// The exchange that feeds [`queue`]. In a vhost that tenants share, the default exchange is open to none of them.
pub(super) fn exchange(slice: &RabbitmqSlice) -> String {
    slice.queue("bulkhead-exchange")
}

/// Makes one call as the probing tenant, on a channel of its own in the vhost of `on`.
pub(super) async fn ask<F>(
    pair: &Pair<'_>,
    on: &TenantAccess,
    what: &str,
    call: impl FnOnce(Channel) -> F,
) -> Answer
where
    F: Future<Output = lapin::Result<(Outcome, String)>>,
{
    let vhost = &on.tenant.slices.rabbitmq.vhost;
    let user = &pair.from.connections.rabbitmq.user;
    let mut access = pair.from.clone();
    access.connections.rabbitmq.vhost.clone_from(vhost);
    Answer::of(format!("{what} in vhost `{vhost}` as `{user}`"), async {
        let connection = match clients::rabbitmq::connect(&access).await {
            Ok(connection) => connection,
            Err(error) => return read_error(&error),
        };
        let made = match connection.create_channel().await {
            Ok(channel) => call(channel).await,
            Err(error) => Err(error),
        };
        made.unwrap_or_else(|error| read_error(&error))
    })
    .await
}

/// Publishes and waits for the broker's confirmation.
pub(super) async fn publish(channel: &Channel, exchange: &str, payload: &str) -> lapin::Result<Confirmation> {
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
    let sent =
        channel.basic_publish(exchange.into(), "".into(), options, payload.as_bytes(), properties).await?;
    sent.await
}

/// Whether the owner finds this payload in its queue. Takes the messages out as it looks.
///
/// # Errors
/// When the owner cannot read its own queue.
pub(super) async fn holds(owner: &Connection, slice: &RabbitmqSlice, payload: &str) -> Result<bool, Error> {
    let look = async {
        let channel = owner.create_channel().await?;
        for _ in 0..LOOK_MAX {
            let got = channel.basic_get(queue(slice).into(), BasicGetOptions { no_ack: true }).await?;
            match got {
                None => return Ok(false),
                Some(message) if message.delivery.data == payload.as_bytes() => return Ok(true),
                Some(_) => {}
            }
        }
        Ok(false)
    };
    look.await.map_err(Error::serve::<lapin::Error>(
        Service::Rabbitmq,
        format!("look through the queue in {slice}"),
    ))
}

/// Whether the owner finds its queue.
///
/// # Errors
/// When the owner is not told.
pub(super) async fn exists(owner: &Connection, slice: &RabbitmqSlice) -> Result<bool, Error> {
    let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
    let look = async {
        let channel = owner.create_channel().await?;
        channel.queue_declare(queue(slice).into(), passive, FieldTable::default()).await
    };
    match look.await {
        Ok(_) => Ok(true),
        Err(error) if read_error(&error).0 == Outcome::Invisible => Ok(false),
        Err(error) => Err(Error::serve(Service::Rabbitmq, format!("look for the queue in {slice}"))(error)),
    }
}

/// The command that limits the probing tenant to what it owns.
pub(super) fn limit(pair: &Pair<'_>) -> String {
    let user = &pair.from.connections.rabbitmq.user;
    let (own, other) = (&pair.from.tenant.slices.rabbitmq, &pair.to.tenant.slices.rabbitmq);
    if own.vhost != other.vhost {
        return format!("rabbitmqctl clear_permissions -p '{}' '{user}'", other.vhost);
    }
    let prefix = own.queues.as_deref().unwrap_or_default();
    format!("rabbitmqctl set_permissions -p '{}' '{user}' '^{prefix}' '^{prefix}' '^{prefix}'", own.vhost)
}

async fn plant(owner: &TenantAccess, token: &str) -> Result<Connection, Error> {
    let slice = &owner.tenant.slices.rabbitmq;
    let connection = clients::rabbitmq::connect(owner).await?;
    let planted = async {
        let channel = connection.create_channel().await?;
        let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        let (queue, exchange) = (queue(slice), exchange(slice));
        for name in [queue.as_str(), &empty(slice)] {
            channel.queue_declare(name.into(), durable, FieldTable::default()).await?;
            channel.queue_purge(name.into(), QueuePurgeOptions::default()).await?;
        }
        let options = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
        channel
            .exchange_declare(exchange.as_str().into(), ExchangeKind::Fanout, options, FieldTable::default())
            .await?;
        let options = QueueBindOptions::default();
        channel
            .queue_bind(queue.into(), exchange.as_str().into(), "".into(), options, FieldTable::default())
            .await?;
        publish(&channel, &exchange, token).await
    };
    let doing = || format!("plant a canary for `{}` in {slice}", owner.tenant.name);
    match planted.await {
        Ok(Confirmation::Ack(_)) => Ok(connection),
        Ok(other) => {
            Err(Error::serve(Service::Rabbitmq, doing())(format!("the broker did not confirm: {other:?}")))
        }
        Err(error) => Err(Error::serve(Service::Rabbitmq, doing())(error)),
    }
}

/// What an error says about isolation: refused, not there, or nothing at all.
fn read_error(error: &(dyn std::error::Error + 'static)) -> (Outcome, String) {
    let answered = cause::<lapin::Error>(error).and_then(|error| match error.kind() {
        ErrorKind::ProtocolError(refusal) => Some(refusal),
        _ => None,
    });
    match answered {
        None => (Outcome::Unknown, chain(error)),
        Some(refusal) => {
            let outcome = match refusal.get_id() {
                // ACCESS_REFUSED; NOT_ALLOWED, which is the answer to opening a vhost without a permission there.
                403 | 530 => Outcome::Denied,
                404 => Outcome::Invisible,
                _ => Outcome::Unknown,
            };
            (outcome, format!("{} {}", refusal.get_id(), refusal.get_message()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{seed::Seed, testing::tenant};

    #[test]
    fn the_fix_is_for_the_way_of_sharing() {
        let (mut from, mut to) = (tenant("engine"), tenant("plane"));
        let separate = limit(&Pair::new(&from, &to, &Seed::new(1)));
        assert_eq!(separate, "rabbitmqctl clear_permissions -p '/plane' 'engine'");
        for access in [&mut from, &mut to] {
            access.tenant.slices.rabbitmq.vhost = String::from("one");
        }
        from.tenant.slices.rabbitmq.queues = Some(String::from("engine:"));
        let shared = limit(&Pair::new(&from, &to, &Seed::new(1)));
        assert!(shared.contains("-p 'one' 'engine' '^engine:'"), "{shared}");
    }

    #[tokio::test]
    async fn a_broker_that_is_not_there_proves_nothing() {
        let (from, to) = (tenant("engine"), tenant("plane"));
        let pair = Pair::new(&from, &to, &Seed::new(1));
        let answer = ask(&pair, &to, "basic.get", |_| async { Ok((Outcome::Allowed, String::new())) }).await;
        assert_eq!(answer.outcome, Outcome::Unknown, "{}", answer.text());
    }
}
