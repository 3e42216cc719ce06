//! `nothing-lost`: whatever a server acknowledged is taken in the end, and nothing is taken that nobody handed over.
//!
//! This is Jepsen's `total-queue` (`jepsen.checker/total-queue`): what was handed over and acknowledged must be among what
//! was taken; what was taken must be among what anybody tried to hand over. An element whose acknowledgement never came
//! may be there or not. Where it is, Jepsen calls it recovered; an element that is taken more than once is duplicated,
//! which is no loss. Linear in the history.

use std::collections::HashMap;

use bulkhead_model::{
    Act, Ending, Verdict,
    history::{Event, EventKind},
};

use crate::{
    Check, Judgement,
    ops::{Op, faults_at, moment, ops},
};

#[cfg(test)]
mod properties;

/// The check.
pub(crate) struct NothingLost;

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

impl Check for NothingLost {
    fn name(&self) -> &'static str {
        "nothing-lost"
    }

    fn sentence(&self) -> &'static str {
        "Every element that a server acknowledged is taken in the end, and none is taken that nobody handed over."
    }

    fn concerns(&self, event: &EventKind) -> bool {
        matches!(event, EventKind::Invoked(_) | EventKind::Ended(_))
    }

    fn judge(&self, history: &[Event], _: u64) -> Judgement {
        let all = ops(history);
        let fates = fates(&all);
        let acknowledged = |fate: &Fate<'_>| fate.handed.is_some_and(|op| op.outcome() == Ending::Ok);
        let count = |wanted: &dyn Fn(&Fate<'_>) -> bool| fates.values().filter(|fate| wanted(fate)).count();
        let total = count(&acknowledged);
        if total == 0 {
            return Judgement::new(Verdict::Unknown, "no element was acknowledged, so none could be lost");
        }
        let first = |wanted: &dyn Fn(&Fate<'_>) -> Option<u64>| {
            fates
                .iter()
                .filter_map(|(element, fate)| Some((wanted(fate)?, *element, fate)))
                .min_by_key(|(at, ..)| *at)
        };
        let lost = count(&|fate| acknowledged(fate) && fate.taken == 0);
        if let Some((at, element, fate)) = first(&|fate| {
            (acknowledged(fate) && fate.taken == 0).then(|| fate.handed.map(|op| op.began)).flatten()
        }) {
            let by = fate.handed.map_or("nobody", |op| op.invoked.client.as_str());
            let text = format!(
                "{lost} of {total} acknowledged elements were never taken, at most 0 may be: `{element}` first, handed \
                 over by {by} at {}{}",
                moment(at),
                during(history, at)
            );
            return Judgement::new(Verdict::Fail, text);
        }
        let unexpected = count(&|fate| fate.handed.is_none());
        if let Some((at, element, _)) =
            first(&|fate| fate.handed.is_none().then(|| fate.taker.map(|op| op.began)).flatten())
        {
            let text = format!(
                "{unexpected} elements were taken that nobody handed over: `{element}` first, at {}",
                moment(at)
            );
            return Judgement::new(Verdict::Fail, text);
        }
        let recovered = count(&|fate| !acknowledged(fate) && fate.taken > 0);
        let duplicated = count(&|fate| fate.taken > 1);
        let text = format!(
            "0 of {total} acknowledged elements lost; {recovered} taken without their acknowledgement, {duplicated} \
             more than once"
        );
        Judgement::new(Verdict::Pass, text)
    }
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

fn during(history: &[Event], at: u64) -> String {
    match faults_at(history, at).as_slice() {
        [] => String::new(),
        faults => format!(", during {}", faults.join(" and ")),
    }
}
