//! Messages that somebody waits for: from one end to the other, to an answer, to many.

use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use criterion::Throughput;
use lapin::{
    BasicProperties, Channel, Connection, Consumer, ExchangeKind,
    options::{BasicConsumeOptions, ConfirmSelectOptions, ExchangeDeclareOptions, QueueBindOptions},
    types::FieldTable,
};
use tokio::task::AbortHandle;

use crate::{
    line::{Line, USUAL, acknowledge, channel, confirmed, declare, next, send},
    measure::{Bench, Place},
    variants::{one_at_a_time, tapped},
};

/// The queue that is none: replies come to the channel that asked.
const DIRECT_REPLY_TO: &str = "amq.rabbitmq.reply-to";

/// Queues of an exchange.
const QUEUES: [u64; 3] = [1, 4, 16];

/// How long a message takes from its publisher to its consumer, and the confirm back.
pub(crate) fn end_to_end(bench: &mut Bench) {
    let says = "from publishing until the consumer has acknowledged and the publisher has its confirm, one message at a time; \
                durable classic queue, 1 KiB, TLS, direct";
    let mut group = bench.group("queue/end-to-end", says);
    let line = async |place: &Place| tapped(place, "end-to-end", USUAL, false).await;
    group.figure("one-at-a-time", Throughput::Elements(1), line, async |(line, deliveries), times| {
        let begun = Instant::now();
        one_at_a_time(line, deliveries, times).await?;
        Ok(begun.elapsed())
    });
    group.finish();
}

/// One who asks, and one who answers.
struct Call {
    line: Line,
    /// Where replies come from, on the asker's channel.
    replies: Consumer,
    reply_to: String,
    asked: u64,
    answerer: AbortHandle,
}

impl Drop for Call {
    fn drop(&mut self) {
        self.answerer.abort();
    }
}

/// How long a question takes.
pub(crate) fn request_reply(bench: &mut Bench) {
    let says = "from a request until its reply, one at a time, the reply by a queue of the caller's own and by direct reply-to; \
                classic queues, 1 KiB each way, TLS, direct";
    let mut group = bench.group("queue/request-reply", says);
    for (name, own) in [("own-queue", true), ("direct-reply-to", false)] {
        group.figure(
            name,
            Throughput::Elements(1),
            async |place| call(place, own).await,
            async |call, times| {
                let begun = Instant::now();
                for _ in 0..times {
                    ask(call).await?;
                }
                Ok(begun.elapsed())
            },
        );
    }
    group.finish();
}

async fn call(place: &Place, own: bool) -> Result<Call> {
    let line = Line::open(&place.direct, "requests", USUAL).await?;
    let reply_to = match own {
        true => place.direct.tenant.slices.rabbitmq.queue("bench.replies"),
        false => DIRECT_REPLY_TO.to_owned(),
    };
    if own {
        declare(&line.publisher, &reply_to, USUAL).await?;
    }
    let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
    let (queue, none) = (reply_to.as_str().into(), FieldTable::default());
    let replies = line.publisher.basic_consume(queue, "".into(), options, none).await;
    let replies = replies.with_context(|| format!("consume `{reply_to}`"))?;
    let (requests, answers) = (line.tap().await?, line.consumer.clone());
    // When it fails, the caller waits in vain and says so.
    let answerer = tokio::spawn(async move { answer(requests, answers).await.is_ok() }).abort_handle();
    Ok(Call { line, replies, reply_to, asked: 0, answerer })
}

async fn ask(call: &mut Call) -> Result<()> {
    call.asked += 1;
    let id = call.asked.to_string();
    let line = &call.line;
    let properties = line.properties().with_reply_to(call.reply_to.as_str().into());
    let properties = properties.with_correlation_id(id.as_str().into());
    let sent = send(&line.publisher, "", &line.queue, line.payload(), properties).await?;
    let reply = next(&mut call.replies).await?;
    let answers = reply.properties.correlation_id().as_ref().map(|id| id.as_str());
    ensure!(answers == Some(&id), "the reply to {answers:?} came where {id} was asked");
    confirmed(sent).await
}

/// Sends each request back to whoever asked.
async fn answer(mut requests: Consumer, channel: Channel) -> Result<()> {
    loop {
        let request = next(&mut requests).await?;
        let to = request.properties.reply_to().clone().context("a request without `reply_to`")?;
        let id = request.properties.correlation_id().clone().context("a request without an id")?;
        let properties = BasicProperties::default().with_correlation_id(id);
        let _no_confirm = send(&channel, "", to.as_str(), &request.data, properties).await?;
        acknowledge(&request, false).await?;
    }
}

/// An exchange, and who consumes its queues.
struct News {
    exchange: String,
    payload: Vec<u8>,
    publisher: Channel,
    consumers: Vec<Consumer>,
    _connections: [Connection; 2],
}

/// How long a message takes to reach every queue's consumer.
pub(crate) fn fan_out(bench: &mut Bench) {
    let says = "from publishing to an exchange until the consumer of each of 1, 4 and 16 queues has acknowledged and the \
                publisher has its confirm; durable classic queues, 1 KiB, TLS, direct";
    let mut group = bench.group("queue/fan-out", says);
    for queues in QUEUES {
        group.figure(
            queues,
            Throughput::Elements(queues),
            async |place| news(place, queues).await,
            async |news, times| {
                let begun = Instant::now();
                for _ in 0..times {
                    let properties = BasicProperties::default().with_delivery_mode(2);
                    let sent = send(&news.publisher, &news.exchange, "", &news.payload, properties).await?;
                    for consumer in &mut news.consumers {
                        acknowledge(&next(consumer).await?, false).await?;
                    }
                    confirmed(sent).await?;
                }
                Ok(begun.elapsed())
            },
        );
    }
    group.finish();
}

async fn news(place: &Place, queues: u64) -> Result<News> {
    let slice = &place.direct.tenant.slices.rabbitmq;
    let (publishes, publisher) = channel(&place.direct).await?;
    publisher.confirm_select(ConfirmSelectOptions::default()).await.context("ask for confirms")?;
    let (consumes, consumer) = channel(&place.direct).await?;
    let exchange = slice.queue(&format!("bench.news.{queues}"));
    let options = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    let none = FieldTable::default;
    let declared =
        publisher.exchange_declare(exchange.as_str().into(), ExchangeKind::Fanout, options, none()).await;
    declared.with_context(|| format!("declare the exchange `{exchange}`"))?;
    let mut consumers = Vec::new();
    for number in 1..=queues {
        let queue = format!("{exchange}.{number}");
        declare(&publisher, &queue, USUAL).await?;
        let (name, from) = (queue.as_str(), exchange.as_str().into());
        let bound =
            publisher.queue_bind(name.into(), from, "".into(), QueueBindOptions::default(), none()).await;
        bound.with_context(|| format!("bind the queue `{queue}`"))?;
        let options = BasicConsumeOptions::default();
        let tapped = consumer.basic_consume(name.into(), "".into(), options, none()).await;
        consumers.push(tapped.with_context(|| format!("consume `{queue}`"))?);
    }
    Ok(News {
        exchange,
        payload: vec![b'm'; USUAL.bytes],
        publisher,
        consumers,
        _connections: [publishes, consumes],
    })
}
