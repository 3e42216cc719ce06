//! Verdicts: what a history proves. A check is a pure function from a history to a verdict with its evidence.
//!
//! What it is not: nothing here reads a clock or a file, draws a random number or talks to a server, so a saved
//! history is judged again to the same letter. A folder a check (code, a history that passes, one that fails), a line
//! in [`ALL`].
//!
//! Nothing passes for want of data: a check that did not gather its declared minimum, that crashed, or whose history
//! was cut off comes out `unknown`.

use std::{
    collections::BTreeSet,
    panic::{AssertUnwindSafe, catch_unwind},
};

use bulkhead_model::{
    FaultRecord, LinkTouch, Unit, Verdict,
    history::{Event, EventKind},
    report::InvariantReport,
    scenario::Expected,
};

mod answers_within;
mod available;
mod beset;
#[cfg(test)]
mod book;
mod byte_exact;
mod checklist_done;
mod conserved_total;
mod culprit;
mod fails_closed;
#[cfg(test)]
mod generic_tests;
mod in_order;
mod isolated;
mod linearizable;
#[cfg(test)]
mod long_tests;
pub mod measure;
mod nothing_foreign;
mod nothing_lost;
mod nothing_missed;
mod ops;
mod recovers_within;
mod replies_match;
mod rows;
mod tables;
mod unhindered;
mod within_limit;
mod within_ttl;
mod words;

pub use culprit::Culprit;
pub use isolated::{judge_probe, judge_run};
pub use rows::{checklist_rows, isolation_rows};

/// Every check, in the order in which reports list them.
pub const ALL: [&dyn Check; 17] = [
    &isolated::Isolated,
    &nothing_foreign::NothingForeign,
    &checklist_done::ChecklistDone,
    &nothing_lost::NothingLost,
    &nothing_missed::NothingMissed,
    &in_order::InOrder,
    &replies_match::RepliesMatch,
    &linearizable::Linearizable,
    &within_limit::WithinLimit,
    &within_ttl::WithinTtl,
    &conserved_total::ConservedTotal,
    &byte_exact::ByteExact,
    &fails_closed::FailsClosed,
    &answers_within::AnswersWithin,
    &available::Available,
    &recovers_within::RecoversWithin,
    &unhindered::Unhindered,
];

/// An invariant that a history can prove or refute.
pub trait Check: Sync {
    /// The name as `expect:` spells it.
    fn name(&self) -> &'static str;

    /// The invariant in one sentence.
    fn sentence(&self) -> &'static str;

    /// Whether the check reads events of this kind.
    fn concerns(&self, event: &EventKind) -> bool;

    /// How many events that it reads it needs at least; with fewer it cannot judge.
    fn minimum(&self) -> usize {
        1
    }

    /// What its bound measures, for one that needs a bound.
    fn bound(&self) -> Option<Unit> {
        None
    }

    /// Judges a history that holds the minimum, by the bound that the scenario sets, in the smallest unit; 0 for a check
    /// without one. Whether the history is whole is not its business.
    fn judge(&self, history: &[Event], bound: u64) -> Judgement;
}

/// What a check came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// The verdict.
    pub verdict: Verdict,
    /// A sentence: the number with its bound, the first witness, or what is missing.
    pub evidence: String,
    /// What failed it, where that is something lost, duplicated, reordered or foreign.
    pub culprits: Vec<Culprit>,
}

impl Judgement {
    /// A verdict with its evidence.
    pub fn new(verdict: Verdict, evidence: impl Into<String>) -> Self {
        Self { verdict, evidence: evidence.into(), culprits: Vec::new() }
    }

    /// The same, which names what failed it.
    pub(crate) fn naming(self, culprits: impl IntoIterator<Item = Culprit>) -> Self {
        Self { culprits: culprits.into_iter().collect(), ..self }
    }
}

/// Those that say what lies outside every slice.
const TELL_STRAYS: [&str; 2] = ["isolated", "nothing-foreign"];

/// Judges a history by every check that a scenario expects, in the scenario's order. An expectation that names no
/// check is `unknown`. What lies outside every slice fails a case whatever it expects.
pub fn judge(history: &[Event], expect: &[Expected]) -> Vec<InvariantReport> {
    judge_and_name(history, expect).0
}

/// The same, and everything that was found lost, duplicated, reordered or foreign, each once, in the history's order. There is
/// none where nothing failed.
pub fn judge_and_name(history: &[Event], expect: &[Expected]) -> (Vec<InvariantReport>, Vec<Culprit>) {
    let mut found = BTreeSet::new();
    let gap = gap(history);
    let told = expect.iter().any(|expected| TELL_STRAYS.contains(&expected.name.as_str()));
    let strays = if told { None } else { isolated::strays(history) };
    let besides = strays.map(|_| Expected::plain(TELL_STRAYS[1]));
    let reports = expect.iter().chain(&besides).map(|expected| {
        let judged = match ALL.into_iter().find(|check| check.name() == expected.name) {
            Some(check) if check.bound().is_some() && expected.bound.is_none() => {
                Judgement::new(Verdict::Unknown, format!("`{expected}` needs a bound"))
            }
            Some(check) => {
                let bound = expected.bound.map_or(0, |bound| bound.value);
                examine(check, history, bound, gap.as_deref())
            }
            None => Judgement::new(Verdict::Unknown, format!("no check is called `{expected}`: {}", names())),
        };
        found.extend(judged.culprits);
        InvariantReport { name: expected.to_string(), verdict: judged.verdict, evidence: judged.evidence }
    });
    (reports.collect(), found.into_iter().collect())
}

/// Those that are not about what a workload does by itself.
const BESIDES: [&str; 4] = ["isolated", "checklist-done", "fails-closed", "unhindered"];

/// Every check without a bound that has something to judge in a workload's history: what a measured system must not have got
/// wrong while it was fast.
pub fn oracle(history: &[Event]) -> Vec<Expected> {
    let judges = |check: &&dyn Check| {
        // Of texts that are looked at for names, and of finding nothing, this one alone can judge nothing.
        let concerns = |event: &&Event| match check.name() {
            "nothing-foreign" => nothing_foreign::holds_something(&event.kind),
            _ => check.concerns(&event.kind),
        };
        check.bound().is_none()
            && !BESIDES.contains(&check.name())
            && history.iter().filter(concerns).take(check.minimum()).count() >= check.minimum()
    };
    ALL.into_iter().filter(judges).map(|check| Expected::plain(check.name())).collect()
}

/// One check on one history: its own judgement, lowered to `unknown` when the history does not carry it, or has that gap.
fn examine(check: &dyn Check, history: &[Event], bound: u64, gap: Option<&str>) -> Judgement {
    let concerned = history.iter().filter(|event| check.concerns(&event.kind));
    let gathered = concerned.take(check.minimum()).count();
    let judged = if gathered < check.minimum() {
        let needed = check.minimum();
        Judgement::new(
            Verdict::Unknown,
            format!("the history holds {gathered} of the {needed} events that it takes"),
        )
    } else {
        // A crash in a check is a fault of ours; it must neither pass nor take the other verdicts with it.
        catch_unwind(AssertUnwindSafe(|| check.judge(history, bound)))
            .unwrap_or_else(|_| Judgement::new(Verdict::Unknown, "the check itself crashed"))
    };
    match gap {
        Some(gap) if judged.verdict != Verdict::Fail => {
            Judgement::new(Verdict::Unknown, format!("{gap}; until then: {}", judged.evidence))
        }
        _ => judged,
    }
}

/// Why a history is not the whole story, if it is not.
fn gap(history: &[Event]) -> Option<String> {
    let mut idle = None;
    for event in history {
        match &event.kind {
            EventKind::Broken { error } => return Some(format!("the case broke: {error}")),
            EventKind::FaultEnded(FaultRecord { what, touched: 0, .. }) if idle.is_none() => {
                idle = Some(format!("the fault `{what}` touched nothing"));
            }
            EventKind::FaultEnded(FaultRecord { what, links, .. }) if idle.is_none() => {
                let untouched = links.iter().find(|link| link.touched == 0);
                let told = |link: &LinkTouch| {
                    format!("the fault `{what}` touched nothing on {}'s link", link.tenant)
                };
                idle = untouched.map(told);
            }
            _ => {}
        }
    }
    // The last event says so, where the history is whole.
    let ended = history.iter().rev().any(|event| matches!(event.kind, EventKind::CaseEnded));
    idle.or_else(|| (!ended).then(|| String::from("the history was cut off before the case ended")))
}

fn names() -> String {
    ALL.map(|check| check.name()).join(", ")
}
