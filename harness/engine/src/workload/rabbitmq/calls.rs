//! `rabbitmq.calls`: requests and replies. A caller publishes a request that names its own queue for the reply and bears a
//! correlation id; an answerer takes it, publishes the answer to that queue under the same id, and acknowledges the request
//! once the reply was confirmed.
//!
//! A call that is not answered in an operation's time is unknown and not made again. Its answer may come later; who called
//! knows it by its id and lets it go.

use bulkhead_model::{
    Act, Ending, Found, Service, Unit, answer_to,
    scenario::{Chosen, Kind, Shape, Wanted},
};
use bulkhead_target::Error;
use futures::{StreamExt, future::join_all};
use lapin::{BasicProperties, Channel, message::Delivery};

use super::{
    Route, acknowledge,
    consumer::{Handler, PREFETCH, Tap, consume, tap},
    consuming, declare, declaring, element, name, publish, size,
    tally::Open,
};
use crate::{
    cost::{Cost, Span, prices},
    scribe::Client,
    workload::{
        RATE, Stage, Working, Workload,
        clients::{self, Doer, Performed, Trouble, pace},
    },
};

/// The workload.
pub(in crate::workload) struct Calls;

impl Workload for Calls {
    fn shape(&self) -> Shape<'static> {
        Shape {
            name: "rabbitmq.calls",
            about: "Callers send requests and await the replies on queues of their own; answerers take, reply and \
                    acknowledge.",
            settings: &[
                Wanted { name: "callers", kind: Kind::Amount(Unit::Count, 1..=16), usual: Some("4") },
                Wanted { name: "answerers", kind: Kind::Amount(Unit::Count, 1..=16), usual: Some("2") },
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
            let callers = (1..=stage.chosen.amount("callers")).map(|number| replies(stage, number));
            let routes: Vec<_> = std::iter::once(requests(stage)).chain(callers).collect();
            declare(stage, &routes).await
        })
    }

    fn preparing(&self, chosen: &Chosen) -> Cost {
        declaring(chosen.amount("callers") + 1)
    }

    fn allowance(&self, chosen: &Chosen, span: Span) -> Cost {
        let (callers, size) = (chosen.amount("callers"), size(chosen));
        let way = prices::publish(size).plus(prices::delivery(size));
        let calls = way.times(span.acts(chosen, callers).saturating_mul(2));
        // Requests that are given out again are answered again.
        let answerers = chosen.amount("answerers");
        let again = way.times(u64::from(PREFETCH).saturating_mul(span.connects(answerers)));
        calls.plus(again).plus(consuming(chosen, span, callers + answerers))
    }

    fn work<'a>(&'a self, stage: &'a Stage<'a>) -> Working<'a> {
        Box::pin(async move {
            let (open, callers) = (Open::default(), stage.chosen.amount("callers"));
            let calling = (1..=callers).map(|number| {
                let who = clients::name(self, stage, format!("caller {number}"));
                let caller = Caller { stage, who: who.clone(), number, calls: 0 };
                let mut client = clients::Client::new(stage, who, caller);
                async move { client.work(pace(stage, callers)).await }
            });
            let calling = async {
                join_all(calling).await;
                open.no_more();
            };
            let answering = (1..=stage.chosen.amount("answerers")).map(|number| {
                let client = clients::name(self, stage, format!("answerer {number}"));
                let (open, route) = (&open, requests(stage));
                async move {
                    let answerer = Answerer { stage, client: &client, exchange: route.exchange.clone() };
                    consume(stage, &client, &route, open, &answerer).await;
                }
            });
            futures::join!(calling, join_all(answering));
            Ok(())
        })
    }
}

/// The queue of the requests.
fn requests(stage: &Stage<'_>) -> Route {
    let name = name(stage, "calls");
    Route::direct(&name, name.clone())
}

/// A caller's queue of the replies.
fn replies(stage: &Stage<'_>, caller: u64) -> Route {
    Route::direct(&name(stage, "calls"), name(stage, &format!("calls.{caller}")))
}

/// One that asks, one request after another.
struct Caller<'a, 's> {
    stage: &'a Stage<'s>,
    who: Client,
    number: u64,
    calls: u64,
}

impl Caller<'_, '_> {
    /// A request of its own, which is also its id.
    fn request(&self, call: u64) -> String {
        format!("{}.{}.{call}", self.stage.access.tenant.name, self.number)
    }

    /// Whether the id is that of one of its calls.
    fn asked(&self, id: &str) -> bool {
        let call = id.rsplit('.').next().and_then(|call| call.parse().ok());
        call.is_some_and(|call| (1..=self.calls).contains(&call) && self.request(call) == id)
    }

    fn note(&self, delivery: &Delivery) {
        let op = self.stage.scribe.begin(&self.who, Act::Unasked { reply: element(delivery) }, None);
        self.stage.scribe.end(op, Ending::Ok, "");
    }
}

impl Doer for Caller<'_, '_> {
    type Line = Tap;

    async fn connect(&self) -> Result<Tap, Error> {
        tap(self.stage, &replies(self.stage, self.number)).await
    }

    fn next(&mut self) -> Act {
        self.calls += 1;
        Act::Call { request: self.request(self.calls) }
    }

    fn unasked(&self) -> Cost {
        prices::delivery(size(self.stage.chosen)).times(u64::from(PREFETCH))
    }

    fn price(&self, _: &Act) -> Cost {
        prices::publish(size(self.stage.chosen))
    }

    async fn perform(&mut self, tap: &mut Tap, act: &Act) -> Performed {
        let Act::Call { request } = act else { return Ok(None) };
        let Route { exchange, queue, .. } = replies(self.stage, self.number);
        let properties = BasicProperties::default()
            .with_reply_to(queue.into())
            .with_correlation_id(request.as_str().into());
        let (key, payload) = (requests(self.stage).key, self.stage.message(request));
        match publish(&tap.channel, &exchange, &key, payload.as_bytes(), properties).await {
            (Ending::Ok, _) => {}
            (Ending::Failed, why) => return Err(Trouble::Refused(why)),
            (Ending::Unknown, why) => return Err(Trouble::Unsure(why)),
        }
        while let Some(delivery) = tap.deliveries.next().await {
            let delivery = delivery.map_err(|error| Trouble::Unsure(error.to_string()))?;
            let id = delivery.properties.correlation_id().as_ref().map_or("", |id| id.as_str());
            // Where this is lost, the reply comes again and is let go.
            let _written = acknowledge(self.stage, &delivery).await;
            if id == request {
                return Ok(Some(Found::Value(Some(element(&delivery)))));
            }
            if !self.asked(id) {
                self.note(&delivery);
            }
        }
        Err(Trouble::Unsure(String::from("no reply before the connection ended")))
    }
}

/// One that answers.
struct Answerer<'a, 's> {
    stage: &'a Stage<'s>,
    client: &'a Client,
    exchange: String,
}

impl Handler for Answerer<'_, '_> {
    const BESIDE: usize = 8;

    async fn handle(&self, channel: &Channel, delivery: Delivery) -> bool {
        if !self.stage.pay(prices::publish(size(self.stage.chosen))) {
            return false;
        }
        let (scribe, request) = (self.stage.scribe, element(&delivery));
        let (answer, again) = (self.stage.message(&answer_to(&request)), delivery.redelivered);
        let op = scribe.begin(self.client, Act::Answer { request, again }, None);
        let asked = &delivery.properties;
        let caller = asked.reply_to().clone().unwrap_or_default();
        let id = asked.correlation_id().clone().unwrap_or_default();
        let properties = BasicProperties::default().with_correlation_id(id);
        let sent = publish(channel, &self.exchange, caller.as_str(), answer.as_bytes(), properties).await;
        let (outcome, detail) =
            if sent.0 == Ending::Ok { acknowledge(self.stage, &delivery).await } else { sent };
        scribe.end(op, outcome, detail);
        outcome == Ending::Ok
    }
}
