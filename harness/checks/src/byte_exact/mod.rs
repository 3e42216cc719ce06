//! `byte-exact`: what is read of an object is what was put there, to the byte, and no object shows before it is whole.
//!
//! Jepsen has no checker for this; it is its `set-full` (`jepsen.checker/set-full`) for objects that are written once. An
//! object is known from the acknowledgement of its completion, or from the end of the first reading that has it; every
//! reading that begins afterwards must have it, with the digest of the bytes that were sent. Before its completion begins,
//! and where that failed or never came, no reading may have it: not one part of it, and not what was given up. A reading
//! that says itself what it must find is held to that alone. Linear in the history.

use std::collections::{HashMap, HashSet};

use bulkhead_model::{
    Act, Content, Ending, Found, Verdict,
    bench::Wrong,
    history::{Event, EventKind},
};

use crate::{
    Check, Culprit, Judgement,
    ops::{Op, Use, grouped, ops},
    words::{during_any, moment, worst_of},
};

#[cfg(test)]
mod properties;

/// The check.
pub(crate) struct ByteExact;

impl Check for ByteExact {
    fn name(&self) -> &'static str {
        "byte-exact"
    }

    fn sentence(&self) -> &'static str {
        "What is read of an object has the digest of what was sent, and nothing of an object shows before it is whole."
    }

    fn concerns(&self, event: &EventKind) -> bool {
        matches!(event, EventKind::Invoked(op) if is_of_objects(&op.act))
    }

    fn judge(&self, history: &[Event], _: u64) -> Judgement {
        let concerned = ops(history).into_iter().filter(|op| is_of_objects(&op.invoked.act));
        let judged: Vec<_> =
            grouped(concerned, Use::of).into_iter().map(|(of, ops)| (of, judge_use(history, &ops))).collect();
        worst_of(&judged, "nobody read an object")
    }
}

fn is_of_objects(act: &Act) -> bool {
    matches!(act, Act::Upload { .. } | Act::Complete { .. } | Act::Abort { .. } | Act::Fetch { .. })
}

/// What is known of one object.
#[derive(Default)]
struct Fate<'h> {
    /// What was sent.
    sent: Option<&'h Content>,
    /// The first completion that may have happened.
    completed: Option<Op<'h>>,
    /// Whether somebody tried in vain to complete it, or gave it up.
    failed: bool,
    /// The completion that was acknowledged first.
    acknowledged: Option<Op<'h>>,
    /// The place in the history from which on it is certainly there.
    known: Option<usize>,
}

/// A reading that came back.
struct Reading<'h> {
    op: Op<'h>,
    object: &'h str,
    /// What it must find, where it says so.
    holds: Option<&'h Content>,
    found: Option<&'h Content>,
}

fn judge_use(history: &[Event], ops: &[Op<'_>]) -> Judgement {
    let readings: Vec<_> = ops.iter().filter_map(reading).collect();
    let fates = fates(ops, &readings);
    let wrong: Vec<_> =
        readings.iter().filter_map(|reading| Some((reading, fault(reading, &fates)?))).collect();
    if let Some((first, (fault, _))) = wrong.first() {
        let (op, at) = (first.op, first.op.ended_at().unwrap_or(first.op.began));
        let text = format!(
            "{} of {} readings are not what was put there, at most 0 may be: the first, of `{}` by {} at {}{}, {fault}",
            wrong.len(),
            readings.len(),
            first.object,
            op.client(),
            moment(op.began),
            during_any(history, op.began, at)
        );
        return Judgement::new(Verdict::Fail, text).naming(wrong.iter().map(|(_, (_, culprit))| *culprit));
    }
    let exact = readings.iter().filter(|reading| reading.found.is_some()).count();
    if exact == 0 {
        return Judgement::new(
            Verdict::Unknown,
            "no reading found an object, so nobody knows what any holds",
        );
    }
    let unread =
        fates.values().filter(|fate| fate.acknowledged.is_some()).count() - read_back(&fates, &readings);
    if unread > 0 {
        return Judgement::new(
            Verdict::Unknown,
            format!("{unread} objects that were acknowledged were never read back"),
        );
    }
    let hidden = readings.len() - exact;
    Judgement::new(
        Verdict::Pass,
        format!(
            "{exact} readings of objects have the digest of what was sent; {hidden} found none where none may be"
        ),
    )
}

fn reading<'h>(op: &Op<'h>) -> Option<Reading<'h>> {
    match (&op.invoked.act, op.outcome(), op.found()) {
        (Act::Fetch { object, holds, .. }, Ending::Ok, Some(Found::Content(found))) => {
            Some(Reading { op: *op, object, holds: holds.as_ref(), found: found.as_ref() })
        }
        _ => None,
    }
}

fn fates<'h>(ops: &[Op<'h>], readings: &[Reading<'h>]) -> HashMap<&'h str, Fate<'h>> {
    let mut fates: HashMap<&str, Fate<'h>> = HashMap::new();
    for op in ops {
        match &op.invoked.act {
            Act::Upload { object, content } => {
                fates.entry(object).or_default().sent.get_or_insert(content);
            }
            Act::Complete { object } => {
                let fate = fates.entry(object).or_default();
                match op.outcome() {
                    Ending::Failed => fate.failed = true,
                    Ending::Unknown => drop(fate.completed.get_or_insert(*op)),
                    Ending::Ok => {
                        fate.completed.get_or_insert(*op);
                        if fate.acknowledged.is_none_or(|known| op.over < known.over) {
                            (fate.acknowledged, fate.known) = (Some(*op), Some(op.over));
                        }
                    }
                }
            }
            Act::Abort { object } => fates.entry(object).or_default().failed = true,
            _ => {}
        }
    }
    for reading in readings.iter().filter(|reading| reading.found.is_some() && reading.holds.is_none()) {
        let fate = fates.entry(reading.object).or_default();
        fate.known = Some(fate.known.map_or(reading.op.over, |known| known.min(reading.op.over)));
    }
    fates
}

/// How many of the acknowledged objects some reading had that began afterwards.
fn read_back(fates: &HashMap<&str, Fate<'_>>, readings: &[Reading<'_>]) -> usize {
    let after = readings.iter().filter(|reading| {
        let acknowledged = fates.get(reading.object).and_then(|fate| fate.acknowledged);
        reading.found.is_some() && acknowledged.is_some_and(|op| op.over < reading.op.place)
    });
    after.map(|reading| reading.object).collect::<HashSet<_>>().len()
}

/// What is wrong with a reading, if anything is, and the operation that went wrong.
fn fault(reading: &Reading<'_>, fates: &HashMap<&str, Fate<'_>>) -> Option<(String, Culprit)> {
    let this = |wrong| move |fault| (fault, Culprit::of(wrong, &reading.op));
    if let Some(holds) = reading.holds {
        return match reading.found {
            Some(found) => differs(found, holds).map(this(Wrong::Foreign)),
            None => Some(format!("found nothing where {} are", told(holds))).map(this(Wrong::Lost)),
        };
    }
    let fate = fates.get(reading.object)?;
    match (reading.found, fate.sent) {
        (Some(found), None) => {
            Some(format!("found {} that nobody uploaded", told(found))).map(this(Wrong::Foreign))
        }
        (Some(found), Some(sent)) => differs(found, sent).map(this(Wrong::Foreign)).or_else(|| {
            // What comes to be afterwards is only shown before its time.
            let wrong = if fate.completed.is_some() { Wrong::Reordered } else { Wrong::Foreign };
            shown_too_early(reading, fate).map(this(wrong))
        }),
        (None, _) => {
            fate.known.filter(|known| *known < reading.op.place)?;
            let acknowledged = fate.acknowledged.filter(|op| op.over < reading.op.place);
            let how = match acknowledged {
                Some(op) => {
                    let at = moment(op.ended_at().unwrap_or(op.began));
                    format!("which {} completed at {at}", op.client())
                }
                None => String::from("which an earlier reading had"),
            };
            let lost = acknowledged.or(fate.completed).unwrap_or(reading.op);
            Some((format!("found nothing of it, {how}"), Culprit::of(Wrong::Lost, &lost)))
        }
    }
}

/// A reading that has what nobody had completed.
fn shown_too_early(reading: &Reading<'_>, fate: &Fate<'_>) -> Option<String> {
    match fate.completed {
        Some(op) if op.place > reading.op.over => {
            Some(format!("found it before {} began to complete it at {}", op.client(), moment(op.began)))
        }
        Some(_) => None,
        None if fate.failed => {
            Some(String::from("found it although it was given up or could not be completed"))
        }
        None => Some(String::from("found it although nobody completed it")),
    }
}

fn differs(found: &Content, sent: &Content) -> Option<String> {
    (found != sent).then(|| format!("found {} instead of {}", told(found), told(sent)))
}

/// How many bytes and which, in words.
fn told(content: &Content) -> String {
    let digest: String = content.digest.chars().take(12).collect();
    format!("{} bytes ({digest}…)", content.bytes)
}
