//! For tests: toxics that break a promise each, to see that the properties would notice. They are in no list of toxics,
//! so nobody can ask for one.

use std::{
    collections::VecDeque,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use bytes::Bytes;

use crate::toxics::{Attributes, Chunk, Context, Cut, Field, Item, Kind, Toxic, Value};

static TALK: AtomicU64 = AtomicU64::new(0);

/// What is broken.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Sabotage {
    /// Nothing: to see that the frame around it is sound.
    Nothing,
    /// Two chunks leave in the wrong order.
    Swaps,
    /// A chunk leaves twice.
    Doubles,
    /// A chunk is lost.
    Loses,
    /// A bit is flipped.
    Flips,
    /// The end goes before the last chunk.
    Hurries,
    /// The end is lost.
    LosesTheEnd,
    /// A chunk stays for ever.
    Stalls,
    /// What it holds is lost when it is removed.
    Forgets,
    /// It says that something leaves now, for ever.
    Spins,
    /// Something leaves before it says.
    Surprises,
    /// It is a latency that does not wait.
    Early,
    /// The connection is cut.
    Cuts,
    /// What it loses follows from what all of its kind did.
    Gossips,
    /// It takes all there is and keeps it.
    Hoards,
}

impl Sabotage {
    pub(crate) const ALL: [Self; 14] = [
        Self::Swaps,
        Self::Doubles,
        Self::Loses,
        Self::Flips,
        Self::Hurries,
        Self::LosesTheEnd,
        Self::Stalls,
        Self::Forgets,
        Self::Spins,
        Self::Surprises,
        Self::Early,
        Self::Cuts,
        Self::Gossips,
        Self::Hoards,
    ];

    pub(crate) fn kind(self) -> &'static dyn Kind {
        Box::leak(Box::new(Saboteur(self)))
    }
}

#[derive(Clone, Copy, Debug)]
struct Saboteur(Sabotage);

impl Kind for Saboteur {
    fn name(&self) -> &'static str {
        if self.0 == Sabotage::Early { "latency" } else { "sabotage" }
    }

    fn about(&self) -> &'static str {
        "breaks a promise"
    }

    fn fields(&self) -> &'static [Field] {
        const LATENCY: Field =
            Field { default: Value::Integer(50), ..Field::integer("latency", "milliseconds") };
        if self.0 == Sabotage::Early { &[LATENCY] } else { &[] }
    }

    fn meet(&self, _: &Attributes, _: &mut Context<'_>) -> Box<dyn Toxic> {
        Box::new(State { how: self.0, chunks: 0, queue: VecDeque::new(), since: None })
    }
}

struct State {
    how: Sabotage,
    chunks: usize,
    queue: VecDeque<Item>,
    since: Option<Instant>,
}

impl State {
    /// Every third chunk is the one.
    fn strikes(&self) -> bool {
        self.chunks % 3 == 2
    }
}

impl Toxic for State {
    fn wants_input(&self) -> bool {
        self.queue.len() < 2 || self.how == Sabotage::Hoards
    }

    fn give(&mut self, item: Item, context: &mut Context<'_>) {
        self.since = Some(context.now);
        let Item::Data(chunk) = &item else {
            match self.how {
                Sabotage::Hurries => self.queue.push_front(item),
                Sabotage::LosesTheEnd => {}
                _ => self.queue.push_back(item),
            }
            return;
        };
        self.chunks += 1;
        let flipped = |chunk: &Chunk| {
            let bytes: Vec<u8> = chunk.bytes.iter().map(|byte| byte ^ 1).collect();
            Item::Data(Chunk { bytes: Bytes::from(bytes), arrived: chunk.arrived })
        };
        match self.how {
            Sabotage::Swaps if self.strikes() => self.queue.push_front(item),
            Sabotage::Doubles if self.strikes() => self.queue.extend([item.clone(), item]),
            Sabotage::Loses if self.strikes() => {}
            Sabotage::Gossips if TALK.fetch_add(1, Ordering::Relaxed).is_multiple_of(3) => {}
            Sabotage::Flips if self.strikes() => self.queue.push_back(flipped(chunk)),
            Sabotage::Cuts if self.strikes() => self.queue.push_back(Item::Cut(Cut::Close)),
            _ => self.queue.push_back(item),
        }
    }

    fn take(&mut self, context: &mut Context<'_>) -> Option<Item> {
        let waits = match self.how {
            // Behind one that waits, two can be swapped and one be overtaken.
            Sabotage::Swaps | Sabotage::Hurries => self.due().is_some_and(|due| due > context.now),
            Sabotage::Stalls => self.strikes(),
            Sabotage::Forgets | Sabotage::Hoards | Sabotage::Spins => true,
            Sabotage::Surprises => self.since.is_some_and(|since| since == context.now),
            _ => false,
        };
        if waits { None } else { self.queue.pop_front() }
    }

    fn due(&self) -> Option<Instant> {
        let since = self.since?;
        self.queue.front()?;
        match self.how {
            Sabotage::Spins => Some(since),
            Sabotage::Swaps | Sabotage::Hurries => Some(since + Duration::from_millis(1)),
            Sabotage::Surprises => Some(since + Duration::from_millis(100)),
            _ => None,
        }
    }

    fn update(&mut self, _: &Attributes, _: &mut Context<'_>) {}

    fn release(&mut self, _: &mut Context<'_>) -> Vec<Item> {
        if self.how == Sabotage::Forgets { Vec::new() } else { self.queue.drain(..).collect() }
    }
}
