//! One reading of the books: whether it has the accounts, the total and the transfers that it must.

use std::collections::{BTreeMap, HashMap, HashSet};

use bulkhead_model::{Ending, Entry, bench::Wrong};

use super::{Fate, Fates, entry_of, sum};
use crate::{
    Culprit,
    ops::Op,
    words::{deed, moment},
};

/// A reading that came back.
pub(super) struct Reading<'h> {
    pub(super) op: Op<'h>,
    /// What the accounts were opened with.
    pub(super) opened: &'h BTreeMap<String, i64>,
    pub(super) balances: &'h BTreeMap<String, i64>,
    pub(super) entries: &'h [Entry],
}

/// What the history says of the transfers.
pub(super) struct Seen<'f, 'h> {
    pub(super) fates: &'f Fates<'h>,
    /// The places in the history at which one of them was certain, in their order.
    pub(super) known: &'f [usize],
}

impl Reading<'_> {
    /// Everything that is off, where anything is.
    pub(super) fn faults(&self, seen: &Seen<'_, '_>) -> Option<Vec<String>> {
        let checks = [
            self.accounts(),
            self.total(),
            self.balance(),
            self.strange(seen),
            self.twice(),
            self.missing(seen),
        ];
        let faults: Vec<_> = checks.into_iter().flatten().collect();
        (!faults.is_empty()).then_some(faults)
    }

    /// Accounts that are gone or that nobody opened.
    fn accounts(&self) -> Option<String> {
        let gone = self.opened.keys().find(|account| !self.balances.contains_key(*account));
        let strange = self.balances.keys().find(|account| !self.opened.contains_key(*account));
        gone.map(|account| format!("`{account}` is not there"))
            .or_else(|| strange.map(|account| format!("nobody opened `{account}`")))
    }

    fn total(&self) -> Option<String> {
        let (declared, held) = (sum(self.opened), sum(self.balances));
        (held != declared).then(|| {
            format!(
                "the total is {held}, {} than the {declared} that there must be",
                difference(held - declared)
            )
        })
    }

    /// Accounts that do not hold what the entries make of what they were opened with.
    fn balance(&self) -> Option<String> {
        let mut due: BTreeMap<&str, i128> =
            self.opened.iter().map(|(account, held)| (account.as_str(), i128::from(*held))).collect();
        for Entry { from, to, amount, .. } in self.entries {
            *due.entry(from).or_default() -= i128::from(*amount);
            *due.entry(to).or_default() += i128::from(*amount);
        }
        let wrong = || {
            self.balances.iter().filter_map(|(account, held)| {
                let (held, due) = (i128::from(*held), due.get(account.as_str()).copied().unwrap_or_default());
                (held != due).then_some((account, held, due))
            })
        };
        let (account, held, due) = wrong().next()?;
        Some(format!(
            "{} of {} accounts are not what the entries make of them: `{account}` holds {held}, {} than {due}",
            wrong().count(),
            self.balances.len(),
            difference(held - due)
        ))
    }

    /// What it shows of one that is off: the transfers that are missing or there twice, and itself where it has what nobody sent,
    /// or where more or less is there than its entries make.
    pub(super) fn culprits(&self, seen: &Seen<'_, '_>) -> Vec<Culprit> {
        let this = |wrong| Culprit::of(wrong, &self.op);
        let gone = self.gone(seen).map(|(_, fate)| Culprit::of(Wrong::Lost, &fate.op));
        let mut culprits: Vec<_> = gone.collect();
        culprits.extend(self.often().map(|(entry, _)| match seen.fates.get(entry.transfer.as_str()) {
            Some(fate) => Culprit::of(Wrong::Duplicated, &fate.op),
            None => this(Wrong::Duplicated),
        }));
        culprits.extend(self.strange(seen).map(|_| this(Wrong::Foreign)));
        if culprits.is_empty() {
            let more = sum(self.balances) > sum(self.opened)
                || self.balances.keys().any(|account| !self.opened.contains_key(account));
            culprits.push(this(if more { Wrong::Foreign } else { Wrong::Lost }));
        }
        culprits
    }

    /// The first entry of a transfer that nobody sent, that was sent otherwise, later or not at all.
    fn strange(&self, seen: &Seen<'_, '_>) -> Option<String> {
        self.entries.iter().find_map(|entry| {
            let Entry { transfer, from, to, amount } = entry;
            let Some(fate) = seen.fates.get(transfer.as_str()) else {
                return Some(format!(
                    "nobody sent `{transfer}`, which moved {amount} from `{from}` to `{to}`"
                ));
            };
            let op = &fate.op;
            if entry_of(op).is_some_and(|sent| sent != *entry) {
                return Some(format!(
                    "`{transfer}` moved {amount} from `{from}` to `{to}`, and {} asked for {}",
                    op.client(),
                    deed(&op.invoked.act)
                ));
            }
            if op.outcome() == Ending::Failed {
                return Some(format!(
                    "`{transfer}` is in it, which failed for {} at {}",
                    op.client(),
                    moment(op.ended_at().unwrap_or(op.began))
                ));
            }
            (op.place > self.op.over).then(|| {
                format!("`{transfer}` is in it, which {} began at {} only", op.client(), moment(op.began))
            })
        })
    }

    /// The first transfer that was entered more than once.
    fn twice(&self) -> Option<String> {
        let (entry, count) = self.often().next()?;
        Some(format!("`{}` was entered {count} times", entry.transfer))
    }

    /// The entries of transfers that were entered more than once, each with how often.
    fn often(&self) -> impl Iterator<Item = (&Entry, usize)> {
        let mut times: HashMap<&str, usize> = HashMap::new();
        for entry in self.entries {
            *times.entry(&entry.transfer).or_default() += 1;
        }
        let counted = self
            .entries
            .iter()
            .map(move |entry| (entry, times.get(entry.transfer.as_str()).copied().unwrap_or(0)));
        counted.filter(|(_, count)| *count > 1)
    }

    /// The transfers that were certain when it began and that it does not have.
    fn gone<'f, 'h>(&self, seen: &'f Seen<'f, 'h>) -> impl Iterator<Item = (&'h str, &'f Fate<'h>)> {
        let had: HashSet<&str> = self.entries.iter().map(|entry| entry.transfer.as_str()).collect();
        let gone = seen.fates.iter().filter(move |(name, fate)| {
            fate.known.is_some_and(|known| known < self.op.place) && !had.contains(**name)
        });
        gone.map(|(name, fate)| (*name, fate))
    }

    /// The transfers that were certain when it began and are not in it.
    fn missing(&self, seen: &Seen<'_, '_>) -> Option<String> {
        let due = seen.known.partition_point(|known| *known < self.op.place);
        let certain = |known: Option<usize>| known.is_some_and(|known| known < self.op.place);
        let had: HashSet<&str> = self.entries.iter().map(|entry| entry.transfer.as_str()).collect();
        let there = had.iter().filter(|name| seen.fates.get(**name).is_some_and(|fate| certain(fate.known)));
        let missing = due.saturating_sub(there.count());
        if missing == 0 {
            return None;
        }
        // Only now, so that a reading that is right costs no more than what it has.
        let (name, fate) = self.gone(seen).min_by_key(|(_, fate)| fate.op.place)?;
        let op = &fate.op;
        let how = match op.outcome() {
            Ending::Ok => format!("acknowledged at {}", moment(op.ended_at().unwrap_or(op.began))),
            _ => String::from("which an earlier reading had"),
        };
        Some(format!(
            "{missing} of {due} transfers that must be in it are not: `{name}` first, {} for {}, {how}",
            deed(&op.invoked.act),
            op.client()
        ))
    }
}

/// How much more or less.
fn difference(by: i128) -> String {
    format!("{} {}", by.unsigned_abs(), if by < 0 { "less" } else { "more" })
}
