//! A queue: what was handed over and acknowledged is taken in the end.
//!
//! This is Jepsen's `total-queue` (`jepsen.checker/total-queue`): what was handed over and acknowledged must be among what
//! was taken; what was taken must be among what anybody tried to hand over. An element whose acknowledgement never came
//! may be there or not. Where it is, Jepsen calls it recovered; an element that is taken more than once is duplicated,
//! which is no loss. Linear in the history.
//!
//! Stricter than there: a server that gives an element out again must say so (AMQP 0-9-1's `redelivered`), so one that came
//! as new twice was doubled. Not so where it was handed over twice, or passed on, which at-least-once may do twice; and a
//! broker that was killed or started again in between may have forgotten what it gave out, once each time (RabbitMQ writes
//! that to its queue index, and syncs it later than the message).
//!
//! What is announced to several is a queue for each of them: one element for each who is to take it. What is passed on
//! from queue to queue is taken where it leaves the last; the passing only tells how far one came that is lost.

use bulkhead_model::{
    Act, Ending, Verdict,
    bench::Wrong,
    history::{Event, EventKind},
};

use super::NOTHING;
use crate::{
    Culprit, Judgement,
    culprit::{Fault, failure},
    ops::Op,
    tables::Table,
    words::{during, moment},
};

/// An element and who is to take it.
type Due<'h> = (&'h str, &'h str);

/// Whoever comes first.
const ANYBODY: &str = "";

type Fates<'o, 'h> = Table<Due<'h>, Fate<'o, 'h>>;

/// What became of one element. There may be millions, hence no copies of operations.
#[derive(Default)]
struct Fate<'o, 'h> {
    /// How handing it over came out, at best; nothing where nobody did.
    handed: Option<&'o Op<'h>>,
    /// Whether it may be there twice: it was tried again to hand it over, or it was passed on.
    twice: bool,
    /// How often the server gave it out as new.
    new: u32,
    /// Whom it was given to as new last.
    renewed: Option<&'o Op<'h>>,
    /// How often its work was done.
    taken: u32,
    /// The first to take it.
    taker: Option<&'o Op<'h>>,
    /// The last to pass it on.
    passed: Option<&'o Op<'h>>,
}

impl Fate<'_, '_> {
    fn acknowledged(&self) -> bool {
        self.handed.is_some_and(|op| op.outcome() == Ending::Ok)
    }
}

/// Judges one workload's operations.
pub(super) fn judge(history: &[Event], ops: &[Op<'_>]) -> Judgement {
    let fates = fates(ops);
    let count = |wanted: &dyn Fn(&Fate<'_, '_>) -> bool| fates.values().filter(|fate| wanted(fate)).count();
    let total = count(&|fate| fate.acknowledged());
    let faults = [lost(history, &fates, total), unexpected(history, &fates), doubled(history, &fates)];
    if let Some(failed) = failure(faults) {
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

fn fates<'o, 'h>(ops: &'o [Op<'h>]) -> Fates<'o, 'h> {
    let handed = ops.iter().filter(|op| matches!(op.invoked.act, Act::Hand { .. }));
    let mut fates = Fates::with_capacity_and_hasher(handed.count(), Default::default());
    for op in ops {
        let mut hand = |due: Due<'h>| {
            let fate = fates.entry(due).or_default();
            fate.twice |= fate.handed.is_some();
            // Tried again after an unknown outcome, it is handed over if either was acknowledged.
            if fate.handed.is_none_or(|known| op.outcome() < known.outcome()) {
                fate.handed = Some(op);
            }
        };
        match &op.invoked.act {
            Act::Hand { element } => hand((element, ANYBODY)),
            Act::Announce { element, to } => to.iter().for_each(|taker| hand((element, taker))),
            _ => {}
        }
    }
    let announced = ops.iter().any(|op| matches!(op.invoked.act, Act::Announce { .. }));
    let due = |fates: &Fates<'o, 'h>, op: &'o Op<'h>, element: &'h str| {
        let own = (element, op.client());
        if announced && fates.contains_key(&own) { own } else { (element, ANYBODY) }
    };
    for op in ops {
        // Whose acknowledgement nobody knows the fate of did its work all the same.
        let done = op.ended.is_some() && op.outcome() != Ending::Failed;
        match &op.invoked.act {
            Act::Take { element, again } => {
                let due = due(&fates, op, element);
                let fate = if done { Some(fates.entry(due).or_default()) } else { fates.get_mut(&due) };
                let Some(fate) = fate else { continue };
                // Given out it is, whatever becomes of its work.
                if !again {
                    fate.new += 1;
                    fate.renewed = Some(op);
                }
                if done {
                    fate.taken += 1;
                    fate.taker.get_or_insert(op);
                }
            }
            Act::Pass { element, .. } => {
                if let Some(fate) = fates.get_mut(&(element.as_str(), ANYBODY)) {
                    fate.twice = true;
                    fate.passed = if done { Some(op) } else { fate.passed };
                }
            }
            _ => {}
        }
    }
    fates
}

fn lost(history: &[Event], fates: &Fates<'_, '_>, total: usize) -> Option<Fault> {
    let lost = || fates.iter().filter(|(_, fate)| fate.acknowledged() && fate.taken == 0);
    let ((element, taker), fate, op) = lost()
        .filter_map(|(due, fate)| Some((due, fate, fate.handed?)))
        .min_by_key(|((_, taker), _, op)| (op.place, *taker))?;
    let by = if *taker == ANYBODY { String::new() } else { format!(" by {taker}") };
    let passed = fate.passed.map_or_else(String::new, |op| {
        format!(", last passed on by {} at {}", op.client(), moment(op.began))
    });
    let text = format!(
        "{} of {total} acknowledged elements were never taken, at most 0 may be: `{element}` first{by}, handed over by {} \
         at {}{}{passed}",
        lost().count(),
        op.client(),
        moment(op.began),
        during(history, op.began)
    );
    let handed = lost().filter_map(|(_, fate)| fate.handed);
    Some(Fault { text, culprits: handed.map(|op| Culprit::of(Wrong::Lost, op)).collect() })
}

fn unexpected(history: &[Event], fates: &Fates<'_, '_>) -> Option<Fault> {
    let unexpected = || fates.iter().filter(|(_, fate)| fate.handed.is_none());
    let (element, op) = unexpected()
        .filter_map(|((element, _), fate)| Some((element, fate.taker?)))
        .min_by_key(|(_, op)| op.place)?;
    let text = format!(
        "{} elements were taken that nobody handed over, at most 0 may be: `{element}` first, by {} at {}{}",
        unexpected().count(),
        op.client(),
        moment(op.began),
        during(history, op.began)
    );
    let taken = unexpected().filter_map(|(_, fate)| fate.taker);
    Some(Fault { text, culprits: taken.map(|op| Culprit::of(Wrong::Foreign, op)).collect() })
}

fn doubled(history: &[Event], fates: &Fates<'_, '_>) -> Option<Fault> {
    let restarts = restarts(history);
    let forgotten = |op: &Op<'_>| {
        let before =
            |(place, service): &&(usize, &str)| *place < op.place && *service == op.invoked.service.name();
        u32::try_from(restarts.iter().filter(before).count()).unwrap_or(u32::MAX)
    };
    let doubled = || {
        fates.iter().filter_map(|(due, fate)| {
            let op = fate.renewed.filter(|_| fate.new > 1 && !fate.twice)?;
            (fate.new > forgotten(op).saturating_add(1)).then_some((due, fate, op))
        })
    };
    let ((element, _), fate, op) = doubled().min_by_key(|(_, _, op)| op.place)?;
    let text = format!(
        "{} elements were given out as new more than once, at most 0 may be: `{element}` first, {} times, the last to {} at \
         {}{}",
        doubled().count(),
        fate.new,
        op.client(),
        moment(op.began),
        during(history, op.began)
    );
    Some(Fault { text, culprits: doubled().map(|(.., op)| Culprit::of(Wrong::Duplicated, op)).collect() })
}

/// Where servers were killed or started again, and whose.
fn restarts(history: &[Event]) -> Vec<(usize, &str)> {
    let mut restarts = Vec::new();
    for (place, event) in history.iter().enumerate() {
        if let EventKind::FaultBegan(fault) = &event.kind
            && let Some(("kill" | "restart", service)) = fault.what.split_once(' ')
        {
            restarts.push((place, service));
        }
    }
    restarts
}
