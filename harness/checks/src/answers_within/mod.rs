//! `answers-within: TIME`: every operation is over within the time from when it was due, however it comes out.
//!
//! Time counts from when the rate says that an operation is due and not from when it began, so that a client that is held
//! up cannot hide those behind it (Tene's coordinated omission); Jepsen's `latency-graph` counts from the beginning. One
//! that is never over is over too late: in a case that ended by itself always, in one that was cut off as soon as the
//! history goes on for longer than the bound. Linear in the history.

use bulkhead_model::{
    Unit, Verdict,
    history::{Event, EventKind},
};

use crate::{
    Check, Judgement,
    ops::{Op, Use, is_whole, ops},
    words::{bound, deed, during_any, moment, span},
};

#[cfg(test)]
mod properties;

/// The check.
pub(crate) struct AnswersWithin;

impl Check for AnswersWithin {
    fn name(&self) -> &'static str {
        "answers-within"
    }

    fn sentence(&self) -> &'static str {
        "Every operation is over within the bound from when it was due, whether it succeeds or not."
    }

    fn concerns(&self, event: &EventKind) -> bool {
        matches!(event, EventKind::Invoked(_))
    }

    fn bound(&self) -> Option<Unit> {
        Some(Unit::Time)
    }

    fn judge(&self, history: &[Event], within: u64) -> Judgement {
        let (whole, last) =
            (is_whole(history), history.iter().map(|event| event.at).max().unwrap_or_default());
        let timed: Vec<_> = ops(history).into_iter().map(|op| Timed::of(op, whole, last)).collect();
        // The slowest, of several the first.
        let Some(worst) = timed.iter().rev().max_by_key(|timed| timed.took) else {
            return Judgement::new(Verdict::Unknown, "no operation began");
        };
        let total = timed.len();
        let late = timed.iter().filter(|timed| timed.is_late(within)).count();
        let endless = timed.iter().filter(|timed| timed.took == Took::Endless).count();
        if late > 0 {
            let never = if endless > 0 { format!(", {endless} of them never") } else { String::new() };
            let text = format!(
                "{late} of {total} operations were not over within {}{never}, at most 0 may be: the worst was {}",
                bound(within),
                worst.told(history)
            );
            return Judgement::new(Verdict::Fail, text);
        }
        let text = format!(
            "{total} of {total} operations were over within {}: the worst was {}",
            bound(within),
            worst.told(history)
        );
        Judgement::new(Verdict::Pass, text)
    }
}

/// How long an operation took, in nanoseconds. The order is how bad it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Took {
    /// It was over after this; or the history was cut off then, which tells no more.
    Time(u64),
    /// It was never over.
    Endless,
}

struct Timed<'h> {
    op: Op<'h>,
    due: u64,
    took: Took,
}

impl<'h> Timed<'h> {
    fn of(op: Op<'h>, whole: bool, last: u64) -> Self {
        let due = op.invoked.due.unwrap_or(op.began);
        let took = match op.ended_at() {
            None if whole => Took::Endless,
            ended => Took::Time(ended.unwrap_or(last).saturating_sub(due)),
        };
        Self { op, due, took }
    }

    fn is_late(&self, within: u64) -> bool {
        match self.took {
            Took::Time(time) => time > within.saturating_mul(1_000_000),
            Took::Endless => true,
        }
    }

    fn told(&self, history: &[Event]) -> String {
        let Self { op, due, took } = self;
        let (end, taken) = match took {
            Took::Time(time) if op.ended.is_some() => (due.saturating_add(*time), span(*time)),
            Took::Time(time) => (due.saturating_add(*time), format!("not over after {}", span(*time))),
            Took::Endless => (u64::MAX, String::from("never over")),
        };
        let faults = during_any(history, *due, end);
        let (of, deed) = (Use::with_service(op.invoked), deed(&op.invoked.act));
        format!("{taken}, {deed} by {}, {of}, due at {}{faults}", op.client(), moment(*due))
    }
}
