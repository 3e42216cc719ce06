//! Consumers: what a queue gives out is handled on one connection after another until nothing is left to take.

use std::{
    future::Future,
    pin::{Pin, pin},
};

use bulkhead_model::{Act, Ending, Service};
use bulkhead_target::Error;
use futures::{StreamExt, stream::FuturesUnordered};
use lapin::{
    Channel, Connection, Consumer,
    message::Delivery,
    options::{BasicConsumeOptions, BasicQosOptions},
    types::FieldTable,
};
use tokio::time::{sleep, timeout};

use super::{Route, acknowledge, element, is_transient, open, tally::Open, tapping};
use crate::{
    scribe::Client,
    workload::{Flaw, OPERATION, Stage, back_off::BackOff},
};

/// Deliveries that a consumer holds unacknowledged.
pub(super) const PREFETCH: u16 = 20;

/// What a consumer does with each delivery.
pub(super) trait Handler: Sync {
    /// How many it handles at a time.
    const BESIDE: usize;

    /// Handles one to its end, and says whether the connection is still good. One that is not is given up, so that the
    /// broker gives out again what was not acknowledged.
    fn handle(&self, channel: &Channel, delivery: Delivery) -> impl Future<Output = bool> + Send;
}

/// A consumer with the connection that it lives on.
pub(super) struct Tap {
    _connection: Connection,
    pub(super) channel: Channel,
    pub(super) deliveries: Consumer,
}

/// Begins to consume a route's queue. It is declared each time, as careful apps do: a broker that is killed may have lost
/// what was declared shortly before, a queue's binding too. RabbitMQ 3.10 answers a declaration before its metadata store
/// has written it (seen: a binding gone that was made a second before a SIGKILL).
pub(super) async fn tap(stage: &Stage<'_>, route: &Route) -> Result<Tap, Error> {
    let (connection, channel) = open(stage).await?;
    let limited = channel.basic_qos(PREFETCH, BasicQosOptions::default()).await;
    limited.map_err(Error::serve(Service::Rabbitmq, "limit what is unacknowledged"))?;
    let queue = route.queue.as_str();
    let declared = route.declare(&channel, !is_transient(stage)).await;
    declared.map_err(Error::serve(Service::Rabbitmq, format!("declare the queue `{queue}` again")))?;
    let options = BasicConsumeOptions::default();
    let deliveries = channel.basic_consume(queue.into(), "".into(), options, FieldTable::default()).await;
    let doing = format!("consume the queue `{queue}`");
    let deliveries = deliveries.map_err(Error::serve(Service::Rabbitmq, doing))?;
    Ok(Tap { _connection: connection, channel, deliveries })
}

/// Consumes a route's queue until nothing is open any more, or nothing more came within the stage's patience.
pub(super) async fn consume<H: Handler>(
    stage: &Stage<'_>,
    client: &Client,
    route: &Route,
    open: &Open,
    handler: &H,
) {
    let mut back_off = BackOff::new(&stage.seed.child(&client.name));
    let mut over = pin!(async {
        let late = async {
            stage.draining().await;
            open.stalled(stage.terms.patience).await;
        };
        tokio::select! {
            () = open.done() => {}
            () = late => {}
            () = stage.spent() => {}
        }
    });
    while stage.pay(tapping(stage.chosen)) {
        let tapped = tokio::select! {
            tapped = timeout(OPERATION, tap(stage, route)) => tapped,
            () = &mut over => return,
        };
        if let Ok(Ok(tapped)) = tapped {
            back_off.reset();
            if handle_all(tapped, handler, over.as_mut()).await {
                return;
            }
        }
        tokio::select! {
            () = sleep(back_off.next()) => {}
            () = &mut over => return,
        }
    }
}

/// Handles deliveries as long as the connection is good, and says whether it is over. What was begun is brought to its
/// end: none is left half done.
async fn handle_all<H: Handler>(
    mut tap: Tap,
    handler: &H,
    mut over: Pin<&mut (impl Future<Output = ()> + Send)>,
) -> bool {
    let channel = tap.channel.clone();
    let mut handling = FuturesUnordered::new();
    let is_over = loop {
        tokio::select! {
            delivery = tap.deliveries.next(), if handling.len() < H::BESIDE => match delivery {
                Some(Ok(delivery)) => handling.push(handler.handle(&channel, delivery)),
                Some(Err(_)) | None => break false,
            },
            Some(good) = handling.next(), if !handling.is_empty() => if !good { break false },
            () = &mut over => break true,
        }
    };
    while handling.next().await.is_some() {}
    is_over
}

/// Takes elements one after another: each is done when it is acknowledged. A worker ends with its connection, and begins
/// anew with the next.
pub(super) struct Taker<'a, 's> {
    pub(super) stage: &'a Stage<'s>,
    pub(super) client: &'a Client,
    pub(super) open: &'a Open,
}

impl Taker<'_, '_> {
    /// What the workload says that one takes, if anything.
    async fn work(&self) {
        let takes = self.stage.chosen.time("work");
        if !takes.is_zero() {
            sleep(takes).await;
        }
    }
}

impl Handler for Taker<'_, '_> {
    const BESIDE: usize = 1;

    async fn handle(&self, channel: &Channel, delivery: Delivery) -> bool {
        let (scribe, element) = (self.stage.scribe, element(&delivery));
        let act = Act::Take { element: element.clone(), again: delivery.redelivered };
        let op = scribe.begin(self.client, act, None);
        let (outcome, detail) = if self.stage.terms.flaw == Some(Flaw::EarlyAck) {
            let acknowledged = acknowledge(self.stage, &delivery).await;
            self.work().await;
            match channel.status().connected() {
                true => acknowledged,
                false => (Ending::Failed, String::from("the worker ended before the work was done")),
            }
        } else {
            self.work().await;
            acknowledge(self.stage, &delivery).await
        };
        scribe.end(op, outcome, detail);
        self.open.taken(&element);
        outcome == Ending::Ok
    }
}
