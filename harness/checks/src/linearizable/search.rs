//! Is there an order in which the calls of one register could have taken effect, each between its beginning and its end?
//!
//! The search of Wing and Gong with Lowe's memory of where it was ("Testing for linearizability", 2017), as Porcupine
//! has it: the calls and returns stand in a linked list; a call that may come next is lifted out of it and put back
//! when the way leads nowhere. A place in the search is what the register holds and which calls took effect; none is
//! entered twice. It walks with a stack of its own.
//!
//! Three rules leave out ways that cannot matter. A read that finds what the register holds goes first: it changes
//! nothing. A call that nobody knows the fate of takes effect only where somebody sees it right away: if the next call
//! overwrites it, it may as well not have happened. And those calls are never waited for, so that a history of
//! thousands of them is searched as fast as one without.

use std::collections::BTreeSet;

use crate::tables::{Places, Table};

/// What a register holds, as a number; 0 where it is not there.
pub(super) type Value = u32;

/// What a call does to the register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Finds it.
    Read(Value),
    /// Overwrites it.
    Write(Value),
    /// Finds the one and leaves the other.
    Swap(Value, Value),
}

impl Step {
    /// What the register holds afterwards; `None` where the call cannot come now.
    fn after(self, held: Value) -> Option<Value> {
        match self {
            Self::Read(value) => (value == held).then_some(held),
            Self::Write(value) => Some(value),
            Self::Swap(from, to) => (from == held).then_some(to),
        }
    }

    /// What it finds, where it looks.
    pub(super) fn finds(self) -> Option<Value> {
        match self {
            Self::Read(value) | Self::Swap(value, _) => Some(value),
            Self::Write(_) => None,
        }
    }

    /// What it leaves, where it changes something.
    pub(super) fn leaves(self) -> Option<Value> {
        match self {
            Self::Write(value) | Self::Swap(_, value) => Some(value),
            Self::Read(_) => None,
        }
    }
}

/// One call, with its beginning and its end as places in the history. One without an end may never take effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) step: Step,
    pub(super) place: usize,
    pub(super) over: Option<usize>,
}

/// What a search came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Finding {
    /// There is an order.
    Linearises,
    /// There is none. All calls that were over before this one was have an order, and none with this one.
    Stuck(usize),
    /// The memory that it may take is used up.
    TooMany,
}

/// How much may be remembered, in words of 8 bytes. Besides, each call may be remembered once.
pub(super) struct Allowance(pub(super) usize);

/// What a remembered place takes beside its key: the box and the table's slot.
const OVERHEAD: usize = 5;

/// Looks for an order of these calls, which come as they began. Tells what the register may have held in the places that
/// were searched while `watched` was going on, too.
pub(super) fn search(
    calls: &[Call],
    watched: Option<usize>,
    allowance: &mut Allowance,
) -> (Finding, BTreeSet<Value>) {
    let mut search = Search::new(calls, watched);
    let finding = search.run(allowance);
    (finding, search.held_meanwhile)
}

/// A call that takes effect next.
#[derive(Clone, Copy)]
enum Move {
    /// One that came back, by its rank.
    Known(usize),
    /// One that did not, by its rank among those.
    Unknown(usize),
}

/// Where to look for the next move of a place.
#[derive(Clone, Copy)]
enum From {
    Start,
    After(Move),
}

/// A move that was made, with what it replaced.
struct Made {
    what: Move,
    held: Value,
    unseen: bool,
    first: usize,
    top: usize,
    /// No other move is worth a look.
    only: bool,
}

/// Where a call or its return stands in the list.
#[derive(Clone, Copy)]
struct Entry {
    rank: usize,
    returns: bool,
    previous: usize,
    next: usize,
}

struct Search<'c> {
    calls: &'c [Call],
    /// The calls that came back, as they began; a rank is a place in here.
    known: Vec<usize>,
    /// The other calls, as they began; and which of them leave a value.
    unknown: Vec<usize>,
    leaving: Table<Value, Vec<usize>>,
    /// Entry 0 is the list's head.
    list: Vec<Entry>,
    /// Where each rank's call and return stand in the list.
    entries: Vec<(usize, usize)>,
    held: Value,
    /// A call that nobody knows the fate of came last: the next must see it.
    unseen: bool,
    done: Vec<u64>,
    used: Vec<u64>,
    /// The first rank that is not done, and the one behind the last that is.
    first: usize,
    top: usize,
    made: Vec<Made>,
    visited: Places<Box<[u64]>>,
    /// The latest return that no way got past, as its rank.
    wall: Option<(usize, usize)>,
    watched: Option<usize>,
    held_meanwhile: BTreeSet<Value>,
}

impl<'c> Search<'c> {
    fn new(calls: &'c [Call], watched: Option<usize>) -> Self {
        let (known, unknown): (Vec<_>, Vec<_>) =
            (0..calls.len()).partition(|index| calls.get(*index).is_some_and(|call| call.over.is_some()));
        let mut order: Vec<(usize, usize, bool)> = Vec::new();
        for (rank, call) in known.iter().filter_map(|index| calls.get(*index)).enumerate() {
            order.push((call.place, rank, false));
            order.push((call.over.unwrap_or(usize::MAX), rank, true));
        }
        order.sort_unstable();
        let (mut list, mut entries) =
            (vec![Entry { rank: 0, returns: true, previous: 0, next: 1 }], vec![(0, 0); known.len()]);
        for (index, (_, rank, returns)) in order.into_iter().enumerate() {
            let here = index + 1;
            list.push(Entry { rank, returns, previous: index, next: here + 1 });
            let (call, back) = &mut entries[rank];
            *(if returns { back } else { call }) = here;
        }
        // Behind the last return.
        list.push(Entry { rank: 0, returns: true, previous: list.len() - 1, next: 0 });
        let mut leaving: Table<_, Vec<_>> = Table::default();
        for (index, call) in unknown.iter().filter_map(|index| calls.get(*index)).enumerate() {
            call.step.leaves().into_iter().for_each(|value| leaving.entry(value).or_default().push(index));
        }
        let words = |count: usize| vec![0; count.div_ceil(64)];
        Self {
            calls,
            list,
            entries,
            held: 0,
            unseen: false,
            done: words(known.len()),
            used: words(unknown.len()),
            known,
            unknown,
            leaving,
            first: 0,
            top: 0,
            made: Vec::new(),
            visited: Places::default(),
            wall: None,
            watched,
            held_meanwhile: BTreeSet::new(),
        }
    }

    fn run(&mut self, allowance: &mut Allowance) -> Finding {
        let mut free = self.calls.len();
        let mut from = From::Start;
        while self.first < self.known.len() {
            let Some((what, only)) = self.choose(from) else {
                match self.back() {
                    Some(what) => from = From::After(what),
                    None => {
                        return self
                            .wall
                            .map_or(Finding::Linearises, |(_, rank)| Finding::Stuck(self.known[rank]));
                    }
                }
                continue;
            };
            self.make(what, only);
            from = From::Start;
            // Where only one move leads to, it is remembered from where that came.
            if only {
                continue;
            }
            let key = self.key();
            let size = key.len() + OVERHEAD;
            if !self.visited.insert(key) {
                self.unmake();
                from = From::After(what);
            } else if let Some(fewer) = free.checked_sub(1) {
                free = fewer;
            } else if let Some(less) = allowance.0.checked_sub(size) {
                allowance.0 = less;
            } else {
                return Finding::TooMany;
            }
        }
        Finding::Linearises
    }

    /// The next move to try, and whether it is the only one worth it.
    fn choose(&mut self, from: From) -> Option<(Move, bool)> {
        if matches!(from, From::Start)
            && let Some(read) = self.look_around()
        {
            return Some((Move::Known(read), true));
        }
        let mut entry = match from {
            From::Start | From::After(Move::Unknown(_)) => self.list[0].next,
            From::After(Move::Known(rank)) => self.list[self.entries[rank].0].next,
        };
        while !self.list[entry].returns {
            let rank = self.list[entry].rank;
            if !matches!(from, From::After(Move::Unknown(_))) && self.may_come(self.step(rank)) {
                return Some((Move::Known(rank), false));
            }
            entry = self.list[entry].next;
        }
        let wall = self.over(self.list[entry].rank);
        let next = match from {
            From::After(Move::Unknown(index)) => index + 1,
            _ => 0,
        };
        if next >= self.unknown.len() {
            return None;
        }
        self.of_use(wall).into_iter().find(|index| *index >= next).map(|index| (Move::Unknown(index), false))
    }

    /// The calls that nobody knows the fate of and that can take effect now and be seen right away, as they began: each
    /// leaves what one that came back has to find, be it through others of its kind.
    fn of_use(&self, wall: usize) -> Vec<usize> {
        let mut wanted: Vec<Value> = Vec::new();
        let want = |wanted: &mut Vec<Value>, step: Step| {
            let found = step.finds().filter(|found| *found != self.held && !wanted.contains(found));
            wanted.extend(found);
        };
        let mut entry = self.list[0].next;
        while !self.list[entry].returns {
            want(&mut wanted, self.step(self.list[entry].rank));
            entry = self.list[entry].next;
        }
        let (mut of_use, mut looked) = (Vec::new(), 0);
        while let Some(value) = wanted.get(looked).copied() {
            looked += 1;
            for index in self.leaving.get(&value).into_iter().flatten().copied() {
                let call = self.calls[self.unknown[index]];
                if call.place >= wall {
                    break;
                }
                if self.used[index / 64] >> (index % 64) & 1 == 0 {
                    want(&mut wanted, call.step);
                    if self.may_come(call.step) {
                        of_use.push(index);
                    }
                }
            }
        }
        of_use.sort_unstable();
        of_use
    }

    /// Notes how far the search has come, and finds a read that can come at once.
    fn look_around(&mut self) -> Option<usize> {
        let (mut entry, mut read) = (self.list[0].next, None);
        while !self.list[entry].returns {
            let rank = self.list[entry].rank;
            if read.is_none() && self.step(rank) == Step::Read(self.held) {
                read = Some(rank);
            }
            entry = self.list[entry].next;
        }
        let rank = self.list[entry].rank;
        let wall = self.over(rank);
        self.wall = self.wall.max(Some((wall, rank)));
        let going_on = |call: &Call| call.place < wall && call.over.is_none_or(|over| over >= wall);
        if self.watched.and_then(|watched| self.calls.get(watched)).is_some_and(going_on) {
            self.held_meanwhile.insert(self.held);
        }
        read
    }

    fn may_come(&self, step: Step) -> bool {
        step.after(self.held).is_some() && (!self.unseen || step.finds() == Some(self.held))
    }

    fn make(&mut self, what: Move, only: bool) {
        let Self { held, unseen, first, top, .. } = *self;
        self.made.push(Made { what, held, unseen, first, top, only });
        let step = match what {
            Move::Known(rank) => {
                let (call, back) = self.entries[rank];
                self.lift(call);
                self.lift(back);
                self.done[rank / 64] |= 1 << (rank % 64);
                self.top = top.max(rank + 1);
                while self.first < self.known.len()
                    && self.done[self.first / 64] >> (self.first % 64) & 1 == 1
                {
                    self.first += 1;
                }
                self.step(rank)
            }
            Move::Unknown(index) => {
                self.used[index / 64] |= 1 << (index % 64);
                self.calls[self.unknown[index]].step
            }
        };
        self.held = step.after(held).unwrap_or(held);
        self.unseen = matches!(what, Move::Unknown(_));
    }

    /// Takes back the last move that another could have been made for.
    fn back(&mut self) -> Option<Move> {
        loop {
            let made = self.unmake()?;
            if !made.only {
                return Some(made.what);
            }
        }
    }

    fn unmake(&mut self) -> Option<Made> {
        let made = self.made.pop()?;
        match made.what {
            Move::Known(rank) => {
                let (call, back) = self.entries[rank];
                self.put_back(back);
                self.put_back(call);
                self.done[rank / 64] &= !(1 << (rank % 64));
            }
            Move::Unknown(index) => self.used[index / 64] &= !(1 << (index % 64)),
        }
        (self.held, self.unseen, self.first, self.top) = (made.held, made.unseen, made.first, made.top);
        Some(made)
    }

    /// This place of the search. All ranks before the first that is not done are done, and none behind the last.
    fn key(&self) -> Box<[u64]> {
        let here = [u64::from(self.held) << 1 | u64::from(self.unseen), self.first as u64];
        let window = self.done.get(self.first / 64..self.top.div_ceil(64)).unwrap_or_default();
        here.iter().chain(&self.used).chain(window).copied().collect()
    }

    fn lift(&mut self, entry: usize) {
        let Entry { previous, next, .. } = self.list[entry];
        self.list[previous].next = next;
        self.list[next].previous = previous;
    }

    fn put_back(&mut self, entry: usize) {
        let Entry { previous, next, .. } = self.list[entry];
        self.list[previous].next = entry;
        self.list[next].previous = entry;
    }

    fn step(&self, rank: usize) -> Step {
        self.calls[self.known[rank]].step
    }

    fn over(&self, rank: usize) -> usize {
        self.calls[self.known[rank]].over.unwrap_or(usize::MAX)
    }
}
