//! `rabbitmq.tasks`: a work queue. Publishers hand over tasks, consumers take them and acknowledge when the work is done.

use bulkhead_model::{
    Service, Unit,
    scenario::{Chosen, Kind, Shape, Wanted},
};
use futures::future::join_all;

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

/// The workload.
pub(in crate::workload) struct Tasks;

impl Workload for Tasks {
    fn shape(&self) -> Shape<'static> {
        Shape {
            name: "rabbitmq.tasks",
            about: "Publishers hand over persistent tasks and await the confirms; consumers take them, work on each for a while and acknowledge \
                    it then.",
            settings: &[
                Wanted { name: "publishers", kind: Kind::Amount(Unit::Count, 1..=32), usual: Some("2") },
                Wanted { name: "consumers", kind: Kind::Amount(Unit::Count, 1..=32), usual: Some("2") },
                Wanted { name: "rate", kind: RATE, usual: Some("100/s") },
                Wanted { name: "size", kind: Kind::Amount(Unit::Size, 64..=1 << 20), usual: Some("256B") },
                Wanted { name: "work", kind: Kind::Amount(Unit::Time, 0..=60_000), usual: Some("0ms") },
            ],
        }
    }

    fn service(&self) -> Service {
        Service::Rabbitmq
    }

    fn prepare<'a>(&'a self, stage: &'a Stage<'a>) -> Working<'a> {
        Box::pin(async move { declare(stage, &[tasks(stage)]).await })
    }

    fn preparing(&self, _: &Chosen) -> Cost {
        declaring(1)
    }

    fn allowance(&self, chosen: &Chosen, span: Span) -> Cost {
        let (publishers, size) = (chosen.amount("publishers"), size(chosen));
        let task = prices::publish(size).plus(prices::delivery(size));
        let tasks = task.times(span.acts(chosen, publishers));
        let publishing = span.connections(Service::Rabbitmq, publishers);
        tasks.plus(publishing).plus(consuming(chosen, span, chosen.amount("consumers")))
    }

    fn work<'a>(&'a self, stage: &'a Stage<'a>) -> Working<'a> {
        Box::pin(async move {
            let (open, route) = (Open::default(), tasks(stage));
            let (exchange, key) = (route.exchange.clone(), route.key.clone());
            let (to, tally) = (Vec::new(), std::slice::from_ref(&open));
            let outlet = Outlet { workload: self, exchange, key, to, open: tally };
            let consumers =
                (1..=stage.chosen.amount("consumers")).map(|number| {
                    let client = clients::name(self, stage, format!("consumer {number}"));
                    let (open, route) = (&open, &route);
                    async move {
                        consume(stage, &client, route, open, &Taker { stage, client: &client, open }).await
                    }
                });
            futures::join!(publish_all(stage, &outlet), join_all(consumers));
            Ok(())
        })
    }
}

/// The queue of the tasks, with an exchange of its name.
fn tasks(stage: &Stage<'_>) -> Route {
    let name = name(stage, "tasks");
    Route::direct(&name, name.clone())
}
