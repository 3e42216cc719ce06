//! `available: SHARE`: while a fault is on, at least that share of each use's operations succeeds.
//!
//! An operation is of a fault's time when it began, or was due, while the fault was on. It counts whenever it succeeded:
//! how late it may be is `answers-within`'s to bound. One that found another value than it swaps for was answered. The
//! A fault that is on a neighbour's link alone is not held against what that neighbour does beside the case. The
//! evidence names the fault with the smallest share, and the longest stretch of it in which no operation succeeded. This is
//! the success rate of requests that service level objectives are written in (Beyer et al., "Site Reliability Engineering",
//! 2016, chapter 4), of each fault's time alone; Jepsen's `stats` checker asks only for one success of each kind in the
//! whole test. For each fault linear in the history but for a sort.

use bulkhead_model::{
    Ending, FaultRecord, Unit, Verdict,
    history::{Event, EventKind},
};

use crate::{
    Check, Judgement,
    ops::{Op, Use, grouped, is_whole, ops},
    words::{moment, span, worst_of},
};

#[cfg(test)]
mod properties;

/// The fewest operations of a fault's time of which a share is told.
const FEWEST: u64 = 10;

/// The check.
pub(crate) struct Available;

impl Check for Available {
    fn name(&self) -> &'static str {
        "available"
    }

    fn sentence(&self) -> &'static str {
        "While a fault is on, at least that share of each use's operations succeeds."
    }

    fn concerns(&self, event: &EventKind) -> bool {
        matches!(event, EventKind::Invoked(_))
    }

    fn bound(&self) -> Option<Unit> {
        Some(Unit::Share)
    }

    fn judge(&self, history: &[Event], least: u64) -> Judgement {
        let (times, whole) = (times(history), is_whole(history));
        if times.is_empty() {
            return Judgement::new(Verdict::Unknown, "no fault began");
        }
        let judged = grouped(ops(history), Use::with_service).into_iter().map(|(of, ops)| {
            let counts = times.iter().filter(|time| !time.fault.is_beside(of.tenant()));
            let shares: Vec<_> = counts.map(|time| Share::of(time, &ops, whole)).collect();
            (of, shares)
        });
        let judged = judged.filter(|(_, shares)| !shares.is_empty());
        let judged = judged.map(|(of, shares)| (of, judge_use(&shares, least)));
        worst_of(&judged.collect::<Vec<_>>(), "no operation began that a fault may be held against")
    }
}

/// When a fault was on.
struct Time<'h> {
    fault: &'h FaultRecord,
    from: u64,
    to: u64,
}

/// Of every fault; one that never ended was on until the history's end.
fn times(history: &[Event]) -> Vec<Time<'_>> {
    let last = history.iter().map(|event| event.at).max().unwrap_or_default();
    let mut times: Vec<Time<'_>> = Vec::new();
    for Event { at, kind } in history {
        match kind {
            EventKind::FaultBegan(fault) => {
                times.push(Time { fault, from: *at, to: last });
            }
            EventKind::FaultEnded(fault) => {
                if let Some(time) = times.iter_mut().rev().find(|time| time.fault.fault == fault.fault) {
                    time.to = *at;
                }
            }
            _ => {}
        }
    }
    times
}

/// What became of a use's operations in a fault's time.
struct Share<'t> {
    time: &'t Time<'t>,
    /// How many there were.
    all: u64,
    /// How many succeeded.
    good: u64,
    /// How many may have for all that a history which was cut off can tell.
    open: u64,
    /// The longest stretch without a success, and when it began.
    without: (u64, u64),
}

impl<'t> Share<'t> {
    fn of(time: &'t Time<'_>, ops: &[Op<'_>], whole: bool) -> Self {
        let on = |at: u64| (time.from..time.to).contains(&at);
        let (mut all, mut good, mut open, mut successes) = (0, 0, 0, Vec::new());
        for op in ops {
            let success = op.outcome() == Ending::Ok || op.is_conflict();
            if on(op.began) || op.invoked.due.is_some_and(on) {
                all += 1;
                good += u64::from(success);
                open += u64::from(op.ended.is_none() && !whole);
            }
            successes.extend(op.ended_at().filter(|at| success && on(*at)));
        }
        successes.sort_unstable();
        let (mut since, mut without) = (time.from, (0, time.from));
        for at in successes.into_iter().chain([time.to]) {
            if at.saturating_sub(since) > without.0 {
                without = (at - since, since);
            }
            since = at;
        }
        Self { time, all, good, open, without }
    }

    /// In thousandths.
    fn of_all(&self, count: u64) -> u64 {
        count.saturating_mul(1000) / self.all.max(1)
    }

    fn told(&self) -> String {
        let Self { time, all, good, without: (without, since), .. } = self;
        let share = self.of_all(*good);
        format!(
            "{good} of {all} operations succeeded, {}.{}%, while `{}` was on from {} to {}; the longest without a success was \
             {} from {}",
            share / 10,
            share % 10,
            time.fault.what,
            moment(time.from),
            moment(time.to),
            span(*without),
            moment(*since)
        )
    }
}

/// Judges a use by its share of each fault's time. The worst fault is told, of several the first.
fn judge_use(shares: &[Share<'_>], least: u64) -> Judgement {
    let short =
        |share: &Share<'_>| (share.good + share.open).saturating_mul(100) < least.saturating_mul(share.all);
    let told = |share: &&Share<'_>| share.all >= FEWEST;
    let missed = shares.iter().filter(told).filter(|share| short(share)).count();
    let worst = shares.iter().filter(told).min_by_key(|share| share.of_all(share.good + share.open));
    if let Some(worst) = worst.filter(|_| missed > 0) {
        let total = shares.len();
        let text = format!(
            "under {missed} of {total} faults fewer than {least}% succeeded, at most 0 may be: {}",
            worst.told()
        );
        return Judgement::new(Verdict::Fail, text);
    }
    if let Some(Share { time, all, .. }) = shares.iter().find(|share| share.all < FEWEST) {
        let text = format!(
            "{all} operations of the {FEWEST} that it takes began while `{}` was on",
            time.fault.what
        );
        return Judgement::new(Verdict::Unknown, text);
    }
    match worst {
        Some(worst) => Judgement::new(Verdict::Pass, format!("at least {least}% must: {}", worst.told())),
        None => Judgement::new(Verdict::Unknown, "no fault began"),
    }
}
