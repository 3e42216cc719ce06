//! `unhindered`: while a neighbour floods the service, or its own link is broken, every operation succeeds; how much slower
//! they are is told.
//!
//! An operation belongs to the trouble when it began, or was due, while one was on, and to the calm when it was over before the
//! first and due when its client had been answered once: neither connecting nor what a flood leaves behind is calm. One
//! that found another value than it swaps for was answered. Whoever has the trouble on the own link is not judged. The 99th
//! percentile is the nearest rank (the smallest time that so many do not
//! exceed), from when an operation was due; it is evidence and no bound, since what a neighbour may cost is for whoever
//! reads to say. In
//! multi-tenant systems this is performance isolation (Krebs et al., "Metrics and techniques for quantifying performance
//! isolation in cloud environments", 2012). Linear in the history but for a sort.

use std::collections::BTreeMap;

use bulkhead_model::{
    Ending, FaultRecord, Verdict,
    history::{Event, EventKind},
};

use crate::{
    Check, Judgement,
    ops::{Op, Use, grouped, ops},
    words::{deed, moment, span, worst_of},
};

#[cfg(test)]
mod properties;

/// What a flood's name in a history begins with.
const FLOOD: &str = "flood ";

/// The fewest operations of which a percentile is told, with the flood and before it.
const FEWEST: usize = 20;

/// The check.
pub(crate) struct Unhindered;

impl Check for Unhindered {
    fn name(&self) -> &'static str {
        "unhindered"
    }

    fn sentence(&self) -> &'static str {
        "While a neighbour floods the service, or the neighbour's own link is broken, every operation succeeds; the evidence \
         tells how much slower they are."
    }

    fn concerns(&self, event: &EventKind) -> bool {
        matches!(event, EventKind::Invoked(_))
    }

    fn judge(&self, history: &[Event], _: u64) -> Judgement {
        let troubles = troubles(history);
        if troubles.is_empty() {
            return Judgement::new(
                Verdict::Unknown,
                "no neighbour flooded anything or had a broken link of its own",
            );
        }
        let judged = grouped(ops(history), Use::with_service).into_iter().filter_map(|(of, ops)| {
            let met: Vec<_> = troubles.iter().filter(|trouble| trouble.is_met_by(&of)).collect();
            (!met.is_empty()).then(|| (of, judge_use(&met, &ops)))
        });
        worst_of(
            &judged.collect::<Vec<_>>(),
            "no operation began of anybody whom a neighbour's trouble spares",
        )
    }
}

/// When a neighbour made trouble, or had some.
struct Trouble<'h> {
    fault: &'h FaultRecord,
    from: u64,
    to: u64,
}

impl Trouble<'_> {
    fn is_flood(&self) -> bool {
        self.fault.what.starts_with(FLOOD)
    }

    /// Whether it is a neighbour's to whoever makes that use.
    fn is_met_by(&self, of: &Use<'_>) -> bool {
        self.is_flood() || self.fault.spares(of.tenant())
    }
}

/// All of them, as they began: a fault that is on the links of tenants may spare others.
fn troubles(history: &[Event]) -> Vec<Trouble<'_>> {
    let mut troubles: Vec<Trouble<'_>> = Vec::new();
    for event in history {
        match &event.kind {
            EventKind::FaultBegan(fault) if fault.what.starts_with(FLOOD) || !fault.links.is_empty() => {
                troubles.push(Trouble { fault, from: event.at, to: u64::MAX });
            }
            EventKind::FaultEnded(fault) => {
                if let Some(trouble) = troubles.iter_mut().find(|trouble| trouble.fault.fault == fault.fault)
                {
                    trouble.to = event.at;
                }
            }
            _ => {}
        }
    }
    troubles
}

fn judge_use(troubles: &[&Trouble<'_>], ops: &[Op<'_>]) -> Judgement {
    let name =
        if troubles.iter().all(|trouble| trouble.is_flood()) { "flood" } else { "neighbour's trouble" };
    let due = |op: &Op<'_>| op.invoked.due.unwrap_or(op.began);
    let first = troubles.iter().map(|trouble| trouble.from).min().unwrap_or(u64::MAX);
    let mut answered: BTreeMap<&str, u64> = BTreeMap::new();
    for op in ops.iter().filter(|op| op.outcome() == Ending::Ok) {
        let at = op.ended_at().unwrap_or(u64::MAX);
        answered.entry(op.client()).and_modify(|first| *first = at.min(*first)).or_insert(at);
    }
    let troubled = |op: &&Op<'_>| {
        let on = |at: u64| troubles.iter().any(|trouble| (trouble.from..trouble.to).contains(&at));
        on(due(op)) || on(op.began)
    };
    let over = |op: &Op<'_>| op.ended_at().is_some_and(|at| at <= first);
    let calm = |op: &&Op<'_>| over(op) && answered.get(op.client()).is_some_and(|at| *at <= due(op));
    let with: Vec<&Op<'_>> = ops.iter().filter(troubled).collect();
    let without: Vec<&Op<'_>> = ops.iter().filter(calm).collect();
    let mut failed: Vec<_> =
        with.iter().filter(|op| op.outcome() != Ending::Ok && !op.is_conflict()).collect();
    failed.sort_by_key(|op| op.place);
    let p99 = |ops: &[&Op<'_>]| {
        percentile(ops.iter().filter_map(|op| Some(op.ended_at()?.saturating_sub(due(op)))))
    };
    let slower = match (p99(&with), p99(&without)) {
        (Some(with), Some(without)) => {
            let factor = with.saturating_mul(10) / without.max(1);
            format!(
                "p99 {} before it, {} with it, {}.{} times",
                span(without),
                span(with),
                factor / 10,
                factor % 10
            )
        }
        _ => String::from("too few were over to tell how slow they were"),
    };
    if let Some(op) = failed.first() {
        let text = format!(
            "{} of {} operations of the {name}'s time did not succeed, at most 0 may: {} by {} at {} first; {slower}",
            failed.len(),
            with.len(),
            deed(&op.invoked.act),
            op.client(),
            moment(op.began)
        );
        return Judgement::new(Verdict::Fail, text);
    }
    if with.len() < FEWEST || without.len() < FEWEST {
        let text = format!(
            "{} operations during the {name} and {} in the calm before it, of the {FEWEST} that it takes of each",
            with.len(),
            without.len()
        );
        return Judgement::new(Verdict::Unknown, text);
    }
    let all = with.len();
    Judgement::new(
        Verdict::Pass,
        format!("{all} of {all} operations of the {name}'s time succeeded: {slower}"),
    )
}

/// The 99th, by the nearest rank; nothing of nothing.
fn percentile(times: impl Iterator<Item = u64>) -> Option<u64> {
    let mut times: Vec<_> = times.collect();
    times.sort_unstable();
    let rank = (times.len() * 99).div_ceil(100);
    times.get(rank.checked_sub(1)?).copied()
}
