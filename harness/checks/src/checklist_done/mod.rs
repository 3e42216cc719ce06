//! `checklist-done`: every item of the checklist that was examined holds; under faults, when all are over.

use bulkhead_model::{
    ItemRecord, Verdict,
    history::{Event, EventKind},
};

use crate::{
    Check, Judgement,
    beset::{beset_items, items},
};

/// The check.
pub(crate) struct ChecklistDone;

impl Check for ChecklistDone {
    fn name(&self) -> &'static str {
        "checklist-done"
    }

    fn sentence(&self) -> &'static str {
        "Every checklist item that was examined holds; under faults, when all of them are over."
    }

    fn concerns(&self, event: &EventKind) -> bool {
        matches!(event, EventKind::Item(_))
    }

    fn judge(&self, history: &[Event], _: u64) -> Judgement {
        let all: Vec<_> = items(history).collect();
        let open: Vec<_> = all.iter().filter(|item| !item.done).collect();
        match open.first() {
            None if all.is_empty() => {
                Judgement::new(Verdict::Unknown, "no item was examined after all was healed")
            }
            None => {
                let shown: Vec<_> = all.iter().map(|record| record.evidence.as_str()).collect();
                Judgement::new(
                    Verdict::Pass,
                    format!(
                        "{} of {} items hold: {}{}",
                        all.len(),
                        all.len(),
                        shown.join("; "),
                        beset_items(history)
                    ),
                )
            }
            Some(first) => {
                let ItemRecord { tenant, item, evidence, fix, .. } = first;
                let text =
                    format!("{} of {} items do not hold: {tenant} {item}: {evidence}", open.len(), all.len());
                Judgement::new(
                    Verdict::Fail,
                    if fix.is_empty() { text } else { format!("{text}; fix: {fix}") },
                )
            }
        }
    }
}
