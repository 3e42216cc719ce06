//! What checks find wrong, event by event, beside the evidence that people read.

use bulkhead_model::{Verdict, bench::Wrong};

use crate::{Judgement, ops::Op};

/// An event that went wrong, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Culprit {
    /// Its place in the history: an operation's beginning, or an audit or a probe.
    pub place: usize,
    /// In which way.
    pub wrong: Wrong,
}

impl Culprit {
    /// That operation.
    pub(crate) fn of(wrong: Wrong, op: &Op<'_>) -> Self {
        Self { place: op.place, wrong }
    }
}

/// What is wrong in one way, in words and by its operations.
pub(crate) struct Fault {
    pub(crate) text: String,
    pub(crate) culprits: Vec<Culprit>,
}

/// What to say of faults found: all of them in one failure; `None` where there are none.
pub(crate) fn failure(faults: impl IntoIterator<Item = Option<Fault>>) -> Option<Judgement> {
    let faults: Vec<_> = faults.into_iter().flatten().collect();
    let texts: Vec<_> = faults.iter().map(|fault| fault.text.as_str()).collect();
    let failed = Judgement::new(Verdict::Fail, texts.join("; "));
    (!faults.is_empty()).then(|| failed.naming(faults.into_iter().flat_map(|fault| fault.culprits)))
}
