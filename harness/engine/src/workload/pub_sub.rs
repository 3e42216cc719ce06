//! `redis.pub-sub`: clients send messages on a channel of the tenant's; subscribers listen to it, each on a connection of
//! its own, and connect anew when that breaks.
//!
//! A subscriber asks its server for an answer again and again, as apps do that must notice a dead connection. All that was
//! sent on the connection comes before the answer, so these answers tell how long it certainly listened.

use std::{pin::Pin, time::Duration};

use bulkhead_model::{
    Act, Ending, OpId, Service, Unit,
    scenario::{Chosen, Kind, Shape, Wanted},
};
use bulkhead_target::{Error, clients as connections};
use futures::future::join_all;
use redis::{PushInfo, PushKind, RedisResult, aio::MultiplexedConnection, cmd, from_redis_value_ref};
use tokio::{
    sync::{mpsc::UnboundedReceiver, watch},
    time::{MissedTickBehavior, interval, sleep, timeout},
};

use super::{
    OPERATION, RATE, Stage, Working, Workload,
    back_off::BackOff,
    clients::{self, Doer, Performed, work_together},
    redis::trouble,
};
use crate::{
    cost::{Cost, Span, prices},
    scribe::Client,
};

/// How often a subscriber asks whether it is still connected.
const ASKS: Duration = Duration::from_millis(200);

/// Asking so.
const ASKING: Cost = prices::commands(1, 0);

/// A subscriber's connection and its subscription.
fn listening() -> Cost {
    prices::connection(Service::Redis).plus(prices::commands(1, 512))
}

/// Sending a message to all who listen, and to connections that are given up and not noticed yet.
fn sending(chosen: &Chosen) -> Cost {
    let size = chosen.amount("size").saturating_add(256);
    prices::commands(1, size.saturating_mul(1 + 2 * chosen.amount("subscribers")))
}

/// The workload.
pub(super) struct PubSub;

impl Workload for PubSub {
    fn shape(&self) -> Shape<'static> {
        Shape {
            name: "redis.pub-sub",
            about: "Clients send messages on a channel; subscribers hear them as long as they are connected.",
            settings: &[
                Wanted { name: "clients", kind: Kind::Amount(Unit::Count, 1..=32), usual: Some("2") },
                Wanted { name: "subscribers", kind: Kind::Amount(Unit::Count, 1..=32), usual: Some("3") },
                Wanted { name: "rate", kind: RATE, usual: Some("100/s") },
                Wanted { name: "size", kind: Kind::Amount(Unit::Size, 64..=1 << 20), usual: Some("256B") },
            ],
        }
    }

    fn service(&self) -> Service {
        Service::Redis
    }

    /// Nothing: a channel is there as soon as somebody listens.
    fn prepare<'a>(&'a self, _: &'a Stage<'a>) -> Working<'a> {
        Box::pin(async { Ok(()) })
    }

    fn allowance(&self, chosen: &Chosen, span: Span) -> Cost {
        let (clients, subscribers) = (chosen.amount("clients"), chosen.amount("subscribers"));
        let connects = span.connects(subscribers);
        let asks = span.rounds(ASKS).saturating_mul(subscribers).saturating_add(connects);
        let listening = listening().times(connects).plus(ASKING.times(asks));
        let sending = sending(chosen).times(span.acts(chosen, clients));
        listening.plus(sending).plus(span.connections(Service::Redis, clients))
    }

    fn work<'a>(&'a self, stage: &'a Stage<'a>) -> Working<'a> {
        Box::pin(async move {
            let (over, watched) = watch::channel(false);
            let sending = async {
                work_together(self, stage, |number, _| Sender { stage, number, sent: 0 }).await;
                over.send_replace(true);
            };
            let listening = (1..=stage.chosen.amount("subscribers")).map(|number| {
                let client = clients::name(self, stage, format!("subscriber {number}"));
                let mut subscriber = Subscriber { stage, client, over: watched.clone(), line: 0 };
                async move { subscriber.listen().await }
            });
            futures::join!(sending, join_all(listening));
            Ok(())
        })
    }
}

fn channel(stage: &Stage<'_>) -> String {
    stage.access.tenant.slices.redis.key("bulkhead:news")
}

/// One who sends.
struct Sender<'a, 's> {
    stage: &'a Stage<'s>,
    number: u64,
    sent: u64,
}

impl Doer for Sender<'_, '_> {
    type Line = MultiplexedConnection;

    async fn connect(&self) -> Result<MultiplexedConnection, Error> {
        connections::redis::connect(self.stage.access).await
    }

    fn next(&mut self) -> Act {
        self.sent += 1;
        Act::Broadcast { element: format!("{}.{}.{}", self.stage.access.tenant.name, self.number, self.sent) }
    }

    fn price(&self, _: &Act) -> Cost {
        sending(self.stage.chosen)
    }

    async fn perform(&mut self, connection: &mut MultiplexedConnection, act: &Act) -> Performed {
        let Act::Broadcast { element } = act else { return Ok(None) };
        let message = self.stage.message(element);
        let sent = cmd("PUBLISH").arg(channel(self.stage)).arg(message).exec_async(connection).await;
        sent.map(|()| None).map_err(trouble)
    }
}

/// One who listens.
struct Subscriber<'a, 's> {
    stage: &'a Stage<'s>,
    client: Client,
    /// Whether nothing is sent any more.
    over: watch::Receiver<bool>,
    /// How many connections it has had.
    line: u64,
}

/// A question and its answer.
type Asking = (OpId, Pin<Box<dyn Future<Output = Result<(), String>> + Send>>);

impl Subscriber<'_, '_> {
    /// Listens on one connection after another until nothing is sent any more.
    async fn listen(&mut self) {
        let mut back_off = BackOff::new(&self.stage.seed.child(&self.client.name));
        let mut over = self.over.clone();
        while self.stage.pay(listening()) {
            let connected = tokio::select! {
                connected = timeout(OPERATION, connections::redis::listener(self.stage.access)) => connected,
                // Whoever sends is gone when the case is given up; then nothing is sent any more either.
                _ = over.wait_for(|over| *over) => return,
            };
            if let Ok(Ok((connection, pushes))) = connected {
                if self.attend(connection, pushes).await {
                    return;
                }
                back_off.reset();
            }
            tokio::select! {
                () = sleep(back_off.next()) => {}
                _ = over.wait_for(|over| *over) => return,
            }
        }
    }

    /// Listens as long as the connection holds, and says whether nothing is sent any more.
    async fn attend(
        &mut self,
        mut connection: MultiplexedConnection,
        mut pushes: UnboundedReceiver<PushInfo>,
    ) -> bool {
        self.line += 1;
        let line = self.line;
        let subscribed = async { connection.subscribe(channel(self.stage)).await };
        let op = self.stage.scribe.begin(&self.client, Act::Subscribe { line }, None);
        if !self.ended(op, bounded(subscribed).await) {
            return false;
        }
        let (mut asks, mut asking, mut last) = (interval(ASKS), None::<Asking>, false);
        asks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                push = pushes.recv() => if !self.heard(push) { break },
                answer = async { answer(&mut asking).await } => {
                    let good = self.ended(answer.0, answer.1);
                    // What came before the answer is here already.
                    while let Ok(push) = pushes.try_recv() {
                        self.heard(Some(push));
                    }
                    if last || !good {
                        return last;
                    }
                    asking = None;
                }
                _ = asks.tick(), if asking.is_none() => {
                    if !self.stage.pay(ASKING) {
                        return true;
                    }
                    last = *self.over.borrow();
                    asking = Some(self.ask(connection.clone(), line));
                }
            }
        }
        if let Some((op, _)) = asking {
            self.stage.scribe.end(op, Ending::Unknown, "the connection ended before the answer");
        }
        *self.over.borrow()
    }

    fn ask(&self, mut connection: MultiplexedConnection, line: u64) -> Asking {
        let op = self.stage.scribe.begin(&self.client, Act::Attend { line }, None);
        (op, Box::pin(async move { bounded(cmd("PING").exec_async(&mut connection)).await }))
    }

    /// Writes how an operation came out, and says whether well.
    fn ended(&self, op: OpId, came: Result<(), String>) -> bool {
        let good = came.is_ok();
        let (outcome, detail) = match came {
            Ok(()) => (Ending::Ok, String::new()),
            Err(why) => (Ending::Unknown, why),
        };
        self.stage.scribe.end(op, outcome, detail);
        good
    }

    /// Writes down what was heard, and says whether the connection holds.
    fn heard(&self, push: Option<PushInfo>) -> bool {
        let Some(PushInfo { kind, data }) = push else { return false };
        match (kind, data.get(1)) {
            (PushKind::Message, Some(message)) => {
                let text: String = from_redis_value_ref(message).unwrap_or_default();
                let element = text.split(' ').next().unwrap_or_default().to_owned();
                let op = self.stage.scribe.begin(&self.client, Act::Hear { element }, None);
                self.stage.scribe.end(op, Ending::Ok, "");
                true
            }
            (PushKind::Disconnection, _) => false,
            _ => true,
        }
    }
}

/// Under an operation's deadline.
async fn bounded(doing: impl Future<Output = RedisResult<()>>) -> Result<(), String> {
    match timeout(OPERATION, doing).await {
        Ok(done) => done.map_err(|error| error.to_string()),
        Err(_) => Err(format!("no answer within {OPERATION:?}")),
    }
}

/// The answer to the question that is open; never where none is.
async fn answer(asking: &mut Option<Asking>) -> (OpId, Result<(), String>) {
    match asking {
        Some((op, answer)) => (*op, answer.await),
        None => std::future::pending().await,
    }
}
