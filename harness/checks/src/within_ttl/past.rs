//! What is certain and what is possible of one key at each of its readings, and of one value under it.

use bulkhead_model::{Act, Ending};

use super::{end, nanoseconds, reading};
use crate::ops::Op;

/// What was done with a key.
pub(super) struct Past<'h> {
    /// What certainly took away or replaced whatever was there.
    pub(super) removed: Latest<'h>,
    /// Whether what is kept may go before its time.
    pub(super) evictable: bool,
    /// What certainly gave it a time to live.
    refreshed: Latest<'h>,
    /// Where what may have taken it away began, with the last place where any of these so far may have.
    forgotten: Vec<(usize, usize)>,
    /// The shortest time to live, in nanoseconds.
    lives: u64,
}

impl<'h> Past<'h> {
    /// From all operations on the key, in the order in which they began.
    pub(super) fn of(ops: &[Op<'h>]) -> Self {
        let (mut removed, mut refreshed, mut forgotten) = (Vec::new(), Vec::new(), Vec::new());
        let (mut evictable, mut lives, mut last) = (false, u64::MAX, 0);
        for op in ops {
            let (outcome, read) = (op.outcome(), reading(op));
            if let Some(time) = time_to_live(&op.invoked.act) {
                lives = lives.min(time);
            }
            match &op.invoked.act {
                Act::Keep { evictable: may, .. } => {
                    evictable |= *may;
                    if outcome == Ending::Ok {
                        removed.push(*op);
                        refreshed.push(*op);
                    }
                }
                Act::Touch { .. } if matches!(read, Some(Some(_))) => refreshed.push(*op),
                Act::Forget { .. } if outcome != Ending::Failed => {
                    let over = if outcome == Ending::Ok { op.over } else { usize::MAX };
                    last = over.max(last);
                    forgotten.push((op.place, last));
                    if outcome == Ending::Ok {
                        removed.push(*op);
                    }
                }
                _ => {}
            }
        }
        Self { removed: Latest::of(removed), evictable, refreshed: Latest::of(refreshed), forgotten, lives }
    }

    /// Until when what is kept must be there for a reading, with what says so last; `None` where nothing need be.
    pub(super) fn must_live_until(&self, reading: &Op<'_>) -> Option<(Op<'h>, u64)> {
        let last = self.refreshed.before(reading.place)?;
        let begun = self.forgotten.partition_point(|(place, _)| *place < reading.over);
        let forgotten = begun.checked_sub(1).and_then(|index| self.forgotten.get(index));
        if forgotten.is_some_and(|(_, over)| *over > last.place) {
            return None;
        }
        Some((last, last.began.saturating_add(self.lives)))
    }
}

/// The time to live that an operation gives, in nanoseconds.
fn time_to_live(act: &Act) -> Option<u64> {
    match act {
        Act::Keep { lives, .. } | Act::Touch { lives, .. } => Some(nanoseconds(*lives)),
        _ => None,
    }
}

/// Operations in the order in which they were over, each as the one of those so far that began last.
pub(super) struct Latest<'h>(Vec<(usize, Op<'h>)>);

impl<'h> Latest<'h> {
    fn of(mut ops: Vec<Op<'h>>) -> Self {
        ops.sort_unstable_by_key(|op| op.over);
        let mut latest: Option<Op<'h>> = None;
        let running = ops.into_iter().map(|op| {
            let newest = latest.filter(|known| known.place > op.place).unwrap_or(op);
            latest = Some(newest);
            (op.over, newest)
        });
        Self(running.collect())
    }

    /// Of those that were over before that place, the one that began last.
    pub(super) fn before(&self, place: usize) -> Option<Op<'h>> {
        let count = self.0.partition_point(|(over, _)| *over < place);
        count.checked_sub(1).and_then(|index| self.0.get(index)).map(|(_, op)| *op)
    }
}

/// How long a value can be there.
pub(super) struct Life {
    /// The place in the history by which it was certainly put there.
    pub(super) known: usize,
    /// When it was there for certain, if ever.
    put_by: u64,
    /// What it was given then, in nanoseconds.
    lives: u64,
    /// When the time is over that touches gave it.
    prolonged: u64,
}

impl Life {
    /// Of what this put there.
    pub(super) fn of(put: &Op<'_>) -> Self {
        let lives = time_to_live(&put.invoked.act).unwrap_or(u64::MAX);
        match put.outcome() {
            Ending::Ok => Self { known: put.over, put_by: end(put), lives, prolonged: 0 },
            _ => Self { known: usize::MAX, put_by: u64::MAX, lives, prolonged: 0 },
        }
    }

    /// A reading has it: by its end it was put there, and a touch lets it live on.
    pub(super) fn seen(&mut self, reading: &Op<'_>) {
        self.known = self.known.min(reading.over);
        self.put_by = self.put_by.min(end(reading));
        if let Act::Touch { lives, .. } = reading.invoked.act {
            self.prolonged = self.prolonged.max(end(reading).saturating_add(nanoseconds(lives)));
        }
    }

    /// When its time to live is over at the latest, with the first touch of its key whose outcome nobody knows: where that
    /// began in time, it may have come at any moment, and others with it.
    pub(super) fn over_by(&self, unknown_touch: Option<u64>, tolerance: u64) -> u64 {
        let over = self.put_by.saturating_add(self.lives).max(self.prolonged);
        match unknown_touch {
            Some(began) if began <= over.saturating_add(tolerance) => u64::MAX,
            _ => over,
        }
    }
}
