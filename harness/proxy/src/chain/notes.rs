//! What a toxic says that it did, until it is put on the tape: neighbours of the same effect become one entry.
//!
//! The first touch after a quiet while is told at once, so that whoever waits for a fault sees it bite. What follows
//! within [`SETTLE`] is gathered: a run of bytes that lie next to one another and met the same effect is one entry, which
//! says no less than one entry for each chunk would. Delays that differ become their least and most; flipped bits become
//! the range that they lie in and how many they are. Nothing else is joined across a gap.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use crate::{tape::Effect, toxics::count};

/// How long a touch may wait for neighbours.
pub(crate) const SETTLE: Duration = Duration::from_millis(100);

/// What a toxic did to some of the bytes that it was given.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Touch {
    /// The first of them, counted from 0 over all that it was given.
    pub(crate) offset: u64,
    /// How many bytes; none where only the end was touched.
    pub(crate) bytes: usize,
    /// What it did.
    pub(crate) effect: Effect,
}

/// What one toxic on one way through one connection did and has not told yet.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    whole: VecDeque<Touch>,
    /// The last one, which the next may still join.
    open: Option<Touch>,
    told: Option<Instant>,
}

impl Notes {
    pub(crate) fn add(&mut self, touch: Touch) {
        if self.open.as_mut().is_some_and(|open| open.join(&touch)) {
            return;
        }
        self.whole.extend(self.open.replace(touch));
    }

    /// The next that is to be told by now.
    pub(crate) fn tell(&mut self, now: Instant) -> Option<Touch> {
        if self.is_empty() {
            return None;
        }
        let touch =
            self.whole.pop_front().or_else(|| self.open.take_if(|open| settled(open, self.told, now)));
        if touch.is_some() {
            self.told = Some(now);
        }
        touch
    }

    /// The next, settled or not.
    pub(crate) fn tell_all(&mut self) -> Option<Touch> {
        self.whole.pop_front().or_else(|| self.open.take())
    }

    /// When there is something to tell without another touch.
    pub(crate) fn due(&self) -> Option<Instant> {
        let told = self.open.as_ref().and(self.told)?;
        told.checked_add(SETTLE)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.open.is_none() && self.whole.is_empty()
    }
}

fn settled(open: &Touch, told: Option<Instant>, now: Instant) -> bool {
    let ends = matches!(open.effect, Effect::Closed | Effect::Reset);
    ends || told.is_none_or(|told| now.saturating_duration_since(told) >= SETTLE)
}

impl Touch {
    /// Takes in a later touch if one entry can say both.
    fn join(&mut self, later: &Self) -> bool {
        let end = self.offset.saturating_add(count(self.bytes));
        let adjoins = end == later.offset && self.bytes > 0 && later.bytes > 0;
        let joined = match (&self.effect, &later.effect) {
            (Effect::Corrupted(some), Effect::Corrupted(more)) if later.offset >= end => {
                Effect::Corrupted(some.saturating_add(*more))
            }
            _ if !adjoins => return false,
            (Effect::Held, Effect::Held) => Effect::Held,
            (Effect::Dropped, Effect::Dropped) => Effect::Dropped,
            (Effect::Sliced(some), Effect::Sliced(more)) => Effect::Sliced(some.saturating_add(*more)),
            (one, other) => match (delays(one), delays(other)) {
                (Some((least, most)), Some((lower, higher))) => between(least.min(lower), most.max(higher)),
                _ => return false,
            },
        };
        self.effect = joined;
        let gap = usize::try_from(later.offset.saturating_sub(end)).unwrap_or(usize::MAX);
        self.bytes = self.bytes.saturating_add(gap).saturating_add(later.bytes);
        true
    }
}

fn delays(effect: &Effect) -> Option<(Duration, Duration)> {
    match effect {
        Effect::Delayed(delay) => Some((*delay, *delay)),
        Effect::DelayedBetween(least, most) => Some((*least, *most)),
        _ => None,
    }
}

fn between(least: Duration, most: Duration) -> Effect {
    if least == most { Effect::Delayed(least) } else { Effect::DelayedBetween(least, most) }
}
