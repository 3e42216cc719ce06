//! The tape: every fault that touched bytes, with where and what. Whoever asked for a fault reads here whether it bit.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use crate::spec::Direction;

/// Entries kept; older ones go first and are counted.
pub const CAPACITY: usize = 65_536;

/// What a toxic did to some bytes.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// They leave that much later.
    Delayed(Duration),
    /// They leave later, some by the least and some by the most of these.
    DelayedBetween(Duration, Duration),
    /// They are held until the toxic is changed or removed.
    Held,
    /// They never leave.
    Dropped,
    /// They leave in that many pieces.
    Sliced(usize),
    /// That many bits were flipped from the first to the last of them.
    Corrupted(u64),
    /// The connection ends here, by FIN.
    Closed,
    /// The connection ends here, by RST to both ends.
    Reset,
    /// The connection was never made: what was done in its place.
    Refused(&'static str),
    /// The client took what it was shown in a server's place, which is a fault of the client's: what that was.
    Trusted(&'static str),
}

/// One line of the tape.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Counts from 1 over the whole tape.
    pub number: u64,
    /// Since the proxies began.
    pub at: Duration,
    /// The proxy's name.
    pub proxy: Arc<str>,
    /// Counts from 1 in its proxy.
    pub connection: u64,
    /// The way through it.
    pub direction: Direction,
    /// The toxic's name.
    pub toxic: Arc<str>,
    /// The first byte touched, counted from 0 over what arrived at that toxic.
    pub offset: u64,
    /// How many were touched.
    pub bytes: usize,
    /// What was done to them.
    pub effect: Effect,
}

/// Some lines of the tape.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    /// The lines.
    pub entries: Vec<Entry>,
    /// The number of the last line there is.
    pub last: u64,
    /// How many lines before these are not kept any more.
    pub missed: u64,
}

/// The tape of a set of proxies.
#[derive(Debug, Default)]
pub struct Tape(Mutex<Reel>);

#[derive(Debug, Default)]
struct Reel {
    entries: VecDeque<Entry>,
    last: u64,
}

impl Tape {
    /// Adds a line and numbers it.
    pub fn write(&self, mut entry: Entry) -> u64 {
        let mut reel = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        reel.last += 1;
        entry.number = reel.last;
        if reel.entries.len() == CAPACITY {
            reel.entries.pop_front();
        }
        reel.entries.push_back(entry);
        reel.last
    }

    /// So many lines after that number at most, oldest first, and what a reader needs to go on from there.
    pub fn page(&self, after: u64, most: usize) -> Page {
        let reel = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let oldest = reel.entries.front().map_or(reel.last + 1, |entry| entry.number);
        let wanted = after.saturating_add(1);
        let skipped = usize::try_from(wanted.saturating_sub(oldest)).unwrap_or(usize::MAX);
        let entries: Vec<Entry> = reel.entries.iter().skip(skipped).take(most).cloned().collect();
        Page { entries, last: reel.last, missed: oldest.saturating_sub(wanted) }
    }

    /// So many of the lines that are wanted at most, oldest first.
    pub fn find(&self, most: usize, wanted: impl Fn(&Entry) -> bool) -> Vec<Entry> {
        let reel = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        reel.entries.iter().filter(|entry| wanted(entry)).take(most).cloned().collect()
    }

    /// The lines after that number, oldest first. A gap before the first of them was lost.
    pub fn after(&self, number: u64) -> Vec<Entry> {
        let reel = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        reel.entries.iter().filter(|entry| entry.number > number).cloned().collect()
    }
}
