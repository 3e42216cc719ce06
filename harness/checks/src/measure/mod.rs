//! How many operations of each kind came to what, and how long they took: a pure function of a history, as checks are.
//!
//! Time counts from when an operation was due, so that one that is held up does not hide those behind it (Tene's coordinated
//! omission, as in wrk2); in a closed loop, where nothing is due, from when it began. Percentiles are those of an
//! HdrHistogram of three significant digits, of the operations that succeeded: those that did not are counted beside it.

use std::collections::{BTreeMap, BTreeSet};

use bulkhead_model::{
    Ending, TenantName,
    bench::{LATE, Latency, Load, Measure, Second, Stretch, Usage, When, Wrongs},
    history::{Event, EventKind},
};
use hdrhistogram::Histogram;

use crate::{
    Culprit,
    ops::{Op, ops},
    recovers_within,
};

pub mod compare;
mod gate;
mod knee;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod timeline;
mod usage;
mod wrong;

use self::wrong::Found;
pub use self::{gate::judge as judge_threshold, knee::knees};

const SECOND: u64 = 1_000_000_000;

/// The longest time that is told apart: an hour.
const LONGEST: u64 = 3_600 * SECOND;

/// Digits of a time that are kept.
const DIGITS: u8 = 3;

/// What a history came to.
pub struct Measured {
    /// How long the measured part was, in nanoseconds.
    pub took: u64,
    /// Each workload, by its name.
    pub loads: Vec<Load>,
    /// What was found and has no place in them.
    pub beside: Wrongs,
    /// What the processes used meanwhile.
    pub usage: Vec<Usage>,
    /// The times behind it, second by second.
    pub intervals: Vec<Interval>,
}

/// How long those operations of one kind took that were due in one second and succeeded.
pub struct Interval {
    /// `redis.sessions`.
    pub workload: String,
    /// `touch`.
    pub act: &'static str,
    /// Which second of the measured part, from 0.
    pub second: u64,
    /// In nanoseconds, in the order in which they began.
    pub times: Vec<u64>,
}

/// Measures what a tenant did in a history, of which it leaves out so many nanoseconds at the beginning. `rates` are what
/// workloads were to keep up, in operations a minute, by their names; `culprits` what the invariants found in the same history.
pub fn measure(
    history: &[Event],
    tenant: &TenantName,
    warm_up: u64,
    rates: &BTreeMap<String, u64>,
    culprits: &[Culprit],
) -> Measured {
    let all: Vec<_> = ops(history).into_iter().filter(|op| op.invoked.tenant == *tenant).collect();
    let first = all.iter().map(moment).min().unwrap_or_default();
    let window = (first.saturating_add(warm_up), end_of_work(history));
    let took = window.1.saturating_sub(window.0);
    let (faults, mut found) = (faulty(history), Found::of(culprits));
    let mut kinds = BTreeMap::<(&str, &'static str), Vec<Op<'_>>>::new();
    for op in all.iter().copied() {
        if (window.0..window.1).contains(&moment(&op)) {
            kinds.entry((&op.invoked.workload, op.invoked.act.name())).or_default().push(op);
        }
    }
    let (mut loads, mut intervals) = (BTreeMap::<&str, Load>::new(), Vec::new());
    for ((workload, act), ops) in &kinds {
        let load = loads.entry(workload).or_insert_with(|| Load {
            workload: (*workload).to_owned(),
            rate: rates.get(*workload).copied(),
            planned: rates.get(*workload).map(|rate| planned(*rate, took)),
            skipped: 0,
            late: 0,
            recovery: None,
            acts: Vec::new(),
        });
        let seconds = by_seconds(ops, window.0, took, &mut found);
        load.late += count(ops.iter().filter(|op| began_late(op)));
        load.acts.push(Measure {
            act: (*act).to_owned(),
            ok: outcomes(ops, Ending::Ok),
            failed: outcomes(ops, Ending::Failed),
            unknown: outcomes(ops, Ending::Unknown),
            wrong: seconds.iter().map(|(second, _)| second.wrong).sum(),
            per_second: per_second(outcomes(ops, Ending::Ok), took),
            latency: latency(times(ops.iter())),
            stretches: stretches(ops, &faults, window),
            seconds: seconds.iter().map(|(second, _)| *second).collect(),
        });
        intervals.extend((0..).zip(seconds).map(|(second, (_, times))| Interval {
            workload: (*workload).to_owned(),
            act,
            second,
            times,
        }));
    }
    let mut loads: Vec<_> = loads.into_values().collect();
    for load in &mut loads {
        let of = kinds.iter().filter(|((workload, _), _)| *workload == load.workload);
        let due = of.flat_map(|(_, ops)| ops).filter(|op| op.invoked.due.is_some());
        let (mut clients, mut begun) = (BTreeSet::new(), 0);
        for op in due {
            clients.insert(op.client());
            begun += 1;
        }
        let own: Vec<_> = all.iter().filter(|op| op.invoked.workload == load.workload).copied().collect();
        load.recovery = recovers_within::slowest(history, &own);
        let skipped = load.planned.unwrap_or_default().saturating_sub(begun);
        // At the edges of what is measured each client may be one off.
        load.skipped = if skipped > count(clients.iter()) { skipped } else { 0 };
        load.acts.sort_by_key(|measure| std::cmp::Reverse(measure.ok + measure.failed + measure.unknown));
    }
    let succeeded = loads.iter().flat_map(|load| &load.acts).map(|act| act.ok).sum();
    let usage = usage::usage(history, window, succeeded);
    Measured { took, loads, beside: found.left(), usage, intervals }
}

/// When an operation counts as asked for.
fn moment(op: &Op<'_>) -> u64 {
    op.invoked.due.unwrap_or(op.began)
}

fn began_late(op: &Op<'_>) -> bool {
    op.invoked.due.is_some_and(|due| op.began.saturating_sub(due) > LATE)
}

/// When no new work was to be begun: what comes then brings to an end what was under way.
fn end_of_work(history: &[Event]) -> u64 {
    let healed = history.iter().find(|event| event.kind == EventKind::Healed);
    healed.or(history.last()).map_or(0, |event| event.at)
}

/// From when to when any fault was on, without gaps between those that overlap.
fn faulty(history: &[Event]) -> Vec<(u64, u64)> {
    let (mut on, mut since, mut spans) = (0_usize, 0, Vec::new());
    for event in history {
        match event.kind {
            EventKind::FaultBegan(_) => {
                if on == 0 {
                    since = event.at;
                }
                on += 1;
            }
            EventKind::FaultEnded(_) => {
                on = on.saturating_sub(1);
                if on == 0 {
                    spans.push((since, event.at));
                }
            }
            _ => {}
        }
    }
    if on > 0 {
        spans.push((since, u64::MAX));
    }
    spans
}

fn when(moment: u64, faults: &[(u64, u64)]) -> When {
    if faults.iter().any(|(from, to)| (*from..*to).contains(&moment)) {
        When::During
    } else if faults.first().is_none_or(|(from, _)| moment < *from) {
        When::Before
    } else {
        When::After
    }
}

/// What each stretch came to, where there was a fault.
fn stretches(ops: &[Op<'_>], faults: &[(u64, u64)], window: (u64, u64)) -> Vec<Stretch> {
    let Some((first, _)) = faults.first() else { return Vec::new() };
    let within = |(from, to): (u64, u64)| to.min(window.1).saturating_sub(from.max(window.0));
    let during = faults.iter().copied().map(within).sum();
    let before = within((0, *first));
    let after = window.1.saturating_sub(window.0).saturating_sub(during).saturating_sub(before);
    let stretch = |(which, took_ns)| {
        let these: Vec<_> = ops.iter().filter(|op| when(moment(op), faults) == which).copied().collect();
        let ok = outcomes(&these, Ending::Ok);
        Stretch {
            when: which,
            took_ns,
            per_second: per_second(ok, took_ns),
            errors: count(these.iter()) - ok,
            latency: latency(times(these.iter())),
        }
    };
    When::ALL.into_iter().zip([before, during, after]).map(stretch).collect()
}

/// What was due in each second from then on.
fn by_seconds(ops: &[Op<'_>], from: u64, took: u64, found: &mut Found) -> Vec<(Second, Vec<u64>)> {
    let mut seconds = BTreeMap::<u64, Vec<&Op<'_>>>::new();
    for op in ops {
        seconds.entry(moment(op).saturating_sub(from) / SECOND).or_default().push(op);
    }
    let mut second = |number| {
        let these = seconds.get(&number).map(Vec::as_slice).unwrap_or_default();
        let times: Vec<_> = times(these.iter().copied()).collect();
        let (ok, all) = (count(times.iter()), count(these.iter()));
        let wrong = these.iter().map(|op| found.take(op.place)).sum();
        (Second { ok, errors: all - ok, p99: latency(times.iter().copied()).p99, wrong }, times)
    };
    (0..took.div_ceil(SECOND)).map(&mut second).collect()
}

/// How long those took that succeeded.
fn times<'o, 'h: 'o>(ops: impl Iterator<Item = &'o Op<'h>>) -> impl Iterator<Item = u64> {
    let ended = ops.filter(|op| op.outcome() == Ending::Ok);
    ended.map(|op| op.ended_at().unwrap_or_default().saturating_sub(moment(op)).max(1))
}

fn latency(times: impl Iterator<Item = u64>) -> Latency {
    // Refused for bounds or digits alone, which are constants here.
    let Ok(mut all) = Histogram::<u64>::new_with_bounds(1, LONGEST, DIGITS) else {
        return Latency::default();
    };
    for time in times {
        all.saturating_record(time);
    }
    if all.is_empty() {
        return Latency::default();
    }
    let [p50, p90, p99, p999, p9999] =
        [0.5, 0.9, 0.99, 0.999, 0.9999].map(|quantile| all.value_at_quantile(quantile));
    Latency { p50, p90, p99, p999, p9999, max: all.max() }
}

fn outcomes(ops: &[Op<'_>], outcome: Ending) -> u64 {
    count(ops.iter().filter(|op| op.outcome() == outcome))
}

fn count<T>(items: impl Iterator<Item = T>) -> u64 {
    u64::try_from(items.count()).unwrap_or(u64::MAX)
}

/// How many operations a rate asks for in that time.
fn planned(rate: u64, took: u64) -> u64 {
    let planned = u128::from(rate) * u128::from(took) / u128::from(60 * SECOND);
    u64::try_from(planned).unwrap_or(u64::MAX)
}

#[expect(clippy::cast_precision_loss, reason = "a rate is told to three digits")]
fn per_second(number: u64, took: u64) -> f64 {
    if took == 0 { 0.0 } else { number as f64 * SECOND as f64 / took as f64 }
}
