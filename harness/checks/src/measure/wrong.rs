//! Where culprits belong: each to the operation that it names, whatever second that was due in.

use bulkhead_model::bench::{Wrong, Wrongs};

use crate::{Culprit, tables::Table};

/// What the invariants found, by place.
pub(super) struct Found(Table<usize, Vec<Wrong>>);

impl Found {
    pub(super) fn of(culprits: &[Culprit]) -> Self {
        let mut found: Table<usize, Vec<Wrong>> = Table::default();
        for Culprit { place, wrong } in culprits {
            let known = found.entry(*place).or_default();
            if !known.contains(wrong) {
                known.push(*wrong);
            }
        }
        Self(found)
    }

    /// What was found of the event at that place, which is nobody else's then.
    pub(super) fn take(&mut self, place: usize) -> Wrongs {
        counted(self.0.remove(&place).unwrap_or_default())
    }

    /// What nobody took.
    pub(super) fn left(self) -> Wrongs {
        counted(self.0.into_values().flatten())
    }
}

fn counted(wrong: impl IntoIterator<Item = Wrong>) -> Wrongs {
    let mut wrongs = Wrongs::default();
    wrong.into_iter().for_each(|wrong| wrongs.count(wrong));
    wrongs
}
