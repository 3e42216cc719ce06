//! Why a register's calls have no order, in as few facts as it takes: how far they go well, the call that cannot follow,
//! and what it could have found instead.

use super::search::{Allowance, Call, Finding, Step, Value, search};

/// How many values are tried for what a call could have found.
const TRIED: usize = 8;

/// What goes well and what could have.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Explanation {
    /// How many calls were over before it and have an order.
    pub(super) before: usize,
    /// What it could have found, of at most 8 values; empty where that is not known.
    pub(super) instead: Vec<Value>,
}

/// Explains why nothing goes on with that call, which a search got stuck at.
pub(super) fn explain(calls: &[Call], stuck: usize, allowance: &mut Allowance) -> Explanation {
    let until = calls.get(stuck).and_then(|call| call.over).unwrap_or(usize::MAX);
    let known = calls.iter().filter(|call| call.over.is_some_and(|over| over < until));
    let before = known.count();
    let (prefix, stuck) = prefix(calls, stuck, until);
    let held = search(&prefix, Some(stuck), allowance).1;
    let unknown =
        prefix.iter().rev().filter(|call| call.over.is_none()).filter_map(|call| call.step.leaves());
    // What appeared last is what most likely lasted; a call that overlaps thousands need not be told of each.
    let mut candidates: Vec<Value> = held.into_iter().rev().take(TRIED).collect();
    for value in unknown {
        if !candidates.contains(&value) && candidates.len() < TRIED {
            candidates.push(value);
        }
    }
    candidates.retain(|value| {
        let mut other = prefix.clone();
        if let Some(call) = other.get_mut(stuck) {
            call.step = Step::Read(*value);
        }
        search(&other, None, allowance).0 == Finding::Linearises
    });
    candidates.sort_unstable();
    Explanation { before, instead: candidates }
}

/// The calls that began before that moment, with what was known of them then; and where the one is among them.
fn prefix(calls: &[Call], stuck: usize, until: usize) -> (Vec<Call>, usize) {
    let (mut prefix, mut place) = (Vec::new(), 0);
    for (index, call) in calls.iter().enumerate().filter(|(_, call)| call.place < until) {
        if index == stuck {
            place = prefix.len();
        }
        let over = call.over.filter(|over| *over <= until);
        // A read that has not come back says nothing yet.
        if over.is_some() || call.step.leaves().is_some() {
            prefix.push(Call { over, ..*call });
        }
    }
    (prefix, place)
}
