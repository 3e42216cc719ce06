//! RabbitMQ: PerfTest beside our clients, with its own defaults: a transient classic queue, each message acknowledged by itself.
//! Messages are counted where they are consumed.
//!
//! PerfTest has threads for each connection, which take turns on few cores: of four pairs on one core it makes less than of one.

use std::{
    collections::VecDeque,
    env,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::{
    SECOND,
    compare::{Arena, Client, Measure, Turn},
    pen::Pen,
    tool::{self, Tool, spent},
};
use anyhow::{Context as _, Result, bail, ensure};
use bulkhead_model::{Act, OpId, Service};
use bulkhead_target::{TenantAccess, clients};
use futures::{StreamExt as _, future::BoxFuture};
use lapin::{
    BasicProperties, Channel, Confirmation, Connection, Consumer,
    options::{
        BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, ConfirmSelectOptions,
        QueueDeclareOptions,
    },
    types::FieldTable,
};

/// The folder of PerfTest's jars.
const JARS: &str = "BULKHEAD_PERFTEST";

/// Publishers, and as many consumers, each with a connection of its own.
const PAIRS: [u32; 2] = [1, 4];

/// Bytes of a message.
const MESSAGE: usize = 1000;

/// What a publisher leaves unconfirmed, and a consumer unacknowledged.
const WINDOW: u16 = 100;

/// Adds the rows.
pub(crate) fn measure(arena: &mut Arena<'_>) -> Result<()> {
    let Some((java, jars)) = tool::find("java").zip(env::var_os(JARS).map(PathBuf::from)) else {
        arena.table.missing(
            "rabbitmq",
            "no java on PATH or no folder of jars in BULKHEAD_PERFTEST (README, How fast it is)",
        );
        return Ok(());
    };
    let access = arena.access.clone();
    let (warm_up, rows) = (arena.plan.warm_up, if arena.plan.quick { 1 } else { PAIRS.len() });
    for pairs in PAIRS.into_iter().take(rows) {
        let name = format!("rabbitmq {pairs}+{pairs}, {MESSAGE} B, confirms");
        let measure = Measure { name, service: Service::Rabbitmq, turn: SECOND, target: 1.0 };
        let theirs = |turn| PerfTest { java: &java, jars: &jars, warm_up }.run(&access, pairs, turn);
        arena.compare(&measure, || connect(access.clone(), pairs), theirs)?;
    }
    Ok(())
}

/// One of ours.
enum End {
    Publishes(Publisher),
    Consumes(Consumer, #[expect(dead_code, reason = "the consumer ends with it")] Connection),
}

struct Publisher {
    _connection: Connection,
    channel: Channel,
    queue: String,
    payload: Vec<u8>,
    unconfirmed: VecDeque<(Option<OpId>, Confirm)>,
}

type Confirm = BoxFuture<'static, lapin::Result<Confirmation>>;

async fn connect(access: TenantAccess, pairs: u32) -> Result<Vec<End>> {
    let queue = access.tenant.slices.rabbitmq.queue(&format!("bench.vs.{pairs}"));
    let mut ends = Vec::new();
    for _ in 0..pairs {
        ends.push(consumer(&access, &queue).await?);
    }
    for _ in 0..pairs {
        ends.push(publisher(&access, queue.clone()).await?);
    }
    Ok(ends)
}

async fn consumer(access: &TenantAccess, queue: &str) -> Result<End> {
    let connection = clients::rabbitmq::connect(access).await?;
    let channel = connection.create_channel().await.context("open a channel")?;
    let options = QueueDeclareOptions { auto_delete: true, ..QueueDeclareOptions::default() };
    let declared = channel.queue_declare(queue.into(), options, FieldTable::default()).await;
    declared.with_context(|| format!("declare the queue `{queue}`"))?;
    channel.basic_qos(WINDOW, BasicQosOptions::default()).await.context("limit deliveries")?;
    let (options, table) = (BasicConsumeOptions::default(), FieldTable::default());
    let deliveries = channel.basic_consume(queue.into(), "".into(), options, table).await;
    Ok(End::Consumes(deliveries.context("consume")?, connection))
}

async fn publisher(access: &TenantAccess, queue: String) -> Result<End> {
    let connection = clients::rabbitmq::connect(access).await?;
    let channel = connection.create_channel().await.context("open a channel")?;
    channel.confirm_select(ConfirmSelectOptions::default()).await.context("ask for confirms")?;
    let (payload, unconfirmed) = (vec![b'm'; MESSAGE], VecDeque::new());
    Ok(End::Publishes(Publisher { _connection: connection, channel, queue, payload, unconfirmed }))
}

impl Client for End {
    /// Counts what is consumed.
    async fn step(&mut self, pen: &Pen<'_>) -> Result<u32> {
        match self {
            Self::Publishes(publisher) => publisher.publish(pen).await.map(|()| 0),
            Self::Consumes(deliveries, _) => take(deliveries, pen).await.map(|()| 1),
        }
    }
}

impl Publisher {
    /// One more, when the oldest that there is no room beside is confirmed.
    async fn publish(&mut self, pen: &Pen<'_>) -> Result<()> {
        if self.unconfirmed.len() == usize::from(WINDOW)
            && let Some((op, oldest)) = self.unconfirmed.pop_front()
        {
            match oldest.await.context("wait for a confirm")? {
                Confirmation::Ack(None) => pen.end(op),
                other => bail!("a message was not confirmed: {other:?}"),
            }
        }
        let op = pen.begin(|| Act::Hand { element: String::from("engine.1.1") });
        let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
        let (exchange, key) = ("".into(), self.queue.as_str().into());
        let sent = self.channel.basic_publish(exchange, key, options, &self.payload, properties).await;
        self.unconfirmed.push_back((op, Box::pin(sent.context("publish a message")?)));
        Ok(())
    }
}

async fn take(deliveries: &mut Consumer, pen: &Pen<'_>) -> Result<()> {
    let delivery = deliveries.next().await.context("the broker ended the consumer")?;
    let delivery = delivery.context("wait for a message")?;
    ensure!(delivery.data.len() == MESSAGE, "a message of {} bytes", delivery.data.len());
    let op = pen.begin(|| Act::Take { element: String::from("engine.1.1"), again: delivery.redelivered });
    let written = delivery.ack(BasicAckOptions::default()).await.context("acknowledge a message")?;
    ensure!(written, "not acknowledged: the channel is closed");
    pen.end(op);
    Ok(())
}

/// The tool.
struct PerfTest<'a> {
    java: &'a Path,
    jars: &'a Path,
    warm_up: u64,
}

impl PerfTest<'_> {
    /// One turn, which it counts in whole seconds, after those of the warm-up. It verifies no certificate: that is
    /// a matter of the handshake.
    fn run(&self, access: &TenantAccess, pairs: u32, turn: Duration) -> Result<Turn> {
        let seconds = turn.as_secs() + self.warm_up;
        let (pairs, window, size) = (pairs.to_string(), WINDOW.to_string(), MESSAGE.to_string());
        let (jars, limit) = (self.jars.join("*"), seconds.to_string());
        let options = ["-x", &pairs, "-y", &pairs, "-s", &size, "-c", &window, "-q", &window, "-z", &limit];
        let password = access.login(Service::Rabbitmq).password;
        let tool = Tool::new(self.java, password)?.arguments(["-cp".as_ref(), jars.as_os_str()]);
        let tool = tool.arguments(["com.rabbitmq.perf.PerfTest"]).arguments(options);
        let (mut warm, mut counted, mut spent_last) = (None, Vec::new(), 0.0);
        // Where a list of processes does not show the password.
        tool.variable("URI", access.connections.rabbitmq.expose()).run(|line, process| {
            // After the last second it only ends.
            let Some((second, received)) = interval(line).filter(|(second, _)| *second <= seconds) else {
                return Ok(());
            };
            spent_last = spent(&process.to_string())?;
            if second <= self.warm_up {
                warm = Some(spent_last);
            } else {
                counted.push(received);
            }
            Ok(())
        })?;
        let warm = warm.filter(|_| !counted.is_empty()).context("PerfTest did not say what it received")?;
        let operations = counted.iter().sum::<f64>();
        let rate = operations / f64::from(u32::try_from(counted.len())?);
        Ok(Turn { rate, operations, processor: spent_last - warm })
    }
}

/// The second that a line of progress is about, and how many messages were received in it.
fn interval(line: &str) -> Option<(u64, f64)> {
    let (_, rest) = line.split_once(", time ")?;
    let (seconds, rest) = rest.split_once(" s,")?;
    let (_, received) = rest.split_once("received: ")?;
    let second = seconds.split('.').next()?.parse().ok()?;
    Some((second, received.split(' ').next()?.parse().ok()?))
}
