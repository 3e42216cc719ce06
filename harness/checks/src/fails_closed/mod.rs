//! `fails-closed`: what must be refused is refused, whatever happens to the link meanwhile.
//!
//! Only an answer counts: who could not reach the server, or waited in vain for it, learnt nothing. So a history in which no
//! attempt was answered is unknown and not a pass. What a client met in its server's place is told by the fault proxy's
//! tape: it must have turned away each time, and one must have said for what. Whose password is taken back must get no answer at all. Fail-safe defaults, as Saltzer and Schroeder have them ("The Protection
//! of Information in Computer Systems", 1975). Linear in the history.

use std::collections::BTreeMap;

use bulkhead_model::{
    Act, Effect, Ending, Found, Verdict,
    history::{Event, EventKind},
};

use crate::{
    Check, Judgement,
    ops::{Op, Use, grouped, ops},
    words::{during_any, moment, worst, worst_of},
};

mod impostors;
#[cfg(test)]
mod lockout_properties;
mod lockouts;
#[cfg(test)]
mod properties;

/// The check.
pub(crate) struct FailsClosed;

impl Check for FailsClosed {
    fn name(&self) -> &'static str {
        "fails-closed"
    }

    fn sentence(&self) -> &'static str {
        "Everything that must be refused is refused: an expired link, a neighbour's object, an impostor's certificate, a \
         login whose password was taken back."
    }

    fn concerns(&self, event: &EventKind) -> bool {
        match event {
            EventKind::Invoked(op) => forbidden(&op.act).is_some(),
            EventKind::LockedOut(_) => true,
            EventKind::Touched(touch) => matches!(touch.effect, Effect::Refused(_) | Effect::Trusted(_)),
            _ => false,
        }
    }

    fn judge(&self, history: &[Event], _: u64) -> Judgement {
        let tried = ops(history).into_iter().filter(|op| forbidden(&op.invoked.act).is_some());
        let judged: Vec<_> =
            grouped(tried, Use::of).into_iter().map(|(of, ops)| (of, judge_use(history, &ops))).collect();
        let mut judgements: Vec<_> =
            [impostors::judge(history), lockouts::judge(history)].into_iter().flatten().collect();
        if judgements.is_empty() || !judged.is_empty() {
            judgements.push(worst_of(&judged, "nobody tried what must be refused"));
        }
        worst(judgements)
    }
}

/// What is tried that must be refused.
fn forbidden(act: &Act) -> Option<&str> {
    match act {
        Act::Trespass { what } => Some(what),
        _ => None,
    }
}

/// Whether the server refused, and what it said; nothing where it did not answer.
fn answer<'h>(op: &Op<'h>) -> Option<(bool, &'h str)> {
    match (op.outcome(), op.found()) {
        (Ending::Ok, Some(Found::Answer { refused, said })) => Some((*refused, said)),
        _ => None,
    }
}

fn judge_use(history: &[Event], ops: &[Op<'_>]) -> Judgement {
    let answered: Vec<_> = ops.iter().filter_map(|op| Some((op, answer(op)?))).collect();
    let mut passed: Vec<_> = answered.iter().filter(|(_, (refused, _))| !refused).collect();
    passed.sort_by_key(|(op, _)| op.over);
    if let Some((op, (_, said))) = passed.first() {
        let at = op.ended_at().unwrap_or(op.began);
        let text = format!(
            "{} of {} attempts were let through, at most 0 may be: {} first, by {} at {}{}, answered {said}",
            passed.len(),
            answered.len(),
            forbidden(&op.invoked.act).unwrap_or_default(),
            op.client(),
            moment(at),
            during_any(history, op.began, at)
        );
        return Judgement::new(Verdict::Fail, text);
    }
    // Of each kind one must have been answered: the others say nothing about it.
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    for op in ops {
        *kinds.entry(forbidden(&op.invoked.act).unwrap_or_default()).or_default() +=
            usize::from(answer(op).is_some());
    }
    if let Some((what, _)) = kinds.iter().find(|(_, answers)| **answers == 0) {
        return Judgement::new(
            Verdict::Unknown,
            format!("no attempt of {what} was answered, so nobody knows"),
        );
    }
    let told: Vec<_> = kinds.iter().map(|(what, answers)| format!("{what} {answers} times")).collect();
    let silent = ops.len() - answered.len();
    Judgement::new(Verdict::Pass, format!("refused: {}; {silent} attempts met no answer", told.join(", ")))
}
