//! `replies-match`: whoever calls gets the answer to what was asked, and no reply to what was not.
//!
//! Jepsen has no checker for this. It is what a correlation id is for in AMQP 0-9-1, and the property that gRPC and HTTP
//! have from their connections: the answer is a pure function of the request ([`answer_to`]), so a reply that belongs to
//! another request, to another caller or to nobody is another one. A call that was not answered in its time is no fault
//! here; `answers-within` tells how long that took. Linear in the history.

use std::collections::HashMap;

use bulkhead_model::{
    Act, Ending, Found, Verdict, answer_to,
    bench::Wrong,
    history::{Event, EventKind},
};

use crate::{
    Check, Culprit, Judgement,
    culprit::{Fault, failure},
    ops::{Op, Use, grouped, ops},
    words::{during, held, moment, worst_of},
};

#[cfg(test)]
mod properties;

/// The check.
pub(crate) struct RepliesMatch;

impl Check for RepliesMatch {
    fn name(&self) -> &'static str {
        "replies-match"
    }

    fn sentence(&self) -> &'static str {
        "Every reply that a caller accepts is the answer to its request, and no caller gets one to what it never asked."
    }

    fn concerns(&self, event: &EventKind) -> bool {
        matches!(event, EventKind::Invoked(op) if is_call(&op.act))
    }

    fn judge(&self, history: &[Event], _: u64) -> Judgement {
        let calls = ops(history).into_iter().filter(|op| is_call(&op.invoked.act));
        let judged: Vec<_> =
            grouped(calls, Use::of).into_iter().map(|(of, ops)| (of, judge_use(history, &ops))).collect();
        worst_of(&judged, NOTHING)
    }
}

/// What is missing where nothing was answered.
const NOTHING: &str = "no call was answered, so none could be answered wrongly";

fn is_call(act: &Act) -> bool {
    matches!(act, Act::Call { .. } | Act::Unasked { .. })
}

/// A call that got a reply.
struct Answered<'h> {
    op: Op<'h>,
    request: &'h str,
    reply: Option<&'h str>,
}

impl<'h> Answered<'h> {
    fn of(op: &Op<'h>) -> Option<Self> {
        match (&op.invoked.act, op.outcome()) {
            (Act::Call { request }, Ending::Ok) => Some(Self { op: *op, request, reply: reply(op) }),
            _ => None,
        }
    }

    fn matches(&self) -> bool {
        self.reply.is_some_and(|reply| reply == answer_to(self.request))
    }
}

fn reply<'h>(op: &Op<'h>) -> Option<&'h str> {
    match op.found() {
        Some(Found::Value(value)) => value.as_deref(),
        _ => None,
    }
}

fn judge_use(history: &[Event], ops: &[Op<'_>]) -> Judgement {
    let answered: Vec<_> = ops.iter().filter_map(Answered::of).collect();
    if let Some(failed) = failure([wrong(history, ops, &answered), unasked(history, ops)]) {
        return failed;
    }
    let total = answered.len();
    if total == 0 {
        return Judgement::new(Verdict::Unknown, NOTHING);
    }
    let without = ops.len() - total;
    let text =
        format!("{total} of {total} replies are the answers to their requests; {without} calls got none");
    Judgement::new(Verdict::Pass, text)
}

/// The calls that got something else.
fn wrong(history: &[Event], ops: &[Op<'_>], answered: &[Answered<'_>]) -> Option<Fault> {
    let wrong = || answered.iter().filter(|answered| !answered.matches());
    let Answered { op, request, reply } = wrong().min_by_key(|answered| answered.op.over)?;
    let at = op.ended_at().unwrap_or(op.began);
    let answers = answers(ops);
    let whose = reply.map_or_else(String::new, |reply| belongs(&answers, reply));
    let text = format!(
        "{} of {} replies were not the answer to their request, at most 0 may be: `{request}` first, called by {} at {}, \
         got {} at {}{}{whose}",
        wrong().count(),
        answered.len(),
        op.client(),
        moment(op.began),
        held(*reply),
        moment(at),
        during(history, at)
    );
    let culprits = wrong().map(|answered| Culprit::of(Wrong::Foreign, &answered.op)).collect();
    Some(Fault { text, culprits })
}

/// The replies to what was never asked.
fn unasked(history: &[Event], ops: &[Op<'_>]) -> Option<Fault> {
    let unasked = || {
        ops.iter().filter_map(|op| match &op.invoked.act {
            Act::Unasked { reply } => Some((op, reply)),
            _ => None,
        })
    };
    let (op, reply) = unasked().next()?;
    let answers = answers(ops);
    let text = format!(
        "{} replies came to who had not asked, at most 0 may: `{reply}` first, to {} at {}{}{}",
        unasked().count(),
        op.client(),
        moment(op.began),
        during(history, op.began),
        belongs(&answers, reply)
    );
    // One to what the caller itself asked is there once more than it should.
    let culprits = unasked().map(|(op, reply)| match answers.get(reply) {
        Some((_, caller)) if *caller == op.client() => Culprit::of(Wrong::Duplicated, op),
        _ => Culprit::of(Wrong::Foreign, op),
    });
    Some(Fault { text, culprits: culprits.collect() })
}

/// Each answer with its request and who called it.
type Answers<'h> = HashMap<String, (&'h str, &'h str)>;

fn answers<'h>(ops: &[Op<'h>]) -> Answers<'h> {
    let calls = ops.iter().filter_map(|op| match &op.invoked.act {
        Act::Call { request } => Some((answer_to(request), (request.as_str(), op.client()))),
        _ => None,
    });
    calls.collect()
}

/// Whose answer it is, as the end of a sentence.
fn belongs(answers: &Answers<'_>, reply: &str) -> String {
    match answers.get(reply) {
        Some((request, caller)) => format!(", which is the answer to `{request}` of {caller}"),
        None => String::from(", which is the answer to nothing that was asked"),
    }
}
