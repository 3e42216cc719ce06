//! `rabbitmq.tasks`: a work queue. Publishers hand over tasks, persistent and with the broker's confirm, at a rate that
//! does not slow down when the broker does; consumers take them and acknowledge when the work is done.
//!
//! A task whose confirm never came is unknown and not published again: the app would ask first. A consumer's
//! acknowledgement has no answer in AMQP 0-9-1; it is `ok` once it was written.

use std::{
    collections::HashSet,
    sync::{Mutex, PoisonError},
};

use bulkhead_model::{
    Act, Ending, OpId, Service, Unit,
    scenario::{Kind, Shape, Wanted},
};
use bulkhead_target::{Error, clients as connections};
use futures::{
    StreamExt,
    future::{BoxFuture, join_all},
    stream::FuturesUnordered,
};
use lapin::{
    BasicProperties, Channel, Confirmation, Connection, ExchangeKind,
    options::{
        BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, ConfirmSelectOptions,
        ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions,
    },
    types::FieldTable,
};
use tokio::{
    sync::Notify,
    time::{Instant, sleep_until, timeout},
};

use super::{
    OPERATION, Stage, Working, Workload,
    back_off::BackOff,
    clients::{self, NO_CONNECTION, on_the_runs_clock, share},
};
use crate::scribe::Client;

/// Tasks that a consumer holds unacknowledged.
const PREFETCH: u16 = 20;

/// AMQP's mark of a message that outlives the broker.
const PERSISTENT: u8 = 2;

/// The workload.
pub(super) struct Tasks;

impl Workload for Tasks {
    fn shape(&self) -> Shape<'static> {
        Shape {
            name: "rabbitmq.tasks",
            about: "Publishers hand over persistent tasks and await the confirms; consumers take and acknowledge them.",
            settings: &[
                Wanted { name: "publishers", kind: Kind::Amount(Unit::Count, 1..=32), usual: Some("2") },
                Wanted { name: "consumers", kind: Kind::Amount(Unit::Count, 1..=32), usual: Some("2") },
                Wanted { name: "rate", kind: Kind::Amount(Unit::Rate, 1..=600_000), usual: Some("100/s") },
                Wanted { name: "size", kind: Kind::Amount(Unit::Size, 64..=1 << 20), usual: Some("256B") },
            ],
        }
    }

    fn service(&self) -> Service {
        Service::Rabbitmq
    }

    fn prepare<'a>(&'a self, stage: &'a Stage<'a>) -> Working<'a> {
        Box::pin(async move {
            let (connection, channel) = open(stage).await?;
            let declared = declare(&channel, &name(stage)).await;
            declared.map_err(Error::serve(Service::Rabbitmq, "declare the queue of the tasks"))?;
            let closed = connection.close(200, "done".into()).await;
            closed.map_err(Error::serve(Service::Rabbitmq, "close a connection"))
        })
    }

    fn work<'a>(&'a self, stage: &'a Stage<'a>) -> Working<'a> {
        Box::pin(async move {
            let open = Open::default();
            let publishers =
                (1..=stage.chosen.amount("publishers")).map(|number| publish(stage, number, &open));
            let consumers =
                (1..=stage.chosen.amount("consumers")).map(|number| consume(stage, number, &open));
            let publishing = async {
                join_all(publishers).await;
                open.no_more();
            };
            futures::join!(publishing, join_all(consumers));
            Ok(())
        })
    }
}

/// The tasks that were confirmed and not taken yet.
#[derive(Default)]
struct Open {
    tasks: Mutex<Tally>,
    changed: Notify,
}

#[derive(Default)]
struct Tally {
    confirmed: HashSet<String>,
    taken: HashSet<String>,
    ended: bool,
}

impl Open {
    fn change(&self, change: impl FnOnce(&mut Tally)) {
        change(&mut self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.notify_waiters();
    }

    fn confirmed(&self, task: &str) {
        self.change(|tally| {
            tally.confirmed.insert(task.to_owned());
        });
    }

    fn taken(&self, task: &str) {
        self.change(|tally| {
            tally.taken.insert(task.to_owned());
        });
    }

    fn no_more(&self) {
        self.change(|tally| tally.ended = true);
    }

    fn is_done(&self) -> bool {
        let tally = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        tally.ended && tally.confirmed.is_subset(&tally.taken)
    }

    /// Returns when no publisher is left and all that was confirmed was taken.
    async fn done(&self) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if self.is_done() {
                return;
            }
            changed.await;
        }
    }
}

fn name(stage: &Stage<'_>) -> String {
    stage.access.tenant.slices.rabbitmq.queue("tasks")
}

async fn open(stage: &Stage<'_>) -> Result<(Connection, Channel), Error> {
    let connection = connections::rabbitmq::connect(stage.access).await?;
    let channel = connection.create_channel().await;
    Ok((connection, channel.map_err(Error::serve(Service::Rabbitmq, "open a channel"))?))
}

/// A queue and an exchange of one name: where tenants share a vhost the default exchange is closed to all.
async fn declare(channel: &Channel, name: &str) -> lapin::Result<()> {
    let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    channel.queue_declare(name.into(), durable, FieldTable::default()).await?;
    let durable = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    channel.exchange_declare(name.into(), ExchangeKind::Direct, durable, FieldTable::default()).await?;
    let (queue, exchange, key) = (name.into(), name.into(), name.into());
    channel.queue_bind(queue, exchange, key, QueueBindOptions::default(), FieldTable::default()).await
}

/// One publisher: its part of the rate, whether the broker keeps up or not.
struct Publisher<'a, 's> {
    stage: &'a Stage<'s>,
    client: Client,
    open: &'a Open,
    line: Line<'a>,
    /// Lines so far: what an older one answers says nothing about this one.
    lines: u64,
    back_off: BackOff,
    /// What was sent and not answered yet.
    sent: FuturesUnordered<BoxFuture<'a, Answer>>,
}

/// A publisher's way to the broker.
enum Line<'a> {
    /// Not before then.
    Waits(Instant),
    /// Being made.
    Dials(BoxFuture<'a, Result<(Connection, Channel), String>>),
    /// There; the channel ends with the connection.
    Open(Box<(Connection, Channel)>),
}

/// What became of a task that was sent.
struct Answer {
    op: OpId,
    task: String,
    line: u64,
    outcome: Ending,
    detail: String,
}

async fn publish(stage: &Stage<'_>, number: u64, open: &Open) {
    let client = clients::name(&Tasks, stage, format!("publisher {number}"));
    let back_off = BackOff::new(&stage.seed.child(&client.name));
    let each = share(stage, stage.chosen.amount("publishers"));
    let mut due = Instant::now();
    let (line, sent) = (Line::Waits(due), FuturesUnordered::new());
    let mut publisher = Publisher { stage, client, open, line, lines: 0, back_off, sent };
    let draining = stage.draining();
    tokio::pin!(draining);
    for task in 1_u64.. {
        loop {
            tokio::select! {
                biased;
                () = &mut draining => {
                    while let Some(answer) = publisher.sent.next().await {
                        publisher.answered(answer);
                    }
                    return;
                }
                Some(answer) = publisher.sent.next(), if !publisher.sent.is_empty() => {
                    publisher.answered(answer);
                }
                made = advance(&mut publisher.line, stage) => publisher.dialled(made),
                () = sleep_until(due) => break,
            }
        }
        publisher.hand_over(format!("{}.{number}.{task}", stage.access.tenant.name), due);
        due += each;
    }
}

/// Goes on with a line until it is there or could not be made; an open one stays as it is.
async fn advance<'a>(line: &mut Line<'a>, stage: &'a Stage<'_>) -> Result<(Connection, Channel), String> {
    if let Line::Waits(until) = line {
        sleep_until(*until).await;
        *line = Line::Dials(Box::pin(async move {
            match timeout(OPERATION, confirming(stage)).await {
                Ok(made) => made.map_err(|error| error.chain()),
                Err(_) => Err(format!("no connection within {OPERATION:?}")),
            }
        }));
    }
    match line {
        Line::Dials(dialling) => dialling.await,
        Line::Waits(_) | Line::Open(..) => std::future::pending().await,
    }
}

impl Publisher<'_, '_> {
    fn dialled(&mut self, made: Result<(Connection, Channel), String>) {
        self.line = match made {
            Ok(made) => {
                self.back_off.reset();
                self.lines += 1;
                Line::Open(Box::new(made))
            }
            Err(_) => Line::Waits(Instant::now() + self.back_off.next()),
        };
    }

    /// Begins a task that was due then; without a line it fails at once, unsent.
    fn hand_over(&mut self, task: String, due: Instant) {
        let due = on_the_runs_clock(self.stage, due);
        let op = self.stage.scribe.begin(&self.client, Act::Hand { element: task.clone() }, Some(due));
        let Line::Open(made) = &self.line else {
            return self.stage.scribe.end(op, Ending::Failed, NO_CONNECTION);
        };
        let (channel, stage, line) = (made.1.clone(), self.stage, self.lines);
        self.sent.push(Box::pin(async move {
            let (outcome, detail) = match timeout(OPERATION, send(&channel, stage, &task)).await {
                Ok(Ok(())) => (Ending::Ok, String::new()),
                Ok(Err((outcome, detail))) => (outcome, detail),
                Err(_) => (Ending::Unknown, format!("no confirm within {OPERATION:?}")),
            };
            Answer { op, task, line, outcome, detail }
        }));
    }

    fn answered(&mut self, answer: Answer) {
        if answer.outcome == Ending::Ok {
            self.open.confirmed(&answer.task);
        } else if answer.line == self.lines && matches!(self.line, Line::Open(..)) {
            self.line = Line::Waits(Instant::now() + self.back_off.next());
        }
        self.stage.scribe.end(answer.op, answer.outcome, answer.detail);
    }
}

async fn confirming(stage: &Stage<'_>) -> Result<(Connection, Channel), Error> {
    let (connection, channel) = open(stage).await?;
    let asked = channel.confirm_select(ConfirmSelectOptions::default()).await;
    asked.map_err(Error::serve(Service::Rabbitmq, "ask for confirms"))?;
    Ok((connection, channel))
}

async fn send(channel: &Channel, stage: &Stage<'_>, task: &str) -> Result<(), (Ending, String)> {
    let name = name(stage);
    let size = usize::try_from(stage.chosen.amount("size")).unwrap_or(0);
    let mut payload = task.as_bytes().to_vec();
    payload.push(b' ');
    payload.resize(size.max(payload.len()), b'.');
    let properties = BasicProperties::default().with_delivery_mode(PERSISTENT);
    let (options, unsure) =
        (BasicPublishOptions::default(), |error: lapin::Error| (Ending::Unknown, error.to_string()));
    let sent = channel
        .basic_publish(name.as_str().into(), name.as_str().into(), options, &payload, properties)
        .await;
    match sent.map_err(unsure)?.await.map_err(unsure)? {
        Confirmation::Ack(_) => Ok(()),
        Confirmation::Nack(_) => Err((Ending::Failed, String::from("the broker refused it"))),
        Confirmation::NotRequested => Err((Ending::Unknown, String::from("the channel gives no confirms"))),
    }
}

/// One consumer, until everything was taken.
async fn consume(stage: &Stage<'_>, number: u64, open: &Open) {
    let client = clients::name(&Tasks, stage, format!("consumer {number}"));
    let seed = stage.seed.child(&client.name);
    let mut back_off = BackOff::new(&seed);
    let late = async {
        stage.draining().await;
        tokio::time::sleep(stage.patience).await;
    };
    tokio::pin!(late);
    loop {
        tokio::select! {
            () = open.done() => return,
            () = &mut late => return,
            () = take(stage, &client, &mut back_off, open) => {}
        }
        tokio::time::sleep(back_off.next()).await;
    }
}

/// Takes tasks as long as the connection holds.
async fn take(stage: &Stage<'_>, client: &Client, back_off: &mut BackOff, open: &Open) {
    let Ok(Ok((_connection, channel))) = timeout(OPERATION, self::open(stage)).await else { return };
    if channel.basic_qos(PREFETCH, BasicQosOptions::default()).await.is_err() {
        return;
    }
    let (name, options) = (name(stage), BasicConsumeOptions::default());
    let consumer =
        channel.basic_consume(name.as_str().into(), "".into(), options, FieldTable::default()).await;
    let Ok(mut consumer) = consumer else { return };
    back_off.reset();
    while let Some(Ok(delivery)) = consumer.next().await {
        let text = String::from_utf8_lossy(&delivery.data);
        let element = text.split(' ').next().unwrap_or_default().to_owned();
        let op = stage.scribe.begin(
            client,
            Act::Take { element: element.clone(), again: delivery.redelivered },
            None,
        );
        let acknowledged = timeout(OPERATION, delivery.ack(BasicAckOptions::default())).await;
        let (outcome, detail) = match acknowledged {
            Ok(Ok(_)) => (Ending::Ok, String::new()),
            Ok(Err(error)) => (Ending::Unknown, error.to_string()),
            Err(_) => (Ending::Unknown, format!("the acknowledgement was not sent within {OPERATION:?}")),
        };
        stage.scribe.end(op, outcome, detail);
        open.taken(&element);
    }
}
