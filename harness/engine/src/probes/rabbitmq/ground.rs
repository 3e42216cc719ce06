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
    Pair, Side,
    answer::{Answer, cause, chain},
};

/// The most messages that an owner looks through for what a probe published.
const LOOK_MAX: usize = 100;

/// Both slices hold a queue with one message, an exchange that feeds it, and an empty queue.
pub(crate) struct Ground {
    /// The probing tenant in its own vhost.
    own: Connection,
    /// The neighbour in its own vhost.
    neighbour: Option<Connection>,
    /// The probing tenant in the neighbour's vhost, or how it was kept out.
    foreign: Result<Connection, (Outcome, String)>,
}

impl Ground {
    /// Plants on both sides, each by its owner.
    ///
    /// # Errors
    /// When a tenant cannot work in its own slice.
    pub(crate) async fn plant(pair: &Pair<'_>) -> Result<Self, Error> {
        let neighbour = async {
            match pair.owner(Side::Foreign) {
                None => Ok(None),
                Some(access) => plant(access, pair.canary()).await.map(Some),
            }
        };
        let (own, neighbour) = tokio::join!(plant(pair.from, pair.planted(Side::Own)), neighbour);
        let (own, neighbour) = (own?, neighbour?);
        let mut access = pair.from.clone();
        access.connections.rabbitmq.vhost.clone_from(&pair.to.slices.rabbitmq.vhost);
        let foreign = clients::rabbitmq::connect(&access).await.map_err(|error| read_error(&error));
        Ok(Self { own, neighbour, foreign })
    }

    /// The owner's own connection to the side's slice.
    pub(super) fn owner(&self, side: Side) -> Option<&Connection> {
        match side {
            Side::Own => Some(&self.own),
            Side::Foreign => self.neighbour.as_ref(),
        }
    }

    /// Makes one call as the probing tenant, on a channel of its own in the side's vhost. Where it was kept out of that,
    /// this is the answer.
    pub(super) async fn ask<F>(
        &self,
        pair: &Pair<'_>,
        side: Side,
        what: String,
        call: impl FnOnce(Channel) -> F,
    ) -> Answer
    where
        F: Future<Output = lapin::Result<(Outcome, String)>>,
    {
        let (vhost, user) = (&pair.tenant(side).slices.rabbitmq.vhost, &pair.from.connections.rabbitmq.user);
        let connection = match side {
            Side::Own => Ok(&self.own),
            Side::Foreign => self.foreign.as_ref(),
        };
        Answer::of(format!("{what} in vhost `{vhost}` as `{user}`"), async {
            let connection = match connection {
                Ok(connection) => connection,
                Err((outcome, text)) => return (*outcome, format!("not let in: {text}")),
            };
            let made = match connection.create_channel().await {
                Ok(channel) => call(channel).await,
                Err(error) => Err(error),
            };
            made.unwrap_or_else(|error| read_error(&error))
        })
        .await
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

/// A queue that a delete probe may take; no other looks at it.
pub(super) fn doomed(slice: &RabbitmqSlice) -> String {
    slice.queue("bulkhead-doomed")
}

/// The queue that [`exchange`] feeds.
pub(super) fn inbox(slice: &RabbitmqSlice) -> String {
    slice.queue("bulkhead-inbox")
}

/// The exchange that feeds [`inbox`]. In a vhost that tenants share, the default exchange is open to none of them.
pub(super) fn exchange(slice: &RabbitmqSlice) -> String {
    slice.queue("bulkhead-exchange")
}

/// Publishes and waits for the broker's confirmation.
pub(super) async fn publish(channel: &Channel, exchange: &str, payload: &str) -> lapin::Result<Confirmation> {
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
    let sent =
        channel.basic_publish(exchange.into(), "".into(), options, payload.as_bytes(), properties).await?;
    sent.await
}

/// Whether the owner finds this payload in the queue. Takes the messages out as it looks.
///
/// # Errors
/// When the owner cannot read its own queue.
pub(super) async fn holds(
    owner: &Connection,
    slice: &RabbitmqSlice,
    queue: &str,
    payload: &str,
) -> Result<bool, Error> {
    let look = async {
        let channel = owner.create_channel().await?;
        for _ in 0..LOOK_MAX {
            let got = channel.basic_get(queue.into(), BasicGetOptions { no_ack: true }).await?;
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
        format!("look through `{queue}` in {slice}"),
    ))
}

/// Whether the owner finds this queue.
///
/// # Errors
/// When the owner is not told.
pub(super) async fn exists(owner: &Connection, slice: &RabbitmqSlice, queue: &str) -> Result<bool, Error> {
    let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
    let look = async {
        let channel = owner.create_channel().await?;
        channel.queue_declare(queue.into(), passive, FieldTable::default()).await
    };
    match look.await {
        Ok(_) => Ok(true),
        Err(error) if read_error(&error).0 == Outcome::Invisible => Ok(false),
        Err(error) => Err(Error::serve(Service::Rabbitmq, format!("look for `{queue}` in {slice}"))(error)),
    }
}

/// The command that limits the probing tenant to what it owns.
pub(super) fn limit(pair: &Pair<'_>) -> String {
    let user = &pair.from.connections.rabbitmq.user;
    let (own, other) = (&pair.from.tenant.slices.rabbitmq, &pair.to.slices.rabbitmq);
    if own.vhost != other.vhost {
        return format!("rabbitmqctl clear_permissions -p '{}' '{user}'", other.vhost);
    }
    let prefix = own.queues.as_deref().unwrap_or_default();
    format!("rabbitmqctl set_permissions -p '{}' '{user}' '^{prefix}' '^{prefix}' '^{prefix}'", own.vhost)
}

async fn plant(owner: &TenantAccess, token: String) -> Result<Connection, Error> {
    let slice = &owner.tenant.slices.rabbitmq;
    let connection = clients::rabbitmq::connect(owner).await?;
    let planted = async {
        let channel = connection.create_channel().await?;
        let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        let none = FieldTable::default;
        for name in [queue(slice), empty(slice), inbox(slice), doomed(slice)] {
            channel.queue_declare(name.as_str().into(), durable, none()).await?;
            channel.queue_purge(name.into(), QueuePurgeOptions::default()).await?;
        }
        let options = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
        let (exchange, seeding) = (exchange(slice), slice.queue("bulkhead-seeding"));
        for (exchange, queue) in [(&exchange, inbox(slice)), (&seeding, queue(slice))] {
            let kind = ExchangeKind::Fanout;
            channel.exchange_declare(exchange.as_str().into(), kind, options, none()).await?;
            let bind = QueueBindOptions::default();
            channel.queue_bind(queue.into(), exchange.as_str().into(), "".into(), bind, none()).await?;
        }
        publish(&channel, &seeding, &token).await
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
        assert!(Ground::plant(&pair).await.is_err());
        let error = clients::rabbitmq::connect(&from).await.unwrap_err();
        assert_eq!(read_error(&error).0, Outcome::Unknown, "{}", error.chain());
    }
}
