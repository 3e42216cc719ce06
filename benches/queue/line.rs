//! A queue with one who publishes to it and one who consumes it, each on a connection of its own.

use std::{
    collections::VecDeque,
    future::Future,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use bulkhead_target::{TenantAccess, clients};
use futures::StreamExt as _;
use lapin::{
    BasicProperties, Channel, Confirmation, Connection, Consumer,
    message::Delivery,
    options::{
        BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, ConfirmSelectOptions,
        QueueDeclareOptions, QueuePurgeOptions,
    },
    types::{AMQPValue, FieldTable},
};

/// Bytes of a message, unless they are what varies.
pub(crate) const MESSAGE: usize = 1024;

/// What a publisher leaves unconfirmed, and a consumer unacknowledged.
pub(crate) const WINDOW: u16 = 100;

/// What a stream keeps: it cannot be emptied.
const STREAM_BYTES: i64 = 32 * 1024 * 1024;

/// AMQP's marks of messages that do not outlive the broker, and of those that do.
const TRANSIENT: u8 = 1;
const PERSISTENT: u8 = 2;

/// What a queue is made of.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Classic,
    Quorum,
    Stream,
}

impl Kind {
    /// As the broker has it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Classic => "classic",
            Self::Quorum => "quorum",
            Self::Stream => "stream",
        }
    }
}

/// A queue, and the messages that go through it.
#[derive(Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) kind: Kind,
    /// Whether the queue and its messages outlive the broker.
    pub(crate) durable: bool,
    pub(crate) bytes: usize,
}

/// The default of every group.
pub(crate) const USUAL: Shape = Shape { kind: Kind::Classic, durable: true, bytes: MESSAGE };

/// The two ends of a queue.
pub(crate) struct Line {
    pub(crate) queue: String,
    shape: Shape,
    payload: Vec<u8>,
    pub(crate) publisher: Channel,
    pub(crate) consumer: Channel,
    _connections: [Connection; 2],
}

impl Line {
    /// Declares the queue, whose name is its tenant's prefix and this, and connects both ends.
    pub(crate) async fn open(access: &TenantAccess, name: &str, shape: Shape) -> Result<Self> {
        let (publishes, publisher) = channel(access).await?;
        publisher.confirm_select(ConfirmSelectOptions::default()).await.context("ask for confirms")?;
        let (consumes, consumer) = channel(access).await?;
        consumer.basic_qos(WINDOW, BasicQosOptions::default()).await.context("limit deliveries")?;
        let queue = access.tenant.slices.rabbitmq.queue(&format!("bench.{name}"));
        declare(&publisher, &queue, shape).await?;
        let payload = vec![b'm'; shape.bytes];
        Ok(Self { queue, shape, payload, publisher, consumer, _connections: [publishes, consumes] })
    }

    /// Publishes so many, of which at most so many are unconfirmed.
    pub(crate) async fn publish(&self, times: u64, window: u16) -> Result<()> {
        let mut unconfirmed = VecDeque::new();
        for _ in 0..times {
            if unconfirmed.len() == usize::from(window)
                && let Some(oldest) = unconfirmed.pop_front()
            {
                confirmed(oldest).await?;
            }
            unconfirmed
                .push_back(send(&self.publisher, "", &self.queue, &self.payload, self.properties()).await?);
        }
        for oldest in unconfirmed {
            confirmed(oldest).await?;
        }
        Ok(())
    }

    /// What a message of this line says of itself.
    pub(crate) fn properties(&self) -> BasicProperties {
        let mode = if self.shape.durable { PERSISTENT } else { TRANSIENT };
        BasicProperties::default().with_delivery_mode(mode)
    }

    pub(crate) fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// Begins to consume; a stream from what comes next.
    pub(crate) async fn tap(&self) -> Result<Consumer> {
        let mut arguments = FieldTable::default();
        if self.shape.kind == Kind::Stream {
            arguments.insert("x-stream-offset".into(), AMQPValue::LongString("next".into()));
        }
        let (queue, options) = (self.queue.as_str().into(), BasicConsumeOptions::default());
        let tapped = self.consumer.basic_consume(queue, "".into(), options, arguments).await;
        tapped.with_context(|| format!("consume `{}`", self.queue))
    }

    /// Takes so many and acknowledges every so many at once, and the last.
    pub(crate) async fn take(&self, deliveries: &mut Consumer, times: u64, every: u64) -> Result<()> {
        for number in 1..=times {
            let delivery = next(deliveries).await?;
            ensure!(delivery.data.len() == self.payload.len(), "a message of {} bytes", delivery.data.len());
            if number % every == 0 || number == times {
                acknowledge(&delivery, every > 1).await?;
            }
        }
        Ok(())
    }

    /// How long so many take from the publisher to their acknowledgement, both ends at once.
    pub(crate) async fn through(&self, deliveries: &mut Consumer, times: u64) -> Result<Duration> {
        let begun = Instant::now();
        futures::try_join!(self.publish(times, WINDOW), self.take(deliveries, times, 1))?;
        Ok(begun.elapsed())
    }

    /// Waits until the broker has done all that this channel sent it: it takes one thing after another.
    pub(crate) async fn settle(&self, channel: &Channel) -> Result<()> {
        let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let asked = channel.queue_declare(self.queue.as_str().into(), passive, FieldTable::default()).await;
        asked.map(drop).with_context(|| format!("look at the queue `{}`", self.queue))
    }

    /// Removes what was published, so that the broker's memory is bounded; a stream bounds itself.
    pub(crate) async fn empty(&self) -> Result<()> {
        if self.shape.kind == Kind::Stream {
            return Ok(());
        }
        let emptied =
            self.publisher.queue_purge(self.queue.as_str().into(), QueuePurgeOptions::default()).await;
        emptied.map(drop).with_context(|| format!("empty the queue `{}`", self.queue))
    }
}

/// A connection as the tenant, and a channel on it.
pub(crate) async fn channel(access: &TenantAccess) -> Result<(Connection, Channel)> {
    let connection = clients::rabbitmq::connect(access).await?;
    let channel = connection.create_channel().await.context("open a channel")?;
    Ok((connection, channel))
}

/// Makes a queue of that shape.
pub(crate) async fn declare(channel: &Channel, queue: &str, shape: Shape) -> Result<()> {
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), AMQPValue::LongString(shape.kind.name().into()));
    if shape.kind == Kind::Stream {
        arguments.insert("x-max-length-bytes".into(), AMQPValue::LongLongInt(STREAM_BYTES));
        arguments.insert("x-stream-max-segment-size-bytes".into(), AMQPValue::LongLongInt(STREAM_BYTES / 4));
    }
    let options = QueueDeclareOptions { durable: shape.durable, ..QueueDeclareOptions::default() };
    let declared = channel.queue_declare(queue.into(), options, arguments).await;
    declared.map(drop).with_context(|| format!("declare the queue `{queue}`"))
}

/// Publishes one; what comes of it is told later.
pub(crate) async fn send(
    channel: &Channel,
    exchange: &str,
    key: &str,
    payload: &[u8],
    properties: BasicProperties,
) -> Result<impl Future<Output = lapin::Result<Confirmation>> + use<>> {
    let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
    let sent = channel.basic_publish(exchange.into(), key.into(), options, payload, properties).await;
    sent.context("publish a message")
}

/// Waits until the broker has it.
pub(crate) async fn confirmed(sent: impl Future<Output = lapin::Result<Confirmation>>) -> Result<()> {
    match sent.await.context("wait for a confirm")? {
        Confirmation::Ack(None) => Ok(()),
        Confirmation::Ack(Some(returned)) => bail!("a message came back: {}", returned.reply_text),
        Confirmation::Nack(_) => bail!("the broker refused a message"),
        Confirmation::NotRequested => bail!("the channel gives no confirms"),
    }
}

/// The next message.
pub(crate) async fn next(deliveries: &mut Consumer) -> Result<Delivery> {
    deliveries.next().await.context("the broker ended the consumer")?.context("wait for a message")
}

/// Acknowledges it, and with it all before if they are not yet.
pub(crate) async fn acknowledge(delivery: &Delivery, multiple: bool) -> Result<()> {
    let written = delivery.ack(BasicAckOptions { multiple }).await.context("acknowledge a message")?;
    ensure!(written, "not acknowledged: the channel is closed");
    Ok(())
}
