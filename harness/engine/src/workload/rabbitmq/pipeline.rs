//! `rabbitmq.pipeline`: queue to queue. Publishers hand items over to the first stage; the workers of each stage but the
//! last publish an item to the next and acknowledge it once that was confirmed; those of the last take it out.
//!
//! A worker that does not know whether its item went on gives its connection up: the broker gives the item out again, and
//! it may leave the last stage more than once.

use bulkhead_model::{
    Act, Ending, Service, Unit,
    scenario::{Chosen, Kind, Shape, Wanted},
};
use futures::future::{join, join_all};
use lapin::{BasicProperties, Channel, message::Delivery};

use super::{
    Route, acknowledge,
    consumer::{Handler, PREFETCH, Taker, consume},
    consuming, declare, declaring, element, name, publish,
    publisher::{Outlet, publish_all},
    size,
    tally::Open,
};
use crate::{
    cost::{Cost, Span, prices},
    scribe::Client,
    workload::{RATE, Stage, Working, Workload, clients},
};

/// The workload.
pub(in crate::workload) struct Pipeline;

impl Workload for Pipeline {
    fn shape(&self) -> Shape<'static> {
        Shape {
            name: "rabbitmq.pipeline",
            about: "Publishers hand items over to the first of several queues; workers pass each on to the next and \
                    acknowledge it once that was confirmed.",
            settings: &[
                Wanted { name: "publishers", kind: Kind::Amount(Unit::Count, 1..=16), usual: Some("2") },
                Wanted { name: "stages", kind: Kind::Amount(Unit::Count, 2..=8), usual: Some("3") },
                Wanted { name: "workers", kind: Kind::Amount(Unit::Count, 1..=8), usual: Some("1") },
                Wanted { name: "rate", kind: RATE, usual: Some("60/s") },
                Wanted { name: "size", kind: Kind::Amount(Unit::Size, 64..=1 << 20), usual: Some("256B") },
            ],
        }
    }

    fn service(&self) -> Service {
        Service::Rabbitmq
    }

    fn prepare<'a>(&'a self, stage: &'a Stage<'a>) -> Working<'a> {
        Box::pin(async move {
            let queues: Vec<_> =
                (1..=stage.chosen.amount("stages")).map(|number| queue(stage, number)).collect();
            declare(stage, &queues).await
        })
    }

    fn preparing(&self, chosen: &Chosen) -> Cost {
        declaring(chosen.amount("stages"))
    }

    fn allowance(&self, chosen: &Chosen, span: Span) -> Cost {
        let (publishers, stages) = (chosen.amount("publishers"), chosen.amount("stages"));
        let (workers, size) = (chosen.amount("workers").saturating_mul(stages), size(chosen));
        let step = prices::publish(size).plus(prices::delivery(size));
        // What a worker's broken connection leaves unacknowledged goes through the later stages once more.
        let again = u64::from(PREFETCH).saturating_mul(span.connects(1));
        let items = span.acts(chosen, publishers).saturating_add(again);
        let publishing = span.connections(Service::Rabbitmq, publishers);
        step.times(items.saturating_mul(stages)).plus(publishing).plus(consuming(chosen, span, workers))
    }

    fn work<'a>(&'a self, stage: &'a Stage<'a>) -> Working<'a> {
        Box::pin(async move {
            let (open, Route { exchange, key, .. }) = (Open::default(), queue(stage, 1));
            let (to, tally) = (Vec::new(), std::slice::from_ref(&open));
            let outlet = Outlet { workload: self, exchange, key, to, open: tally };
            let (last, workers) = (stage.chosen.amount("stages"), 1..=stage.chosen.amount("workers"));
            let moving = (1..last).flat_map(|from| workers.clone().map(move |number| (from, number)));
            let moving = moving.map(|(from, number)| {
                let client = clients::name(self, stage, format!("worker {number} of stage {from}"));
                let (open, from, to) = (&open, queue(stage, from), queue(stage, from + 1));
                async move {
                    consume(stage, &client, &from, open, &Mover { stage, client: &client, to }).await;
                }
            });
            let taking = workers.clone().map(|number| {
                let client = clients::name(self, stage, format!("worker {number} of stage {last}"));
                let (open, from) = (&open, queue(stage, last));
                async move {
                    let taker = Taker { stage, client: &client, open };
                    consume(stage, &client, &from, open, &taker).await;
                }
            });
            join(publish_all(stage, &outlet), join(join_all(moving), join_all(taking))).await;
            Ok(())
        })
    }
}

/// A stage's queue, with an exchange of its name.
fn queue(stage: &Stage<'_>, number: u64) -> Route {
    let name = name(stage, &format!("pipeline.{number}"));
    Route::direct(&name, name.clone())
}

/// One that passes items on.
struct Mover<'a, 's> {
    stage: &'a Stage<'s>,
    client: &'a Client,
    to: Route,
}

impl Handler for Mover<'_, '_> {
    const BESIDE: usize = 16;

    async fn handle(&self, channel: &Channel, delivery: Delivery) -> bool {
        let (Self { stage, client, to: Route { exchange, key, .. } }, item) = (self, element(&delivery));
        if !stage.pay(prices::publish(size(stage.chosen))) {
            return false;
        }
        let (payload, again) = (stage.message(&item), delivery.redelivered);
        let op = stage.scribe.begin(client, Act::Pass { element: item, again }, None);
        let sent = publish(channel, exchange, key, payload.as_bytes(), BasicProperties::default()).await;
        let (outcome, detail) = if sent.0 == Ending::Ok { acknowledge(stage, &delivery).await } else { sent };
        stage.scribe.end(op, outcome, detail);
        outcome == Ending::Ok
    }
}
