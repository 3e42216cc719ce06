//! A queue: what was handed over and acknowledged is taken in the end.
//!
//! This is Jepsen's `total-queue` (`jepsen.checker/total-queue`): what was handed over and acknowledged must be among what
//! was taken; what was taken must be among what anybody tried to hand over. An element whose acknowledgement never came
//! may be there or not. Where it is, Jepsen calls it recovered; an element that is taken more than once is duplicated,
//! which is no loss. Linear in the history.

use std::collections::HashMap;

use bulkhead_model::{Act, Ending, Verdict, history::Event};

use super::{NOTHING, failure};
use crate::{
    Judgement,
    ops::Op,
    words::{during, moment},
};

/// What became of one element.
#[derive(Default)]
struct Fate<'h> {
    /// How handing it over came out, at best; nothing where nobody did.
    handed: Option<Op<'h>>,
    /// How often its work was done.
    taken: usize,
    /// The first to take it.
    taker: Option<Op<'h>>,
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

fn fates<'h>(ops: &[Op<'h>]) -> HashMap<&'h str, Fate<'h>> {
    let mut fates: HashMap<&str, Fate<'h>> = HashMap::new();
    for op in ops {
        match &op.invoked.act {
            Act::Hand { element } => {
                let fate = fates.entry(element).or_default();
                // Tried again after an unknown outcome, it is handed over if either was acknowledged.
                if fate.handed.is_none_or(|known| op.outcome() < known.outcome()) {
                    fate.handed = Some(*op);
                }
            }
            // Whose acknowledgement nobody knows the fate of did its work all the same.
            Act::Take { element, .. } if op.ended.is_some() && op.outcome() != Ending::Failed => {
                let fate = fates.entry(element).or_default();
                fate.taken += 1;
                fate.taker.get_or_insert(*op);
            }
            _ => {}
        }
    }
    fates
}

fn lost(history: &[Event], fates: &HashMap<&str, Fate<'_>>, total: usize) -> Option<String> {
    let lost = || fates.iter().filter(|(_, fate)| fate.acknowledged() && fate.taken == 0);
    let (element, op) =
        lost().filter_map(|(element, fate)| Some((element, fate.handed?))).min_by_key(|(_, op)| op.place)?;
    Some(format!(
        "{} of {total} acknowledged elements were never taken, at most 0 may be: `{element}` first, handed over by {} \
         at {}{}",
        lost().count(),
        op.client(),
        moment(op.began),
        during(history, op.began)
    ))
}

fn unexpected(history: &[Event], fates: &HashMap<&str, Fate<'_>>) -> Option<String> {
    let unexpected = || fates.iter().filter(|(_, fate)| fate.handed.is_none());
    let (element, op) = unexpected()
        .filter_map(|(element, fate)| Some((element, fate.taker?)))
        .min_by_key(|(_, op)| op.place)?;
    Some(format!(
        "{} elements were taken that nobody handed over, at most 0 may be: `{element}` first, by {} at {}{}",
        unexpected().count(),
        op.client(),
        moment(op.began),
        during(history, op.began)
    ))
}
