//! `slicer`: a chunk leaves in pieces, with a pause after each.

use std::time::{Duration, Instant};

use super::{Attributes, Chunk, Context, Field, Item, Kind, Toxic};
use crate::{seed::Randomness, tape::Effect};

/// The kind.
#[derive(Debug)]
pub(super) struct Slicer;

impl Kind for Slicer {
    fn name(&self) -> &'static str {
        "slicer"
    }

    fn about(&self) -> &'static str {
        "cuts chunks into pieces with a pause after each; an average of 0 or less lets them pass"
    }

    fn fields(&self) -> &'static [Field] {
        const FIELDS: &[Field] = &[
            Field::integer("average_size", "bytes of a piece"),
            Field::integer("size_variation", "bytes, either way, at most the average"),
            Field::integer("delay", "microseconds"),
        ];
        FIELDS
    }

    fn meet(&self, attributes: &Attributes, context: &mut Context<'_>) -> Box<dyn Toxic> {
        let mut state = State {
            average: 0,
            variation: 0,
            delay: Duration::ZERO,
            held: None,
            pieces: Vec::new(),
            ready: Some(context.now),
        };
        state.read(attributes);
        Box::new(state)
    }
}

#[derive(Debug)]
struct State {
    average: usize,
    variation: usize,
    delay: Duration,
    held: Option<Item>,
    /// The lengths of the pieces of what is held, the next one last.
    pieces: Vec<usize>,
    /// When the next piece may leave; `None` is never.
    ready: Option<Instant>,
}

impl State {
    fn read(&mut self, attributes: &Attributes) {
        let size = |name| usize::try_from(attributes.integer(name)).unwrap_or(0);
        self.average = size("average_size");
        self.variation = size("size_variation").min(self.average);
        let delay = u64::try_from(attributes.integer("delay")).unwrap_or(0);
        self.delay = if self.average == 0 { Duration::ZERO } else { Duration::from_micros(delay) };
    }

    /// Cuts that many bytes, the last piece first: whatever is too long is halved near its middle.
    fn cut(&mut self, bytes: usize, randomness: &mut Randomness) {
        if self.average == 0 || bytes <= self.average.saturating_add(self.variation) {
            self.pieces.push(bytes);
            return;
        }
        let variation = i64::try_from(self.variation).unwrap_or(i64::MAX);
        let half = i64::try_from(bytes / 2).unwrap_or(i64::MAX);
        let middle = half.saturating_add(randomness.between(-variation, variation));
        // Never an empty piece, so it ends.
        let middle = usize::try_from(middle).unwrap_or(1).clamp(1, bytes - 1);
        self.cut(bytes - middle, randomness);
        self.cut(middle, randomness);
    }

    fn begin(&mut self, context: &mut Context<'_>) {
        self.pieces.clear();
        if let Some(Item::Data(chunk)) = &self.held {
            let bytes = chunk.bytes.len();
            self.cut(bytes, context.randomness);
            if self.pieces.len() > 1 || self.delay > Duration::ZERO {
                context.touched(bytes, Effect::Sliced(self.pieces.len()));
            }
        }
    }
}

impl Toxic for State {
    fn wants_input(&self) -> bool {
        self.held.is_none()
    }

    fn give(&mut self, item: Item, context: &mut Context<'_>) {
        self.held = Some(item);
        self.begin(context);
    }

    fn take(&mut self, context: &mut Context<'_>) -> Option<Item> {
        self.ready.filter(|ready| *ready <= context.now)?;
        let length = self.pieces.pop().unwrap_or(usize::MAX);
        if let Some(Item::Data(chunk)) = &mut self.held {
            self.ready = context.now.checked_add(self.delay);
            if length < chunk.bytes.len() {
                let piece = Chunk { bytes: chunk.bytes.split_to(length), arrived: chunk.arrived };
                return Some(Item::Data(piece));
            }
        }
        self.held.take()
    }

    fn due(&self) -> Option<Instant> {
        self.held.as_ref().and(self.ready)
    }

    fn update(&mut self, attributes: &Attributes, context: &mut Context<'_>) {
        self.read(attributes);
        self.ready = Some(context.now);
        self.begin(context);
    }

    fn release(&mut self, _: &mut Context<'_>) -> Vec<Item> {
        self.held.take().into_iter().collect()
    }
}
