//! What the search is held to: every order of every choice of calls, tried one by one.

use std::collections::BTreeSet;

use super::search::{Call, Step, Value};

/// Whether any order of these calls is one of a register. For a handful.
pub(super) fn linearises(calls: &[Call]) -> bool {
    go_on(calls, 0, 0)
}

fn go_on(calls: &[Call], done: u32, held: Value) -> bool {
    let open = |index: usize| done >> index & 1 == 0;
    if (0..calls.len()).all(|index| !open(index) || calls[index].over.is_none()) {
        return true;
    }
    (0..calls.len()).filter(|index| open(*index)).any(|index| {
        // Whoever was over before it began has come already.
        let may = (0..calls.len())
            .filter(|other| open(*other))
            .all(|other| calls[other].over.is_none_or(|over| over > calls[index].place));
        let after = match calls[index].step {
            Step::Read(value) => (value == held).then_some(held),
            Step::Write(value) => Some(value),
            Step::Swap(from, to) => (from == held).then_some(to),
        };
        may && after.is_some_and(|after| go_on(calls, done | 1 << index, after))
    })
}

/// What is known at that moment, when no later event has come.
fn known_by(calls: &[Call], moment: usize) -> Vec<Call> {
    let began = calls.iter().filter(|call| call.place <= moment);
    let known = began.map(|call| Call { over: call.over.filter(|over| *over <= moment), ..*call });
    known.filter(|call| call.over.is_some() || !matches!(call.step, Step::Read(_))).collect()
}

/// The call whose end is the first without an order, and all that it could have found instead.
pub(super) fn stuck(calls: &[Call]) -> Option<(usize, BTreeSet<Value>)> {
    let mut ends: Vec<_> =
        calls.iter().enumerate().filter_map(|(index, call)| Some((call.over?, index))).collect();
    ends.sort_unstable();
    let (end, index) = ends.into_iter().find(|(end, _)| !linearises(&known_by(calls, *end)))?;
    let instead = (0..10).filter(|value| {
        let mut other = calls.to_vec();
        other[index].step = Step::Read(*value);
        linearises(&known_by(&other, end))
    });
    Some((index, instead.collect()))
}
