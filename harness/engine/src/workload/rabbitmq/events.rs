//! `rabbitmq.events`: a topic exchange that copies each event into several durable queues, each with one subscriber of its
//! own. Publishers announce events with confirms; each subscriber takes and acknowledges all of them.

use bulkhead_model::{
    Service, Unit,
    scenario::{Chosen, Kind, Shape, Wanted},
};
use futures::future::join_all;
use lapin::ExchangeKind;

use super::{
    Route,
    consumer::{Taker, consume},
    consuming, declare, declaring, name,
    publisher::{Outlet, publish_all},
    size,
    tally::Open,
};
use crate::{
    cost::{Cost, Span, prices},
    workload::{RATE, Stage, Working, Workload, clients},
};

/// What events are published under; each queue is bound to all that begin alike.
const KEY: &str = "event.sample";

/// The pattern that each queue is bound by.
const PATTERN: &str = "event.*";

/// The workload.
pub(in crate::workload) struct Events;

impl Workload for Events {
    fn shape(&self) -> Shape<'static> {
        Shape {
            name: "rabbitmq.events",
            about: "Publishers announce events to a topic exchange and await the confirms; each subscriber takes all of \
                    them from a queue of its own.",
            settings: &[
                Wanted { name: "publishers", kind: Kind::Amount(Unit::Count, 1..=32), usual: Some("2") },
                Wanted { name: "subscribers", kind: Kind::Amount(Unit::Count, 1..=32), usual: Some("3") },
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
            let routes: Vec<_> = subscribers(stage).map(|number| route(stage, number)).collect();
            declare(stage, &routes).await
        })
    }

    fn preparing(&self, chosen: &Chosen) -> Cost {
        declaring(chosen.amount("subscribers"))
    }

    fn allowance(&self, chosen: &Chosen, span: Span) -> Cost {
        let (publishers, subscribers) = (chosen.amount("publishers"), chosen.amount("subscribers"));
        let size = size(chosen);
        let event = prices::publish(size).plus(prices::delivery(size).times(subscribers));
        let events = event.times(span.acts(chosen, publishers));
        let publishing = span.connections(Service::Rabbitmq, publishers);
        events.plus(publishing).plus(consuming(chosen, span, subscribers))
    }

    fn work<'a>(&'a self, stage: &'a Stage<'a>) -> Working<'a> {
        Box::pin(async move {
            let open: Vec<_> = subscribers(stage).map(|_| Open::default()).collect();
            let to = subscribers(stage).map(subscriber).collect();
            let (exchange, key) = (name(stage, "events"), KEY.to_owned());
            let outlet = Outlet { workload: self, exchange, key, to, open: &open };
            let subscribers = subscribers(stage).zip(&open).map(|(number, open)| async move {
                let client = clients::name(self, stage, subscriber(number));
                let route = route(stage, number);
                consume(stage, &client, &route, open, &Taker { stage, client: &client, open }).await;
            });
            futures::join!(publish_all(stage, &outlet), join_all(subscribers));
            Ok(())
        })
    }
}

fn subscribers(stage: &Stage<'_>) -> impl Iterator<Item = u64> + use<> {
    1..=stage.chosen.amount("subscribers")
}

/// The name of one subscriber.
fn subscriber(number: u64) -> String {
    format!("subscriber {number}")
}

/// A subscriber's queue.
fn route(stage: &Stage<'_>, subscriber: u64) -> Route {
    let (exchange, queue) = (name(stage, "events"), name(stage, &format!("events.{subscriber}")));
    Route { exchange, kind: ExchangeKind::Topic, key: PATTERN.to_owned(), queue }
}
