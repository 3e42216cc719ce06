//! Publishers: they hand elements over at a rate that does not slow down when the broker does, or in a closed loop each when
//! the one before was answered, persistent and with the broker's confirm.

use std::collections::BTreeSet;

use bulkhead_model::{Act, Ending, OpId, Service};
use futures::{
    FutureExt, StreamExt,
    future::{BoxFuture, join_all},
    stream::FuturesUnordered,
};
use lapin::{BasicProperties, Channel, Connection};
use tokio::time::{Instant, sleep_until, timeout};

use super::{open, publish, size, tally::Open};
use crate::{
    cost::prices,
    scribe::Client,
    workload::{
        OPERATION, Stage, Workload,
        back_off::BackOff,
        clients::{self, NO_CONNECTION, on_the_runs_clock, share},
    },
};

/// Where elements are handed over.
pub(super) struct Outlet<'a> {
    pub(super) workload: &'a dyn Workload,
    pub(super) exchange: String,
    pub(super) key: String,
    /// Who is to take each element, where that is not whoever comes first.
    pub(super) to: Vec<String>,
    /// What is told of each that was confirmed.
    pub(super) open: &'a [Open],
}

impl Outlet<'_> {
    /// What handing an element over is.
    fn act(&self, element: String) -> Act {
        if self.to.is_empty() {
            Act::Hand { element }
        } else {
            Act::Announce { element, to: self.to.clone() }
        }
    }
}

/// Works with the stage's `publishers` until no new work is to be begun. Then no more is open than what was confirmed.
pub(super) async fn publish_all(stage: &Stage<'_>, outlet: &Outlet<'_>) {
    let publishers = 1..=stage.chosen.amount("publishers");
    join_all(publishers.map(|number| publish_some(stage, number, outlet))).await;
    outlet.open.iter().for_each(Open::no_more);
}

/// One publisher: its part of the rate, whether the broker keeps up or not.
struct Publisher<'a, 's> {
    stage: &'a Stage<'s>,
    client: Client,
    outlet: &'a Outlet<'a>,
    line: Line<'a>,
    /// Why there was none when it was tried last, as the end of a sentence.
    why: String,
    back_off: BackOff,
    /// What was sent on the line and not answered yet.
    sent: FuturesUnordered<BoxFuture<'a, Answer>>,
    /// The same by its numbers and no other.
    unanswered: BTreeSet<OpId>,
}

/// A publisher's way to the broker.
enum Line<'a> {
    /// Not before then.
    Waits(Instant),
    /// Being made.
    Dials(BoxFuture<'a, Dialled>),
    /// There; the channel ends with the connection.
    Open(Box<(Connection, Channel)>),
}

/// The way, or why there is none.
type Dialled = Result<(Connection, Channel), String>;

/// What became of an element that was sent.
struct Answer {
    op: OpId,
    element: String,
    outcome: Ending,
    detail: String,
    /// Whether the line is of no more use.
    broke: bool,
}

async fn publish_some(stage: &Stage<'_>, number: u64, outlet: &Outlet<'_>) {
    let client = clients::name(outlet.workload, stage, format!("publisher {number}"));
    let back_off = BackOff::new(&stage.seed.child(&client.name));
    let each = share(stage, stage.chosen.amount("publishers"));
    // In a closed loop one is due as soon as it can be sent.
    let mut due = Instant::now();
    let (line, sent, unanswered) = (Line::Waits(due), FuturesUnordered::new(), BTreeSet::new());
    let why = String::new();
    let mut publisher = Publisher { stage, client, outlet, line, why, back_off, sent, unanswered };
    let draining = stage.draining();
    tokio::pin!(draining);
    for element in 1_u64.. {
        loop {
            tokio::select! {
                biased;
                _ = &mut draining => {
                    while let Some(answer) = publisher.sent.next().await {
                        publisher.answered(answer);
                    }
                    return;
                }
                Some(answer) = publisher.sent.next(), if !publisher.sent.is_empty() => {
                    publisher.answered(answer);
                }
                made = advance(&mut publisher.line, stage) => publisher.dialled(made),
                () = sleep_until(due), if each.is_some() || publisher.is_idle() => break,
            }
        }
        publisher.hand_over(format!("{}.{number}.{element}", stage.access.tenant.name), each.map(|_| due));
        due += each.unwrap_or_default();
    }
}

/// Goes on with a line until it is there or could not be made; an open one stays as it is.
async fn advance<'a>(line: &mut Line<'a>, stage: &'a Stage<'_>) -> Dialled {
    if let Line::Waits(until) = line {
        sleep_until(*until).await;
        *line = Line::Dials(Box::pin(async move {
            if !stage.pay(prices::connection(Service::Rabbitmq)) {
                return Err(String::from(": it cannot be paid"));
            }
            let opened = timeout(OPERATION, open(stage)).await;
            let opened = opened.map_err(|_| format!(" within {OPERATION:?}"))?;
            opened.map_err(|error| format!(": {}", error.chain()))
        }));
    }
    match line {
        Line::Dials(dialling) => dialling.await,
        Line::Waits(_) | Line::Open(..) => std::future::pending().await,
    }
}

impl Publisher<'_, '_> {
    fn dialled(&mut self, made: Dialled) {
        self.line = match made {
            Ok(made) => {
                self.back_off.reset();
                self.why.clear();
                Line::Open(Box::new(made))
            }
            Err(why) => {
                self.why = why;
                Line::Waits(Instant::now() + self.back_off.next())
            }
        };
    }

    /// Whether it has a line on which nothing is under way, and may go on.
    fn is_idle(&self) -> bool {
        matches!(self.line, Line::Open(_)) && self.sent.is_empty() && !self.stage.is_spent()
    }

    /// Begins an element that was due then, if it can be paid; without a line it fails at once, unsent.
    fn hand_over(&mut self, element: String, due: Option<Instant>) {
        if !self.stage.pay(prices::publish(size(self.stage.chosen))) {
            return;
        }
        let due = due.map(|due| on_the_runs_clock(self.stage, due));
        let op = self.stage.scribe.begin(&self.client, self.outlet.act(element.clone()), due);
        let Line::Open(made) = &self.line else {
            return self.stage.scribe.end(op, Ending::Failed, format!("{NO_CONNECTION}{}", self.why));
        };
        let (channel, stage, Outlet { exchange, key, .. }) = (made.1.clone(), self.stage, self.outlet);
        let several = self.outlet.to.len() > 1;
        self.unanswered.insert(op);
        self.sent.push(Box::pin(async move {
            let (payload, properties) = (stage.message(&element), BasicProperties::default());
            let (outcome, detail) = publish(&channel, exchange, key, payload.as_bytes(), properties).await;
            let broke = outcome == Ending::Unknown;
            // Of several queues one may have refused what the others took.
            let refused_by_some = several && outcome == Ending::Failed;
            let outcome = if refused_by_some { Ending::Unknown } else { outcome };
            Answer { op, element, outcome, detail, broke }
        }));
    }

    fn answered(&mut self, answer: Answer) {
        let broke = answer.broke;
        self.close(answer);
        if broke {
            self.hang_up();
        }
    }

    fn close(&mut self, answer: Answer) {
        if answer.outcome == Ending::Ok {
            self.outlet.open.iter().for_each(|open| open.confirmed(&answer.element));
        }
        self.unanswered.remove(&answer.op);
        self.stage.scribe.end(answer.op, answer.outcome, answer.detail);
    }

    /// Gives the line up, and with it whatever was not answered on it: nothing that is sent on the next one can be
    /// overtaken by an answer to that.
    fn hang_up(&mut self) {
        while let Some(Some(answer)) = self.sent.next().now_or_never() {
            self.close(answer);
        }
        self.sent.clear();
        for op in std::mem::take(&mut self.unanswered) {
            self.stage.scribe.end(op, Ending::Unknown, "no confirm before the connection was given up");
        }
        self.line = Line::Waits(Instant::now() + self.back_off.next());
    }
}
