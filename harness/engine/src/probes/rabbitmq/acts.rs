//! Calls on the broker as tables write them, with names some of which stand for something of the pair's.

use std::time::Duration;

use bulkhead_model::{Outcome, Tenant};
use futures::StreamExt;
use lapin::{
    BasicProperties, Channel, Confirmation, ExchangeKind,
    message::Delivery,
    options::{
        BasicCancelOptions, BasicConsumeOptions, BasicGetOptions, BasicNackOptions, BasicPublishOptions,
        ConfirmSelectOptions, ExchangeBindOptions, ExchangeDeclareOptions, ExchangeDeleteOptions,
        QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions, QueuePurgeOptions,
    },
    types::{AMQPValue, FieldTable},
};

use crate::probes::{Pair, Side};

/// How long a consumer waits for a message that lies in its queue already.
const DELIVERED: Duration = Duration::from_secs(2);

/// What a consumer is called on its channel.
const TAG: &str = "bulkhead";

/// One call, or the few that go together. Each word is a name as [`Names::of`] reads it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Act {
    /// Declares a queue and a fanout exchange of the same name that feeds it, and empties the queue.
    Place(&'static str),
    /// Declares a queue.
    Queue(&'static str),
    /// Declares a queue that goes with its last consumer.
    Fleeting(&'static str),
    /// Declares a queue that only its own connection may use.
    Exclusive(&'static str),
    /// Declares a queue whose messages are dead at once and go to this exchange, with the key if there is one; and a
    /// fanout exchange that feeds it.
    Dying { name: &'static str, into: &'static str, key: Option<&'static str> },
    /// Declares a fanout exchange.
    Exchange(&'static str),
    /// Declares a fanout exchange whose messages go to another when nothing is bound to it.
    Spilling { name: &'static str, into: &'static str },
    /// Binds a queue to an exchange.
    Bind { queue: &'static str, exchange: &'static str, key: &'static str },
    /// Takes a binding away.
    Unbind { queue: &'static str, exchange: &'static str },
    /// Binds an exchange to another, which then feeds it.
    Route { into: &'static str, from: &'static str },
    /// Publishes the payload and waits for the broker's confirmation.
    Publish { exchange: &'static str, key: &'static str },
    /// Takes a message and gives it back.
    Get(&'static str),
    /// Consumes, gives the first message back and stops.
    Consume(&'static str),
    /// Begins to consume and stops at once.
    Leave(&'static str),
    /// Deletes the messages.
    Purge(&'static str),
    /// Deletes a queue.
    Delete(&'static str),
    /// Deletes an exchange.
    DeleteExchange(&'static str),
    /// Asks whether a queue is there, and how long it is.
    Find(&'static str),
    /// Asks whether an exchange is there.
    FindExchange(&'static str),
}

use Act::{
    Bind, Consume, Delete, DeleteExchange, Dying, Exchange, Exclusive, Find, FindExchange, Fleeting, Get,
    Leave, Place, Publish, Purge, Queue, Route, Spilling, Unbind,
};

impl Act {
    /// The words of what it may make.
    pub(super) fn words(&self) -> [&'static str; 2] {
        match self {
            Dying { name, into, .. } | Spilling { name, into } => [name, into],
            other => [other.name(), ""],
        }
    }

    /// The word of what it is mainly about.
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Place(name) | Queue(name) | Fleeting(name) | Exclusive(name) | Exchange(name) => name,
            Dying { name, .. } | Spilling { name, .. } => name,
            Bind { queue: name, .. } | Unbind { queue: name, .. } | Route { into: name, .. } => name,
            Publish { exchange: name, .. } | DeleteExchange(name) | FindExchange(name) => name,
            Get(name) | Consume(name) | Leave(name) | Purge(name) | Delete(name) | Find(name) => name,
        }
    }
}

/// The names that a word stands for in the vhost of `on` and that are `by`'s to remove there, whichever two of all tenants
/// make the probe: those of its own slice, and what it makes in another's vhost under its own name.
pub(super) fn names(word: &str, by: &Tenant, on: &Tenant, all: &[Tenant]) -> Vec<String> {
    let own = by.name == on.name;
    let (slice, name) = (&by.slices.rabbitmq, &by.name);
    match word.split_at_checked(1) {
        // It goes with its connection.
        Some((_, rest)) if rest.contains('#') => Vec::new(),
        Some(("~", rest)) if own && rest.contains('%') => {
            let begins =
                all.iter().map(|from| from.slices.rabbitmq.queues.as_deref().unwrap_or(from.name.as_str()));
            begins.map(|begin| slice.queue(&format!("bulkhead-{}", rest.replace('%', begin)))).collect()
        }
        Some(("~", rest)) if own => vec![slice.queue(&format!("bulkhead-{rest}"))],
        Some(("=", rest)) => {
            let sides = all.iter().filter(|side| own || side.name == on.name);
            sides.map(|side| slice.queue(&format!("bulkhead-{rest}-for-{}-of-{name}", side.name))).collect()
        }
        _ => Vec::new(),
    }
}

/// What words stand for on one side of a pair.
#[derive(Clone, Copy)]
pub(super) struct Names<'a> {
    pub(super) pair: &'a Pair<'a>,
    pub(super) side: Side,
}

impl Names<'_> {
    /// `~word` is of the side's slice, `=word` something that the probing tenant makes under a name of its own in the
    /// side's vhost, `%` in a word what the probing tenant's own names begin with, `#` what no other pair has; anything else
    /// stands for itself.
    pub(super) fn of(self, word: &str) -> String {
        let Self { pair, side } = self;
        let (own, name) = (&pair.from.tenant.slices.rabbitmq, &pair.from.tenant.name);
        match word.split_at_checked(1) {
            Some(("~", rest)) => {
                let begin = own.queues.as_deref().unwrap_or(name.as_str());
                let rest = rest.replace('%', begin).replace('#', &pair.serial().to_string());
                pair.tenant(side).slices.rabbitmq.queue(&format!("bulkhead-{rest}"))
            }
            // Another for each side, so that what was made for the control is nothing to the attempt.
            Some(("=", rest)) => {
                own.queue(&format!("bulkhead-{rest}-for-{}-of-{name}", pair.tenant(side).name))
            }
            _ => word.to_owned(),
        }
    }

    /// The act as one would say it.
    pub(super) fn text(self, act: &Act) -> String {
        let of = |word: &str| match self.of(word) {
            name if name.is_empty() => String::from("the default exchange"),
            name => format!("`{name}`"),
        };
        match act {
            Place(name) | Queue(name) | Fleeting(name) | Exclusive(name) => {
                format!("queue.declare {}", of(name))
            }
            Dying { name, into, key: None } => {
                format!("queue.declare {} with dead letters to {}", of(name), of(into))
            }
            Dying { name, into, key: Some(key) } => {
                format!("queue.declare {} with dead letters to {} for {}", of(name), of(into), of(key))
            }
            Exchange(name) => format!("exchange.declare {}", of(name)),
            Spilling { name, into } => format!("exchange.declare {} with alternate {}", of(name), of(into)),
            Bind { queue, exchange, key: "" } => format!("queue.bind {} to {}", of(queue), of(exchange)),
            Bind { queue, exchange, key } => {
                format!("queue.bind {} to {} for {}", of(queue), of(exchange), of(key))
            }
            Unbind { queue, exchange } => format!("queue.unbind {} from {}", of(queue), of(exchange)),
            Route { into, from } => format!("exchange.bind {} to {}", of(into), of(from)),
            Publish { exchange, key: "" } => format!("basic.publish to {}", of(exchange)),
            Publish { exchange, key } => format!("basic.publish to {} for {}", of(exchange), of(key)),
            Get(name) => format!("basic.get {}", of(name)),
            Consume(name) => format!("basic.consume {}", of(name)),
            Leave(name) => format!("basic.consume {}, basic.cancel", of(name)),
            Purge(name) => format!("queue.purge {}", of(name)),
            Delete(name) => format!("queue.delete {}", of(name)),
            DeleteExchange(name) => format!("exchange.delete {}", of(name)),
            Find(name) => format!("passive queue.declare {}", of(name)),
            FindExchange(name) => format!("passive exchange.declare {}", of(name)),
        }
    }

    /// Acts on the channel, and says what came of it.
    pub(super) async fn act(
        self,
        channel: &Channel,
        act: &Act,
        payload: &str,
    ) -> lapin::Result<(Outcome, String)> {
        let of = |word: &str| self.of(word);
        match *act {
            Place(_)
            | Queue(_)
            | Fleeting(_)
            | Exclusive(_)
            | Dying { .. }
            | Exchange(_)
            | Spilling { .. } => {
                self.declare(channel, act).await?;
            }
            Bind { queue, exchange, key } => bind(channel, &of(queue), &of(exchange), &of(key)).await?,
            Unbind { queue, exchange } => {
                channel.queue_unbind(of(queue).into(), of(exchange).into(), "".into(), none()).await?;
            }
            Route { into, from } => {
                let options = ExchangeBindOptions::default();
                channel.exchange_bind(of(into).into(), of(from).into(), "".into(), options, none()).await?;
            }
            Publish { exchange, key } => {
                return publish(channel, &of(exchange), &of(key), payload, BasicProperties::default()).await;
            }
            Get(queue) => return get(channel, &of(queue)).await,
            Consume(queue) => return consume(channel, &of(queue)).await,
            Leave(queue) => {
                let options = BasicConsumeOptions::default();
                channel.basic_consume(of(queue).into(), TAG.into(), options, none()).await?;
                channel.basic_cancel(TAG.into(), BasicCancelOptions::default()).await?;
            }
            Purge(queue) => {
                channel.queue_purge(of(queue).into(), QueuePurgeOptions::default()).await?;
            }
            // Deleting a queue that is not there is answered with OK as well; the owner knows the difference.
            Delete(queue) => {
                channel.queue_delete(of(queue).into(), QueueDeleteOptions::default()).await?;
            }
            DeleteExchange(exchange) => {
                channel.exchange_delete(of(exchange).into(), ExchangeDeleteOptions::default()).await?;
            }
            Find(queue) => {
                let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
                let found = channel.queue_declare(of(queue).into(), passive, none()).await?;
                let (messages, consumers) = (found.message_count(), found.consumer_count());
                return Ok((Outcome::Allowed, format!("{messages} messages, {consumers} consumers")));
            }
            FindExchange(exchange) => {
                let passive = ExchangeDeclareOptions { passive: true, ..ExchangeDeclareOptions::default() };
                channel.exchange_declare(of(exchange).into(), ExchangeKind::Fanout, passive, none()).await?;
            }
        }
        Ok((Outcome::Allowed, String::from("OK")))
    }

    async fn declare(self, channel: &Channel, act: &Act) -> lapin::Result<()> {
        let of = |word: &str| self.of(word);
        let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        match *act {
            Place(name) => {
                queue(channel, &of(name), durable, &[]).await?;
                channel.queue_purge(of(name).into(), QueuePurgeOptions::default()).await?;
                exchange(channel, &of(name), &[]).await?;
                bind(channel, &of(name), &of(name), "").await
            }
            Queue(name) => queue(channel, &of(name), durable, &[]).await,
            Fleeting(name) => {
                queue(channel, &of(name), QueueDeclareOptions { auto_delete: true, ..durable }, &[]).await
            }
            Exclusive(name) => {
                let options = QueueDeclareOptions { exclusive: true, ..QueueDeclareOptions::default() };
                queue(channel, &of(name), options, &[]).await
            }
            Dying { name, into, key } => {
                let mut arguments =
                    vec![("x-message-ttl", 0.into()), ("x-dead-letter-exchange", text(&of(into)))];
                arguments.extend(key.map(|key| ("x-dead-letter-routing-key", text(&of(key)))));
                queue(channel, &of(name), durable, &arguments).await?;
                exchange(channel, &of(name), &[]).await?;
                bind(channel, &of(name), &of(name), "").await
            }
            Exchange(name) => exchange(channel, &of(name), &[]).await,
            Spilling { name, into } => {
                exchange(channel, &of(name), &[("alternate-exchange", text(&of(into)))]).await
            }
            _ => Ok(()),
        }
    }
}

/// Publishes and waits for the broker's confirmation.
pub(super) async fn publish(
    channel: &Channel,
    exchange: &str,
    key: &str,
    payload: &str,
    properties: BasicProperties,
) -> lapin::Result<(Outcome, String)> {
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    let options = BasicPublishOptions::default();
    let sent = channel.basic_publish(exchange.into(), key.into(), options, payload.as_bytes(), properties);
    Ok(match sent.await?.await? {
        Confirmation::Ack(_) => (Outcome::Allowed, String::from("confirmed")),
        other => (Outcome::Unknown, format!("{other:?}")),
    })
}

async fn get(channel: &Channel, queue: &str) -> lapin::Result<(Outcome, String)> {
    match channel.basic_get(queue.into(), BasicGetOptions::default()).await? {
        None => Ok((Outcome::Invisible, String::from("empty"))),
        Some(message) => give_back(message.delivery).await,
    }
}

async fn consume(channel: &Channel, queue: &str) -> lapin::Result<(Outcome, String)> {
    let options = BasicConsumeOptions::default();
    let mut consumer = channel.basic_consume(queue.into(), TAG.into(), options, none()).await?;
    let got = match tokio::time::timeout(DELIVERED, consumer.next()).await {
        Ok(Some(delivery)) => give_back(delivery?).await?,
        Ok(None) => (Outcome::Unknown, String::from("the consumer was ended")),
        Err(_) => (Outcome::Invisible, format!("nothing within {DELIVERED:?}")),
    };
    channel.basic_cancel(TAG.into(), BasicCancelOptions::default()).await?;
    Ok(got)
}

async fn give_back(delivery: Delivery) -> lapin::Result<(Outcome, String)> {
    let payload = String::from_utf8_lossy(&delivery.data).into_owned();
    delivery.acker.nack(BasicNackOptions { requeue: true, ..BasicNackOptions::default() }).await?;
    Ok((Outcome::Allowed, payload))
}

async fn queue(
    channel: &Channel,
    name: &str,
    options: QueueDeclareOptions,
    arguments: &[(&str, AMQPValue)],
) -> lapin::Result<()> {
    channel.queue_declare(name.into(), options, table(arguments)).await.map(|_| ())
}

async fn exchange(channel: &Channel, name: &str, arguments: &[(&str, AMQPValue)]) -> lapin::Result<()> {
    let options = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    channel.exchange_declare(name.into(), ExchangeKind::Fanout, options, table(arguments)).await
}

async fn bind(channel: &Channel, queue: &str, exchange: &str, key: &str) -> lapin::Result<()> {
    let options = QueueBindOptions::default();
    channel.queue_bind(queue.into(), exchange.into(), key.into(), options, none()).await
}

fn none() -> FieldTable {
    FieldTable::default()
}

fn table(arguments: &[(&str, AMQPValue)]) -> FieldTable {
    let mut table = none();
    for (name, value) in arguments {
        table.insert((*name).into(), value.clone());
    }
    table
}

fn text(value: &str) -> AMQPValue {
    AMQPValue::LongString(value.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{seed::Seed, testing::tenant};

    #[test]
    fn words_stand_for_what_is_the_sides() {
        let (mut from, mut to) = (tenant("engine"), tenant("plane"));
        let words = ["~inbox", "=tap", "~to-%", "amq.topic", ""];
        let shown = |pair: &Pair<'_>| words.map(|word| Names { pair, side: Side::Foreign }.of(word));
        let separate = shown(&Pair::new(&from, &to, &Seed::new(1)));
        assert_eq!(
            separate,
            ["bulkhead-inbox", "bulkhead-tap-for-plane-of-engine", "bulkhead-to-engine", "amq.topic", ""]
        );
        from.tenant.slices.rabbitmq.queues = Some(String::from("engine:"));
        to.tenant.slices.rabbitmq.queues = Some(String::from("plane:"));
        let shared = shown(&Pair::new(&from, &to, &Seed::new(1)));
        assert_eq!(
            shared[..3],
            ["plane:bulkhead-inbox", "engine:bulkhead-tap-for-plane-of-engine", "plane:bulkhead-to-engine:"]
        );
    }

    #[test]
    fn whatever_a_word_makes_is_somebodys_to_remove() {
        for queues in [None, Some("bulkhead.0."), Some("NAME:")] {
            let all = ["engine", "plane", "tug"].map(|name| {
                let mut access = tenant(name);
                access.tenant.slices.rabbitmq.queues = queues.map(|queues| queues.replace("NAME", name));
                access
            });
            let tenants = all.clone().map(|access| access.tenant);
            for (from, to) in all.iter().flat_map(|from| all.iter().map(move |to| (from, to))) {
                let seed = Seed::new(1);
                let pair = Pair::new(from, to, &seed);
                for (side, word) in [Side::Own, Side::Foreign]
                    .map(|side| ["~inbox", "=tap", "~to-%"].map(|w| (side, w)))
                    .concat()
                {
                    let (made, on) = (Names { pair: &pair, side }.of(word), pair.tenant(side));
                    let removed = |by: &Tenant| names(word, by, on, &tenants).contains(&made);
                    assert!(removed(&from.tenant) || removed(on), "{made} in the vhost of {}", on.name);
                }
            }
        }
    }
}
