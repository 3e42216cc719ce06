//! `nothing-lost`: whatever a server acknowledged is there in the end, and nothing is there that nobody gave it.
//!
//! A tenant's workload that hands over and takes is judged as a queue, one that adds and reads all as a set; one that
//! does both, as both. Each is judged apart and the worst wins.

use bulkhead_model::{
    Act,
    history::{Event, EventKind},
};

use crate::{
    Check, Judgement,
    ops::{Use, grouped, ops},
    words::worst_of,
};

#[cfg(test)]
mod properties;
mod queue;
mod set;
#[cfg(test)]
mod set_properties;

/// The check.
pub(crate) struct NothingLost;

impl Check for NothingLost {
    fn name(&self) -> &'static str {
        "nothing-lost"
    }

    fn sentence(&self) -> &'static str {
        "Every element that a server acknowledged is taken or read in the end, by each to whom it was announced, and none \
         is that nobody handed over or added. What a server gives out again it marks as such."
    }

    fn concerns(&self, event: &EventKind) -> bool {
        matches!(event, EventKind::Invoked(op) if is_queue(&op.act) || is_set(&op.act))
    }

    fn judge(&self, history: &[Event], _: u64) -> Judgement {
        let mut judged = Vec::new();
        for (of, ops) in grouped(ops(history), Use::of) {
            if ops.iter().any(|op| is_queue(&op.invoked.act)) {
                judged.push((of, queue::judge(history, &ops)));
            }
            if ops.iter().any(|op| is_set(&op.invoked.act)) {
                judged.push((of, set::judge(history, &ops)));
            }
        }
        worst_of(&judged, NOTHING)
    }
}

/// What is missing where nothing was acknowledged.
const NOTHING: &str = "no element was acknowledged, so none could be lost";

fn is_queue(act: &Act) -> bool {
    matches!(act, Act::Hand { .. } | Act::Announce { .. } | Act::Take { .. } | Act::Pass { .. })
}

fn is_set(act: &Act) -> bool {
    matches!(act, Act::Add { .. } | Act::ReadAll)
}
