//! `in-order`: what a publisher handed over comes to each consumer in that order.
//!
//! AMQP 0-9-1 promises it for what goes through one channel, one exchange, one queue and one outgoing channel (section 4.7
//! of the specification); Jepsen's Kafka workload (`jepsen.tests.kafka`) looks for the same as polls that are not monotonic.
//! Only first deliveries count: what the server says that it gave out before may come late and may repeat, and so does
//! what a consumer took already. An element whose acknowledgement never came may be late on its way, so only acknowledged
//! ones have an order: that in which they began, of one client. Linear in the history.

use std::collections::{HashMap, HashSet};

use bulkhead_model::{
    Act, Ending, Verdict,
    bench::Wrong,
    history::{Event, EventKind},
};

use crate::{
    Check, Culprit, Judgement,
    ops::{Op, Use, grouped, ops},
    words::{during, moment, worst_of},
};

#[cfg(test)]
mod properties;

/// The check.
pub(crate) struct InOrder;

impl Check for InOrder {
    fn name(&self) -> &'static str {
        "in-order"
    }

    fn sentence(&self) -> &'static str {
        "What a publisher handed over and a server acknowledged is first delivered to each consumer in the order of \
         handing over."
    }

    fn concerns(&self, event: &EventKind) -> bool {
        matches!(event, EventKind::Invoked(op) if given(&op.act).is_some() || taken(&op.act).is_some())
    }

    fn minimum(&self) -> usize {
        // Two are handed over and two are taken.
        4
    }

    fn judge(&self, history: &[Event], _: u64) -> Judgement {
        let judged: Vec<_> = grouped(ops(history), Use::of)
            .into_iter()
            .filter(|(_, ops)| ops.iter().any(|op| given(&op.invoked.act).is_some()))
            .map(|(of, ops)| (of, judge_use(history, &ops)))
            .collect();
        worst_of(&judged, NOTHING)
    }
}

/// What is missing where there is no order.
const NOTHING: &str =
    "no consumer took two acknowledged elements of one publisher, so there was no order to keep";

/// What is handed over.
fn given(act: &Act) -> Option<&str> {
    match act {
        Act::Hand { element } | Act::Announce { element, .. } => Some(element),
        _ => None,
    }
}

/// What is delivered for the first time, as far as the server knows.
fn taken(act: &Act) -> Option<&str> {
    match act {
        Act::Take { element, again: false } => Some(element),
        _ => None,
    }
}

/// An element that came after one that was handed over later.
struct Late<'h> {
    element: &'h str,
    given: Op<'h>,
    taken: Op<'h>,
    /// What it should have come before.
    behind: (&'h str, Op<'h>),
}

fn judge_use(history: &[Event], ops: &[Op<'_>]) -> Judgement {
    let acknowledged: HashMap<_, _> = ops
        .iter()
        .filter(|op| op.outcome() == Ending::Ok)
        .filter_map(|op| Some((given(&op.invoked.act)?, *op)))
        .collect();
    let (mut seen, mut late, mut compared) = (HashSet::new(), Vec::new(), 0_usize);
    // The one that was handed over last, of those of a publisher that a consumer took.
    let mut last: HashMap<(&str, &str), (&str, Op<'_>)> = HashMap::new();
    for op in ops {
        let Some(element) = taken(&op.invoked.act) else { continue };
        let Some(given) = acknowledged.get(element) else { continue };
        if !seen.insert((op.client(), element)) {
            continue;
        }
        let Some(known) = last.get_mut(&(op.client(), given.client())) else {
            last.insert((op.client(), given.client()), (element, *given));
            continue;
        };
        compared += 1;
        if given.place < known.1.place {
            late.push(Late { element, given: *given, taken: *op, behind: *known });
        } else {
            *known = (element, *given);
        }
    }
    match late.first() {
        Some(first) => Judgement::new(Verdict::Fail, first.told(history, late.len(), seen.len()))
            .naming(late.iter().map(|late| Culprit::of(Wrong::Reordered, &late.taken))),
        None if compared == 0 => Judgement::new(Verdict::Unknown, NOTHING),
        None => Judgement::new(
            Verdict::Pass,
            format!("0 of {} first deliveries out of order, at {} consumers", seen.len(), consumers(&last)),
        ),
    }
}

fn consumers(last: &HashMap<(&str, &str), (&str, Op<'_>)>) -> usize {
    last.keys().map(|(consumer, _)| consumer).collect::<HashSet<_>>().len()
}

impl Late<'_> {
    fn told(&self, history: &[Event], count: usize, total: usize) -> String {
        let Self { element, given, taken, behind: (later, after) } = self;
        format!(
            "{count} of {total} first deliveries were out of order, at most 0 may be: `{element}` first, to {} at {}{}, after \
             `{later}`, although {} handed it over before, at {} and {}",
            taken.client(),
            moment(taken.began),
            during(history, taken.began),
            given.client(),
            moment(given.began),
            moment(after.began)
        )
    }
}
