//! `nothing-missed`: whoever listens hears every message that is sent meanwhile, once, and nothing that nobody sent.
//!
//! Redis delivers at most once ([Pub/Sub](https://redis.io/docs/latest/develop/pubsub/), "delivery semantics"): a message
//! reaches who is connected when it is sent and nobody else, so a loss is one only while somebody certainly was. A
//! connection keeps order. From the end of a subscription to the beginning of the last question that the server answered
//! on the same connection, all that it was sent came before that answer; a message whose sending began and was over in
//! between must have been heard. What was sent at the edges may be heard or not. Jepsen has no checker for this. Linear in
//! the messages and who was to hear them.

use std::collections::{BTreeMap, HashMap, HashSet};

use bulkhead_model::{
    Act, Ending, Verdict,
    bench::Wrong,
    history::{Event, EventKind},
};

use crate::{
    Check, Culprit, Judgement,
    culprit::{Fault, failure},
    ops::{Op, Use, grouped, ops},
    words::{during_any, moment, worst_of},
};

#[cfg(test)]
mod properties;

/// The check.
pub(crate) struct NothingMissed;

impl Check for NothingMissed {
    fn name(&self) -> &'static str {
        "nothing-missed"
    }

    fn sentence(&self) -> &'static str {
        "Whoever listens hears every message that is sent meanwhile, once, and none that nobody sent."
    }

    fn concerns(&self, event: &EventKind) -> bool {
        matches!(event, EventKind::Invoked(op) if is_concerned(&op.act))
    }

    fn judge(&self, history: &[Event], _: u64) -> Judgement {
        let ops = ops(history).into_iter().filter(|op| is_concerned(&op.invoked.act));
        let judged: Vec<_> =
            grouped(ops, Use::of).into_iter().map(|(of, ops)| (of, judge_use(history, &ops))).collect();
        worst_of(&judged, NOTHING)
    }
}

/// What is missing where nobody was to hear anything.
const NOTHING: &str = "no message was sent while anybody certainly listened";

fn is_concerned(act: &Act) -> bool {
    matches!(act, Act::Broadcast { .. } | Act::Subscribe { .. } | Act::Attend { .. } | Act::Hear { .. })
}

/// A stretch of time in which a client certainly listened.
struct Stretch<'h> {
    subscribed: Op<'h>,
    /// The last question that was answered.
    answered: Op<'h>,
}

/// A message that somebody was to hear.
struct Due<'h, 's> {
    element: &'h str,
    sent: Op<'h>,
    by: &'s Stretch<'h>,
}

fn judge_use(history: &[Event], ops: &[Op<'_>]) -> Judgement {
    let stretches = stretches(ops);
    let due = due(ops, &stretches);
    let heard = heard(ops);
    if let Some(failed) = failure([missed(history, &due, &heard), unsent(ops, &heard), twice(&heard)]) {
        return failed;
    }
    if due.is_empty() {
        return Judgement::new(Verdict::Unknown, NOTHING);
    }
    let total = heard.values().map(Vec::len).sum::<usize>();
    let text = format!(
        "0 of {} missed by who listened, in {} stretches; {total} heard in all",
        due.len(),
        stretches.len()
    );
    Judgement::new(Verdict::Pass, text)
}

fn stretches<'h>(ops: &[Op<'h>]) -> Vec<Stretch<'h>> {
    let good = || ops.iter().filter(|op| op.outcome() == Ending::Ok);
    let mut last = HashMap::new();
    for op in good() {
        if let Act::Attend { line } = op.invoked.act {
            last.insert((op.client(), line), *op);
        }
    }
    let subscribed = good().filter_map(|op| match op.invoked.act {
        Act::Subscribe { line } => {
            let answered = *last.get(&(op.client(), line))?;
            Some(Stretch { subscribed: *op, answered })
        }
        _ => None,
    });
    subscribed.collect()
}

fn due<'h, 's>(ops: &[Op<'h>], stretches: &'s [Stretch<'h>]) -> Vec<Due<'h, 's>> {
    let sent: Vec<_> = ops
        .iter()
        .filter_map(|op| match &op.invoked.act {
            Act::Broadcast { element } if op.outcome() == Ending::Ok => Some((element.as_str(), *op)),
            _ => None,
        })
        .collect();
    let mut due = Vec::new();
    for by in stretches {
        let from = sent.partition_point(|(_, op)| op.place < by.subscribed.over);
        let until = sent.partition_point(|(_, op)| op.place < by.answered.place);
        let meanwhile = sent.get(from..until).unwrap_or_default();
        let meanwhile = meanwhile.iter().filter(|(_, op)| op.over < by.answered.place);
        due.extend(meanwhile.map(|(element, sent)| Due { element, sent: *sent, by }));
    }
    due
}

/// Who heard what, with each time that it was heard.
type Heard<'h> = BTreeMap<(&'h str, &'h str), Vec<Op<'h>>>;

fn heard<'h>(ops: &[Op<'h>]) -> Heard<'h> {
    let mut heard = Heard::new();
    for op in ops {
        if let Act::Hear { element } = &op.invoked.act {
            heard.entry((op.client(), element.as_str())).or_default().push(*op);
        }
    }
    heard
}

fn missed(history: &[Event], due: &[Due<'_, '_>], heard: &Heard<'_>) -> Option<Fault> {
    let missed = || due.iter().filter(|due| !heard.contains_key(&(due.by.subscribed.client(), due.element)));
    let Due { element, sent, by } = missed().min_by_key(|due| (due.sent.place, due.by.subscribed.place))?;
    let over = sent.ended_at().unwrap_or(sent.began);
    let text = format!(
        "{} of {} messages were missed by who listened, at most 0 may be: `{element}` first, sent by {} at {}{}, by {}, who \
         listened from {} to {}",
        missed().count(),
        due.len(),
        sent.client(),
        moment(sent.began),
        during_any(history, sent.began, over),
        by.subscribed.client(),
        moment(by.subscribed.ended_at().unwrap_or(by.subscribed.began)),
        moment(by.answered.began)
    );
    Some(Fault { text, culprits: missed().map(|due| Culprit::of(Wrong::Lost, &due.sent)).collect() })
}

fn unsent(ops: &[Op<'_>], heard: &Heard<'_>) -> Option<Fault> {
    let sent: HashSet<_> = ops
        .iter()
        .filter_map(|op| match &op.invoked.act {
            Act::Broadcast { element } => Some(element.as_str()),
            _ => None,
        })
        .collect();
    let unsent = || heard.iter().filter(|((_, element), _)| !sent.contains(element));
    let ((client, element), first) =
        unsent().filter_map(|(who, times)| Some((who, times.first()?))).min_by_key(|(_, op)| op.place)?;
    let text = format!(
        "{} messages were heard that nobody sent, at most 0 may be: `{element}` first, by {client} at {}",
        unsent().count(),
        moment(first.began)
    );
    let heard = unsent().filter_map(|(_, times)| times.first());
    Some(Fault { text, culprits: heard.map(|op| Culprit::of(Wrong::Foreign, op)).collect() })
}

fn twice(heard: &Heard<'_>) -> Option<Fault> {
    let twice = || heard.iter().filter_map(|(who, times)| Some((who, times.get(1)?)));
    let ((client, element), again) = twice().min_by_key(|(_, op)| op.place)?;
    let text = format!(
        "{} messages were heard more than once by one who listened, at most 0 may be: `{element}` first, by {client} again \
         at {}",
        twice().count(),
        moment(again.began)
    );
    let again = heard.values().flat_map(|times| times.iter().skip(1));
    Some(Fault { text, culprits: again.map(|op| Culprit::of(Wrong::Duplicated, op)).collect() })
}
