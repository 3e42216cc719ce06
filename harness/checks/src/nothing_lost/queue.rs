//! A queue: what was handed over and acknowledged is taken in the end.
//!
//! This is Jepsen's `total-queue` (`jepsen.checker/total-queue`): what was handed over and acknowledged must be among what
//! was taken; what was taken must be among what anybody tried to hand over. An element whose acknowledgement never came
//! may be there or not. Where it is, Jepsen calls it recovered; an element that is taken more than once is duplicated,
//! which is no loss. Linear in the history.
//!
//! What is announced to several is a queue for each of them: one element for each who is to take it. What is passed on
//! from queue to queue is taken where it leaves the last; the passing only tells how far one came that is lost.

use std::collections::HashMap;

use bulkhead_model::{Act, Ending, Verdict, history::Event};

use super::{NOTHING, failure};
use crate::{
    Judgement,
    ops::Op,
    words::{during, moment},
};

/// An element and who is to take it.
type Due<'h> = (&'h str, &'h str);

/// Whoever comes first.
const ANYBODY: &str = "";

type Fates<'h> = HashMap<Due<'h>, Fate<'h>>;

/// What became of one element.
#[derive(Default)]
struct Fate<'h> {
    /// How handing it over came out, at best; nothing where nobody did.
    handed: Option<Op<'h>>,
    /// How often its work was done.
    taken: usize,
    /// The first to take it.
    taker: Option<Op<'h>>,
    /// The last to pass it on.
    passed: Option<Op<'h>>,
}

impl Fate<'_> {
    fn acknowledged(&self) -> bool {
        self.handed.is_some_and(|op| op.outcome() == Ending::Ok)
    }
}

/// Judges one workload's operations.
pub(super) fn judge(history: &[Event], ops: &[Op<'_>]) -> Judgement {
    let fates = fates(ops);
    let count = |wanted: &dyn Fn(&Fate<'_>) -> bool| fates.values().filter(|fate| wanted(fate)).count();
    let total = count(&|fate| fate.acknowledged());
    if let Some(failed) = failure([lost(history, &fates, total), unexpected(history, &fates)]) {
        return failed;
    }
    if total == 0 {
        return Judgement::new(Verdict::Unknown, NOTHING);
    }
    let recovered = count(&|fate| !fate.acknowledged() && fate.taken > 0);
    let duplicated = count(&|fate| fate.taken > 1);
    let text = format!(
        "0 of {total} acknowledged elements lost; {recovered} taken without their acknowledgement, {duplicated} \
         more than once"
    );
    Judgement::new(Verdict::Pass, text)
}

fn fates<'h>(ops: &[Op<'h>]) -> Fates<'h> {
    let mut fates = Fates::new();
    for op in ops {
        let due: Vec<Due<'h>> = match &op.invoked.act {
            Act::Hand { element } => vec![(element, ANYBODY)],
            Act::Announce { element, to } => {
                to.iter().map(|taker| (element.as_str(), taker.as_str())).collect()
            }
            _ => continue,
        };
        for due in due {
            let fate = fates.entry(due).or_default();
            // Tried again after an unknown outcome, it is handed over if either was acknowledged.
            if fate.handed.is_none_or(|known| op.outcome() < known.outcome()) {
                fate.handed = Some(*op);
            }
        }
    }
    // Whose acknowledgement nobody knows the fate of did its work all the same.
    for op in ops.iter().filter(|op| op.ended.is_some() && op.outcome() != Ending::Failed) {
        match &op.invoked.act {
            Act::Take { element, .. } => {
                let own = (element.as_str(), op.client());
                let due = if fates.contains_key(&own) { own } else { (element.as_str(), ANYBODY) };
                let fate = fates.entry(due).or_default();
                fate.taken += 1;
                fate.taker.get_or_insert(*op);
            }
            Act::Pass { element, .. } => {
                if let Some(fate) = fates.get_mut(&(element.as_str(), ANYBODY)) {
                    fate.passed = Some(*op);
                }
            }
            _ => {}
        }
    }
    fates
}

fn lost(history: &[Event], fates: &Fates<'_>, total: usize) -> Option<String> {
    let lost = || fates.iter().filter(|(_, fate)| fate.acknowledged() && fate.taken == 0);
    let ((element, taker), fate, op) = lost()
        .filter_map(|(due, fate)| Some((due, fate, fate.handed?)))
        .min_by_key(|((_, taker), _, op)| (op.place, *taker))?;
    let by = if *taker == ANYBODY { String::new() } else { format!(" by {taker}") };
    let passed = fate.passed.map_or_else(String::new, |op| {
        format!(", last passed on by {} at {}", op.client(), moment(op.began))
    });
    Some(format!(
        "{} of {total} acknowledged elements were never taken, at most 0 may be: `{element}` first{by}, handed over by {} \
         at {}{}{passed}",
        lost().count(),
        op.client(),
        moment(op.began),
        during(history, op.began)
    ))
}

fn unexpected(history: &[Event], fates: &Fates<'_>) -> Option<String> {
    let unexpected = || fates.iter().filter(|(_, fate)| fate.handed.is_none());
    let (element, op) = unexpected()
        .filter_map(|((element, _), fate)| Some((element, fate.taker?)))
        .min_by_key(|(_, op)| op.place)?;
    Some(format!(
        "{} elements were taken that nobody handed over, at most 0 may be: `{element}` first, by {} at {}{}",
        unexpected().count(),
        op.client(),
        moment(op.began),
        during(history, op.began)
    ))
}
