//! `conserved-total`: amounts that move between accounts neither vanish nor appear, and no transaction is seen half done.
//!
//! This is Jepsen's bank test (`jepsen.tests.bank/checker`): every reading has every account and the declared total. Here
//! a reading has the entries, too, and three things are stricter than there. The balances are what the entries make of what
//! the accounts were opened with, so that no account gets what nobody sent. The entries are those of transfers that were
//! begun and did not fail, each once. And each transfer that was acknowledged, or that an earlier reading had, is in every
//! reading that begins afterwards; one whose fate nobody knows may be in it or not. As there with `:negative-balances?`, an
//! account may owe. The first reading that is off is the shortest story of what went wrong. Linear in the history but for a
//! sort.

use std::collections::{BTreeMap, HashMap};

use bulkhead_model::{
    Act, Ending, Entry, Found, Verdict,
    history::{Event, EventKind},
};

use self::reading::{Reading, Seen};
use crate::{
    Check, Culprit, Judgement,
    ops::{Op, Use, grouped, ops},
    words::{during_any, moment, worst_of},
};

#[cfg(test)]
mod properties;
mod reading;

/// The check.
pub(crate) struct ConservedTotal;

impl Check for ConservedTotal {
    fn name(&self) -> &'static str {
        "conserved-total"
    }

    fn sentence(&self) -> &'static str {
        "Every reading of the accounts has the total that they were opened with, and the balances that whole transfers \
         make: all that were acknowledged, none that failed, none twice."
    }

    fn concerns(&self, event: &EventKind) -> bool {
        matches!(event, EventKind::Invoked(op) if is_bank(&op.act))
    }

    fn judge(&self, history: &[Event], _: u64) -> Judgement {
        let bank = ops(history).into_iter().filter(|op| is_bank(&op.invoked.act));
        let judged: Vec<_> =
            grouped(bank, Use::of).into_iter().map(|(of, ops)| (of, judge_use(history, &ops))).collect();
        worst_of(&judged, "nobody moved an amount")
    }
}

fn is_bank(act: &Act) -> bool {
    matches!(act, Act::Transfer { .. } | Act::ReadBooks { .. })
}

/// One transfer and what is known of it.
struct Fate<'h> {
    op: Op<'h>,
    /// The place in the history from which on it is certain to have happened: its acknowledgement, or the end of the
    /// first reading that has it.
    known: Option<usize>,
}

/// All transfers of a use, by their names.
type Fates<'h> = HashMap<&'h str, Fate<'h>>;

fn judge_use<'h>(history: &[Event], ops: &[Op<'h>]) -> Judgement {
    let readings: Vec<_> = ops.iter().filter_map(reading).collect();
    let fates = fates(ops, &readings);
    let mut known: Vec<_> = fates.values().filter_map(|fate| fate.known).collect();
    known.sort_unstable();
    let seen = Seen { fates: &fates, known: &known };
    let off: Vec<_> = readings.iter().filter_map(|reading| Some((reading, reading.faults(&seen)?))).collect();
    if let Some((first, faults)) = off.first() {
        let (op, at) = (first.op, first.op.ended_at().unwrap_or(first.op.began));
        let text = format!(
            "{} of {} readings are off, at most 0 may be: the first, by {} at {}{}: {}",
            off.len(),
            readings.len(),
            op.client(),
            moment(op.began),
            during_any(history, op.began, at),
            faults.join("; ")
        );
        let culprits: Vec<Culprit> = off.iter().flat_map(|(reading, _)| reading.culprits(&seen)).collect();
        return Judgement::new(Verdict::Fail, text).naming(culprits);
    }
    let acknowledged = || fates.values().filter(|fate| fate.op.outcome() == Ending::Ok);
    let (total, last) = (acknowledged().count(), acknowledged().map(|fate| fate.op.over).max());
    match last {
        None => Judgement::new(Verdict::Unknown, "no transfer was acknowledged, so none could be half done"),
        Some(last) if !readings.iter().any(|reading| reading.op.place > last) => {
            let text = format!(
                "no reading began after the last of {total} acknowledgements came, so nobody knows what is missing"
            );
            Judgement::new(Verdict::Unknown, text)
        }
        Some(_) => Judgement::new(Verdict::Pass, kept(&fates, total, &readings)),
    }
}

/// A reading that came back.
fn reading<'h>(op: &Op<'h>) -> Option<Reading<'h>> {
    match (&op.invoked.act, op.outcome(), op.found()) {
        (Act::ReadBooks { opened }, Ending::Ok, Some(Found::Books { balances, entries })) => {
            Some(Reading { op: *op, opened, balances, entries })
        }
        _ => None,
    }
}

fn fates<'h>(ops: &[Op<'h>], readings: &[Reading<'h>]) -> Fates<'h> {
    let mut fates: Fates<'h> = HashMap::new();
    for op in ops {
        let Act::Transfer { transfer, .. } = &op.invoked.act else { continue };
        let known = (op.outcome() == Ending::Ok).then_some(op.over);
        if fates.get(transfer.as_str()).is_none_or(|fate| doubt(op) < doubt(&fate.op)) {
            fates.insert(transfer, Fate { op: *op, known });
        }
    }
    for reading in readings {
        for entry in reading.entries {
            if let Some(fate) = fates.get_mut(entry.transfer.as_str()) {
                let over = reading.op.over;
                fate.known = Some(fate.known.map_or(over, |known| known.min(over)));
            }
        }
    }
    fates
}

/// How far from certain it is that it happened.
fn doubt(op: &Op<'_>) -> u8 {
    match op.outcome() {
        Ending::Ok => 0,
        Ending::Unknown => 1,
        Ending::Failed => 2,
    }
}

/// What an operation asks for, as the entry that it leaves.
fn entry_of(op: &Op<'_>) -> Option<Entry> {
    match &op.invoked.act {
        Act::Transfer { transfer, from, to, amount } => {
            Some(Entry { transfer: transfer.clone(), from: from.clone(), to: to.clone(), amount: *amount })
        }
        _ => None,
    }
}

fn sum(balances: &BTreeMap<String, i64>) -> i128 {
    balances.values().map(|balance| i128::from(*balance)).sum()
}

fn kept(fates: &Fates<'_>, total: usize, readings: &[Reading<'_>]) -> String {
    let recovered =
        fates.values().filter(|fate| fate.op.outcome() != Ending::Ok && fate.known.is_some()).count();
    let (accounts, sum) =
        readings.last().map_or((0, 0), |reading| (reading.opened.len(), sum(reading.opened)));
    format!(
        "{} readings of {accounts} accounts have the total of {sum}, and all of {total} acknowledged transfers that were \
         over; {recovered} were there without their acknowledgement",
        readings.len()
    )
}
