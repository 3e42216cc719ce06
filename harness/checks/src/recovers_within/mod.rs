//! `recovers-within: TIME`: whenever the last open fault ends, each use of a service works again within the time.
//!
//! Two times count from there, for each tenant's workload on each service: to the first success, which is the end of the
//! first operation to succeed that began afterwards; and to the steady state, which is the end of the last that did not
//! succeed, or the first success where that is later. Only what began before the next fault is looked at, and for the
//! steady state only what began before the case healed: what is refused while a workload ends says nothing. Where the next
//! fault comes before anything can be told, the heal after that one tells. A swap that
//! failed found another value, which is an answer and neither a success nor a failure. The evidence tells besides, for each
//! heal, when the last was taken of what had been handed over before it. Jepsen has no such checker; its
//! tests read these times off `jepsen.checker/perf`'s graphs. Linear in the history for
//! each fault.

use std::collections::HashMap;

use bulkhead_model::{
    Act, Ending, Unit, Verdict,
    bench::Recovery,
    history::{Event, EventKind},
};

use self::heals::{Heal, heals};
use crate::{
    Check, Judgement,
    ops::{Op, Use, grouped, is_whole, ops},
    words::{bound, deed, moment, span, worst_of},
};

mod heals;
#[cfg(test)]
mod properties;

/// The check.
pub(crate) struct RecoversWithin;

impl Check for RecoversWithin {
    fn name(&self) -> &'static str {
        "recovers-within"
    }

    fn sentence(&self) -> &'static str {
        "Whenever the last fault has ended, each use succeeds again, and stops failing, within the bound."
    }

    fn concerns(&self, event: &EventKind) -> bool {
        matches!(event, EventKind::Invoked(_))
    }

    fn bound(&self) -> Option<Unit> {
        Some(Unit::Time)
    }

    fn judge(&self, history: &[Event], within: u64) -> Judgement {
        let heals = heals(history);
        if heals.is_empty() {
            return Judgement::new(Verdict::Unknown, "no fault came to its end, so nothing could recover");
        }
        let last = history.iter().map(|event| event.at).max().unwrap_or_default();
        let scene = Scene { whole: is_whole(history), last, within };
        let healed = history.iter().enumerate().find(|(_, event)| matches!(event.kind, EventKind::Healed));
        let healed = healed.map(|(place, event)| (place, event.at));
        let judged = grouped(ops(history), Use::with_service).into_iter().map(|(of, ops)| {
            let Judgement { verdict, evidence, .. } = scene.judge_use(&heals, &ops);
            (of, Judgement::new(verdict, evidence + &backlogs(&heals, &ops) + &drained(&ops, healed)))
        });
        worst_of(&judged.collect::<Vec<_>>(), "no operation began")
    }
}

/// How long these operations of one use took to succeed again after the heal that they took longest for; none where no fault
/// came to its end, or nothing tells.
pub(crate) fn slowest(history: &[Event], ops: &[Op<'_>]) -> Option<Recovery> {
    let last = history.iter().map(|event| event.at).max().unwrap_or_default();
    // Nothing is judged, so whatever failed did.
    let scene = Scene { whole: is_whole(history), last, within: 0 };
    let heals = heals(history);
    let courses = heals.iter().map(|heal| scene.recovery(heal, ops));
    let worst = courses.filter(|course| course.time().is_some()).max_by_key(Course::time)?;
    let known = |time: u64| (time < u64::MAX).then_some(time);
    Some(match worst {
        Course::Works { first, steady, .. } => Recovery { first_ns: Some(first), steady_ns: known(steady) },
        Course::Fails { .. } | Course::Unknown(_) => Recovery { first_ns: None, steady_ns: None },
    })
}

/// What all of a history's uses are judged by.
struct Scene {
    /// Whether the case came to its end, and with it whatever was going on.
    whole: bool,
    /// When the history ends.
    last: u64,
    /// The bound, in milliseconds.
    within: u64,
}

/// How long a use took to recover once.
enum Course<'h> {
    /// It works: the times to the first success and to the steady state, and what did not succeed last.
    Works { first: u64, steady: u64, failed: Option<Op<'h>> },
    /// Nothing succeeded for so long, of so many operations.
    Fails { since: u64, of: usize },
    /// Nobody knows, and why.
    Unknown(String),
}

impl Course<'_> {
    /// What is compared with the bound, in nanoseconds.
    fn time(&self) -> Option<u64> {
        match self {
            Self::Works { steady, .. } => Some(*steady),
            Self::Fails { .. } => Some(u64::MAX),
            Self::Unknown(_) => None,
        }
    }
}

impl Scene {
    fn judge_use(&self, heals: &[Heal<'_>], ops: &[Op<'_>]) -> Judgement {
        let all: Vec<_> = heals.iter().map(|heal| (heal, self.recovery(heal, ops))).collect();
        // Where the next fault came before anything could be told, the heal after that one tells.
        let cut_short = |(heal, recovery): &(&Heal<'_>, Course<'_>)| {
            heal.next_at.is_some() && matches!(recovery, Course::Unknown(_))
        };
        let (short, recoveries): (Vec<_>, Vec<_>) = all.into_iter().partition(cut_short);
        if recoveries.is_empty()
            && let Some((heal, Course::Unknown(why))) = short.first()
        {
            return Judgement::new(Verdict::Unknown, format!("{why} {}", heal.told()));
        }
        let limit = self.within.saturating_mul(1_000_000);
        let late = recoveries.iter().filter(|(_, recovery)| recovery.time().is_some_and(|time| time > limit));
        // The slowest, of several the first.
        let worst = recoveries.iter().rev().max_by_key(|(_, recovery)| recovery.time());
        let unknown = recoveries.iter().find_map(|(heal, recovery)| match recovery {
            Course::Unknown(why) => Some(format!("{why} {}", heal.told())),
            _ => None,
        });
        let (count, total, bound) = (late.count(), recoveries.len(), bound(self.within));
        match (worst, unknown) {
            (Some((heal, recovery)), _) if count > 0 => {
                let told = self.told(heal, recovery);
                let text = format!(
                    "{count} of {total} times it did not recover within {bound}, at most 0 may be: the worst {told}"
                );
                Judgement::new(Verdict::Fail, text)
            }
            (_, Some(why)) => Judgement::new(Verdict::Unknown, why),
            (Some((heal, recovery)), None) => {
                let told = self.told(heal, recovery);
                let text = format!("{total} of {total} times it recovered within {bound}: the worst {told}");
                Judgement::new(Verdict::Pass, text)
            }
            (None, None) => Judgement::new(Verdict::Unknown, "no fault came to its end"),
        }
    }

    /// What a use did after one heal.
    fn recovery<'h>(&self, heal: &Heal<'_>, ops: &[Op<'h>]) -> Course<'h> {
        let until = |place: usize| ops.partition_point(|op| op.place < place);
        let began = ops.get(until(heal.place)..until(heal.next)).unwrap_or_default();
        let telling: Vec<_> = began.iter().filter(|op| !op.is_conflict()).collect();
        if telling.is_empty() {
            return Course::Unknown(String::from("no operation that tells began"));
        }
        let since = |at: u64| at.saturating_sub(heal.at);
        let good = telling.iter().filter(|op| op.outcome() == Ending::Ok);
        let Some(first) = good.filter_map(|op| op.ended_at()).min().map(since) else {
            let time = since(heal.next_at.unwrap_or(self.last));
            let certain =
                time > self.within.saturating_mul(1_000_000) || (self.whole && heal.next_at.is_none());
            return if certain {
                Course::Fails { since: time, of: telling.len() }
            } else {
                Course::Unknown(format!("nothing succeeded in only {}", span(time)))
            };
        };
        let bad = telling.iter().filter(|op| op.outcome() != Ending::Ok && op.place < heal.steady_until);
        let failed = bad.max_by_key(|op| self.end(op)).map(|op| **op);
        let steady = failed.map_or(first, |op| since(self.end(&op)).max(first));
        Course::Works { first, steady, failed }
    }

    /// When an operation was over; the end of time where it never was and nothing more can come.
    fn end(&self, op: &Op<'_>) -> u64 {
        op.ended_at().unwrap_or(if self.whole { u64::MAX } else { self.last })
    }

    fn told(&self, heal: &Heal<'_>, recovery: &Course<'_>) -> String {
        let heal = heal.told();
        match recovery {
            Course::Works { first, steady, failed } => {
                let (first, time) = (span(*first), span(*steady));
                let last = match failed {
                    Some(op) => {
                        let end = self.end(op);
                        let when = if end == u64::MAX { String::from("never over") } else { moment(end) };
                        let deed = deed(&op.invoked.act);
                        format!(
                            ", the last not to succeed {deed} by {} ({} to {when})",
                            op.client(),
                            moment(op.began)
                        )
                    }
                    None => String::from(", none failed"),
                };
                let steady = match failed {
                    Some(op) if self.end(op) == u64::MAX => String::from("never steady"),
                    _ => format!("steady after {time}"),
                };
                format!("{heal}: first success after {first}, {steady}{last}")
            }
            Course::Fails { since, of } => {
                format!("{heal}: none of {of} operations that began in {} succeeded", span(*since))
            }
            Course::Unknown(why) => format!("{heal}: {why}"),
        }
    }
}

/// How long after each heal the last was taken of what had been handed over before it; nothing where nothing was left.
fn backlogs(heals: &[Heal<'_>], ops: &[Op<'_>]) -> String {
    let mut handed: HashMap<&str, usize> = HashMap::new();
    for op in ops {
        if let Act::Hand { element } | Act::Announce { element, .. } = &op.invoked.act {
            handed.entry(element).or_insert(op.place);
        }
    }
    let taken = ops.iter().filter_map(|op| match &op.invoked.act {
        Act::Take { element, .. } if op.outcome() == Ending::Ok => {
            Some((*handed.get(element.as_str())?, op.over, op.ended_at()?))
        }
        _ => None,
    });
    let taken: Vec<(usize, usize, u64)> = taken.collect();
    let told = heals.iter().filter_map(|heal| {
        let left = taken.iter().filter(|(handed, over, _)| *handed < heal.place && heal.place < *over);
        let last = left.map(|(.., at)| *at).max()?;
        Some(format!("{} {}", span(last.saturating_sub(heal.at)), heal.told()))
    });
    match told.collect::<Vec<_>>().join(", ") {
        none if none.is_empty() => none,
        told => format!("; its backlog was taken {told}"),
    }
}

/// How long after the case healed the last was taken or read; nothing where none was.
fn drained(ops: &[Op<'_>], healed: Option<(usize, u64)>) -> String {
    let takes =
        |op: &&Op<'_>| matches!(op.invoked.act, Act::Take { .. } | Act::ReadAll | Act::ReadBooks { .. });
    let last = ops.iter().filter(takes).filter(|op| op.outcome() == Ending::Ok).max_by_key(|op| op.over);
    match (last, healed) {
        (Some(op), Some((place, at))) if op.over > place => {
            let time = op.ended_at().unwrap_or(op.began).saturating_sub(at);
            format!("; drained after {}", span(time))
        }
        _ => String::new(),
    }
}
