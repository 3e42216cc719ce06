//! `slicer`: a chunk leaves in pieces, with a pause after each. How the kernel puts them into packets is not known
//! here.

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

    fn remark(&self, attributes: &Attributes) -> Option<&'static str> {
        let (average, variation) = (attributes.integer("average_size"), attributes.integer("size_variation"));
        if average < 1 {
            return Some("an average_size below 1 lets everything pass uncut");
        }
        (!(0..=average).contains(&variation)).then_some("size_variation is held to 0 up to average_size")
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::line::{Line, left};

    #[test]
    fn pieces_leave_with_a_pause_after_each_the_last_too() {
        let mut line = Line::with("slicer", &[("average_size", 10), ("delay", 20_000)]);
        line.give("0123456789abcdefghijklmnopqrstuvwxyzABCD");
        line.until(70).end();
        let wanted =
            left([(0, "0123456789"), (20, "abcdefghij"), (40, "klmnopqrst"), (60, "uvwxyzABCD"), (80, "|")]);
        assert_eq!(line.until(1000).left(), wanted);
        let marks = line.marks();
        assert_eq!((marks[0].offset, marks[0].bytes, &marks[0].effect), (0, 40, &Effect::Sliced(4)));
    }

    #[test]
    fn no_size_or_variation_kills_it_and_no_piece_is_empty_or_too_long() {
        for average in [0, -1, i64::MIN] {
            let mut line = Line::with("slicer", &[("average_size", average), ("delay", 1000)]);
            line.give([0; 100]);
            line.give([0; 100]);
            assert_eq!(line.sizes(), [(0, 100), (0, 100)]);
            assert!(line.marks().is_empty());
        }
        for (average, variation) in [(1, 1), (3, 100), (7, 7), (10, -5), (1, i64::MAX), (64, 63)] {
            let mut line = Line::with("slicer", &[("average_size", average), ("size_variation", variation)]);
            let bytes: Vec<u8> = (0..=255).cycle().take(5000).collect();
            line.give(&bytes);
            assert_eq!(line.bytes(), bytes);
            let most = usize::try_from(average + variation.clamp(0, average)).unwrap();
            assert!(line.sizes().iter().all(|(_, size)| (1..=most).contains(size)), "{average} {variation}");
        }
    }

    #[test]
    fn a_removal_lets_the_rest_go_whole_and_an_update_slices_it_anew() {
        let mut line = Line::with("slicer", &[("average_size", 2), ("delay", i64::MAX)]);
        line.give("abcdefgh");
        line.until(10).update(0, &[("average_size", 3), ("delay", 10_000)]);
        line.until(15).remove(0);
        assert_eq!(line.until(15).left(), left([(0, "ab"), (10, "cde"), (15, "fgh")]));
    }
}
