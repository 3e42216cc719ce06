//! `within-ttl: TIME`: what is kept for a time is there while that lasts and gone afterwards, give or take the bound.
//!
//! Redis's EXPIRE: the time to live counts from when a key was last set or given a new one, goes on while the server is
//! down, and is exact to a millisecond; it runs on the server's clock, which may be corrected, and the bound is what that
//! may come to here, where only the history's own clock is read. Jepsen has no checker for this. Its way with what nobody
//! knows (`:info` may take effect at any time after it began, or never) and Porcupine's with what overlaps (a step happens
//! somewhere between beginning and end) give the bounds, and red is only what none of these could explain:
//!
//! - A value *lives on too long* if a reading that has it began after every end of what can have prolonged it, plus the
//!   time to live. What began once it was over prolongs nothing.
//! - It is *gone too early* if a reading without it was over before the beginning of the last acknowledged set or touch,
//!   plus the time to live, and nobody can have taken it away since. What may be evicted may go whenever it likes.
//! - A reading that began after a value was acknowledged to be taken away or replaced must not have it, nor may one have
//!   what was never put under its key.
//!
//! Linear in the history but for a sort.

use std::collections::HashMap;

use bulkhead_model::{
    Act, Ending, Found, Unit, Verdict,
    bench::Wrong,
    history::{Event, EventKind},
};

use self::past::{Life, Past};
use crate::{
    Check, Culprit, Judgement,
    ops::{Op, Use, grouped, ops},
    words::{bound, during_any, moment, span, worst_of},
};

mod past;
#[cfg(test)]
mod properties;

/// The check.
pub(crate) struct WithinTtl;

impl Check for WithinTtl {
    fn name(&self) -> &'static str {
        "within-ttl"
    }

    fn sentence(&self) -> &'static str {
        "What is kept for a time is there that long, unless it may be evicted, and is found neither later than the bound \
         after it nor once it was taken away."
    }

    fn concerns(&self, event: &EventKind) -> bool {
        matches!(event, EventKind::Invoked(op) if key(&op.act).is_some())
    }

    fn bound(&self) -> Option<Unit> {
        Some(Unit::Time)
    }

    fn judge(&self, history: &[Event], tolerance: u64) -> Judgement {
        let concerned = ops(history).into_iter().filter(|op| key(&op.invoked.act).is_some());
        let judged: Vec<_> = grouped(concerned, Use::of)
            .into_iter()
            .map(|(of, ops)| (of, judge_use(history, ops, tolerance)))
            .collect();
        worst_of(&judged, "nobody kept anything for a time")
    }
}

/// The key that an operation is about.
fn key(act: &Act) -> Option<&str> {
    match act {
        Act::Keep { key, .. } | Act::Look { key } | Act::Touch { key, .. } | Act::Forget { key } => Some(key),
        _ => None,
    }
}

/// What a reading has, where it came back; a touch is one.
fn reading<'h>(op: &Op<'h>) -> Option<Option<&'h str>> {
    match (&op.invoked.act, op.outcome(), op.found()) {
        (Act::Look { .. } | Act::Touch { .. }, Ending::Ok, Some(Found::Value(value))) => {
            Some(value.as_deref())
        }
        _ => None,
    }
}

/// When an operation was over, as far as the history says.
fn end(op: &Op<'_>) -> u64 {
    op.ended_at().unwrap_or(u64::MAX)
}

fn nanoseconds(milliseconds: u64) -> u64 {
    milliseconds.saturating_mul(1_000_000)
}

/// What the readings came to.
#[derive(Default)]
struct Tally<'h> {
    readings: usize,
    /// Those that have what was kept.
    alive: usize,
    /// Those that have nothing of what was kept and not taken away, once its time was over.
    expired: usize,
    wrong: Vec<(Op<'h>, String)>,
    culprits: Vec<Culprit>,
}

fn judge_use(history: &[Event], ops: Vec<Op<'_>>, tolerance: u64) -> Judgement {
    let mut kept = HashMap::new();
    for op in &ops {
        if let Act::Keep { value, .. } = &op.invoked.act {
            kept.entry(value.as_str()).or_insert(*op);
        }
    }
    let mut tally = Tally::default();
    for (key, ops) in grouped(ops, |invoked| key(&invoked.act).unwrap_or_default()) {
        read_key(&mut tally, key, &ops, &kept, nanoseconds(tolerance));
    }
    let Tally { readings, alive, expired, wrong, culprits } = tally;
    let within = bound(tolerance);
    match wrong.iter().min_by_key(|(op, _)| op.place) {
        Some((op, fault)) => Judgement::new(
            Verdict::Fail,
            format!(
                "{} of {readings} readings cannot be right, at most 0 may be: the first, of `{}` by {} at {}{}, found {fault}",
                wrong.len(),
                key(&op.invoked.act).unwrap_or_default(),
                op.client(),
                moment(op.began),
                during_any(history, op.began, op.ended_at().unwrap_or(op.began))
            ),
        )
        .naming(culprits),
        None if alive == 0 => Judgement::new(
            Verdict::Unknown,
            format!("none of {readings} readings found what was kept, so nobody knows when it goes"),
        ),
        None if expired == 0 => Judgement::new(
            Verdict::Unknown,
            format!("none of {readings} readings came when a time to live was over: nothing had to go"),
        ),
        None => Judgement::new(
            Verdict::Pass,
            format!(
                "{alive} readings found what was kept in its time, {expired} found it gone afterwards, all within {within}; \
                 {readings} in all"
            ),
        ),
    }
}

/// All readings of one key, in the order in which they began. One that began later cannot excuse one that began earlier:
/// it would have to be in time itself, and then so was the other.
fn read_key<'h>(
    tally: &mut Tally<'h>,
    key: &str,
    ops: &[Op<'h>],
    kept: &HashMap<&'h str, Op<'h>>,
    tolerance: u64,
) {
    let past = Past::of(ops);
    let mut lives: HashMap<&str, Life> = HashMap::new();
    let mut unknown_touch = None;
    for op in ops {
        let Some(found) = reading(op) else {
            let may_prolong = matches!(op.invoked.act, Act::Touch { .. }) && op.outcome() != Ending::Failed;
            if may_prolong {
                unknown_touch.get_or_insert(op.began);
            }
            continue;
        };
        tally.readings += 1;
        let fault = match (found, found.and_then(|value| kept.get(value))) {
            (Some(value), Some(put)) => {
                let life = lives.entry(value).or_insert_with(|| Life::of(put));
                let misplaced = misplaced(op, key, value, put).map(|fault| (fault, Some(Wrong::Foreign)));
                // What lives on too long is none of the four.
                let fault = misplaced
                    .or_else(|| Some((outlived(op, value, &past, life)?, Some(Wrong::Reordered))))
                    .or_else(|| {
                        let over_by = life.over_by(unknown_touch, tolerance);
                        Some((too_late(op, value, over_by, tolerance)?, None))
                    });
                let fault = fault.map(|(fault, wrong)| (fault, wrong.map(|wrong| Culprit::of(wrong, op))));
                life.seen(op);
                tally.alive += 1;
                fault
            }
            (Some(value), None) => {
                let fault = format!("`{value}`, which nobody put anywhere");
                Some((fault, Some(Culprit::of(Wrong::Foreign, op))))
            }
            (None, _) => match past.must_live_until(op) {
                None => None,
                Some((last, until)) if end(op) < until.saturating_sub(tolerance) && !past.evictable => {
                    Some((too_early(op, &last, until), Some(Culprit::of(Wrong::Lost, &last))))
                }
                Some((_, until)) => {
                    tally.expired += usize::from(end(op) >= until.saturating_sub(tolerance));
                    None
                }
            },
        };
        let Some((fault, culprit)) = fault else { continue };
        tally.wrong.push((*op, fault));
        tally.culprits.extend(culprit);
    }
}

/// A value that was never put there, or not yet.
fn misplaced(op: &Op<'_>, here: &str, value: &str, put: &Op<'_>) -> Option<String> {
    let by = put.client();
    match key(&put.invoked.act) {
        Some(there) if there != here => Some(format!("`{value}`, which {by} put under `{there}`")),
        _ if put.outcome() == Ending::Failed => {
            Some(format!("`{value}`, which {by} tried in vain to put there"))
        }
        _ if put.place > op.over => {
            Some(format!("`{value}` before {by} began to put it there at {}", moment(put.began)))
        }
        _ => None,
    }
}

/// A value that was there no more when the reading began.
fn outlived(op: &Op<'_>, value: &str, past: &Past<'_>, life: &Life) -> Option<String> {
    let removal = past.removed.before(op.place).filter(|removal| removal.place > life.known)?;
    let how = if matches!(removal.invoked.act, Act::Forget { .. }) { "took away" } else { "replaced" };
    Some(format!("`{value}`, which {} {how} by {}", removal.client(), moment(end(&removal))))
}

/// A value whose time was over when the reading began.
fn too_late(op: &Op<'_>, value: &str, over_by: u64, tolerance: u64) -> Option<String> {
    (op.began > over_by.saturating_add(tolerance)).then(|| {
        format!(
            "`{value}`, whose time to live was over by {}: it lives on too long, {} of at most {}",
            moment(over_by),
            span(op.began - over_by),
            span(tolerance)
        )
    })
}

/// A value that should still have been there when the reading was over.
fn too_early(op: &Op<'_>, last: &Op<'_>, until: u64) -> String {
    let how = if matches!(last.invoked.act, Act::Touch { .. }) { "touched" } else { "put there" };
    format!(
        "nothing of what {} {how} at {} and nobody took away: it is gone too early, by {}",
        last.client(),
        moment(last.began),
        span(until - end(op))
    )
}
