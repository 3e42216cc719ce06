//! `bandwidth`: bytes leave at a rate, each piece after the time that it takes.
//!
//! What is late because of a coarse timer is made up for by the next piece, so the rate holds over time; what is late
//! because the receiver was slow is not.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use super::{Attributes, Chunk, Context, Field, Item, Kind, Toxic};
use crate::tape::Effect;

/// What leaves at once is worth that many milliseconds at most, as in Toxiproxy.
const PIECE: usize = 100;

/// Items that wait at once: one on its way out and one behind it, so that the next one's time begins when this one's
/// ends.
const ROOM: usize = 2;

/// The most lateness that the next piece makes up for: more than a timer's, less than would be a burst.
const SLACK: Duration = Duration::from_millis(10);

/// The kind.
#[derive(Debug)]
pub(super) struct Bandwidth;

impl Kind for Bandwidth {
    fn name(&self) -> &'static str {
        "bandwidth"
    }

    fn about(&self) -> &'static str {
        "lets bytes leave at a rate; 0 stalls them, below 0 is unlimited"
    }

    fn fields(&self) -> &'static [Field] {
        const FIELDS: &[Field] = &[Field::integer("rate", "kilobytes (1000 bytes) per second")];
        FIELDS
    }

    fn meet(&self, attributes: &Attributes, context: &mut Context<'_>) -> Box<dyn Toxic> {
        let rate = attributes.integer("rate");
        Box::new(State {
            rate,
            queue: VecDeque::with_capacity(ROOM),
            begun: context.now,
            late: Duration::ZERO,
        })
    }
}

#[derive(Debug)]
struct State {
    rate: i64,
    queue: VecDeque<Item>,
    /// When the time of the first item in the queue began.
    begun: Instant,
    /// How late the last piece left, for the next one to make up for.
    late: Duration,
}

impl State {
    /// What the next piece is, if it is not the whole chunk, and when it leaves. `None` is never.
    fn piece(&self) -> Option<(usize, Option<Instant>)> {
        match self.queue.front()? {
            Item::Data(chunk) => {
                let bytes = chunk.bytes.len().min(self.most());
                Some((bytes, self.cost(bytes).and_then(|cost| self.begun.checked_add(cost))))
            }
            Item::End | Item::Cut(_) => Some((0, Some(self.begun))),
        }
    }

    /// The most bytes that leave at once.
    fn most(&self) -> usize {
        match usize::try_from(self.rate) {
            Ok(0) | Err(_) => usize::MAX,
            Ok(rate) => rate.saturating_mul(PIECE),
        }
    }

    /// The time that bytes take; `None` is for ever.
    fn cost(&self, bytes: usize) -> Option<Duration> {
        match u128::try_from(self.rate) {
            Ok(0) => None,
            Ok(rate) => {
                let nanoseconds = super::count(bytes) as u128 * 1_000_000 / rate;
                u64::try_from(nanoseconds).ok().map(Duration::from_nanos)
            }
            Err(_) => Some(Duration::ZERO),
        }
    }

    fn told(&self, chunk: &Chunk, context: &mut Context<'_>) {
        let bytes = chunk.bytes.len();
        match self.cost(bytes) {
            None => context.touched(bytes, Effect::Held),
            Some(Duration::ZERO) => {}
            Some(cost) => context.touched(bytes, Effect::Delayed(cost)),
        }
    }
}

impl Toxic for State {
    fn wants_input(&self) -> bool {
        self.queue.len() < ROOM
    }

    fn give(&mut self, item: Item, context: &mut Context<'_>) {
        if self.queue.is_empty() {
            self.begun = context.now.checked_sub(self.late).unwrap_or(context.now).max(self.begun);
            self.late = Duration::ZERO;
        }
        if let Item::Data(chunk) = &item {
            self.told(chunk, context);
        }
        self.queue.push_back(item);
    }

    fn take(&mut self, context: &mut Context<'_>) -> Option<Item> {
        let (bytes, due) = self.piece()?;
        let due = due.filter(|due| *due <= context.now)?;
        self.begun = due;
        if let Some(Item::Data(chunk)) = self.queue.front_mut()
            && bytes < chunk.bytes.len()
        {
            let piece = Chunk { bytes: chunk.bytes.split_to(bytes), arrived: chunk.arrived };
            return Some(Item::Data(piece));
        }
        self.late = context.now.saturating_duration_since(due).min(SLACK);
        self.queue.pop_front()
    }

    fn due(&self) -> Option<Instant> {
        self.piece().and_then(|(_, due)| due)
    }

    fn update(&mut self, attributes: &Attributes, context: &mut Context<'_>) {
        let earned = context.now.saturating_duration_since(self.begun);
        let (old, rate) = (self.rate, attributes.integer("rate"));
        self.rate = rate;
        if old > 0 && rate > 0 && rate != old {
            // What was waited for at the old rate counts as bytes, so that no number of updates is a stall.
            let scaled =
                earned.as_nanos().saturating_mul(old.unsigned_abs().into()) / u128::from(rate.unsigned_abs());
            let earned = Duration::from_nanos(u64::try_from(scaled).unwrap_or(u64::MAX));
            self.begun = context.now.checked_sub(earned).unwrap_or(context.now);
        } else if old <= 0 {
            self.begun = context.now;
        }
    }

    fn release(&mut self, _: &mut Context<'_>) -> Vec<Item> {
        self.queue.drain(..).collect()
    }
}
