//! `corrupt`: flips bits by chance, and loses and adds none. Which ones are flipped follows from their place in the
//! stream, not from how it was cut into chunks.

use std::time::Instant;

use bytes::BytesMut;

use super::{Attributes, Chunk, Context, Field, Item, Kind, Toxic, count};
use crate::tape::Effect;

/// The kind.
#[derive(Debug)]
pub(super) struct Corrupt;

impl Kind for Corrupt {
    fn name(&self) -> &'static str {
        "corrupt"
    }

    fn about(&self) -> &'static str {
        "flips bits by chance"
    }

    fn fields(&self) -> &'static [Field] {
        const FIELDS: &[Field] = &[Field::number("rate", 0.001, "chance of each bit, 0 to 1").extension()];
        FIELDS
    }

    fn remark(&self, attributes: &Attributes) -> Option<&'static str> {
        super::chances_remark(attributes, &["rate"])
    }

    fn meet(&self, attributes: &Attributes, context: &mut Context<'_>) -> Box<dyn Toxic> {
        let mut state = State { rate: super::chance(attributes.number("rate")), next: 0, held: None };
        state.next = state.gap(context);
        Box::new(state)
    }
}

#[derive(Debug)]
struct State {
    rate: f64,
    /// How many bits pass before the next is flipped.
    next: u64,
    held: Option<Item>,
}

impl State {
    /// How many bits pass between two flips: geometric, by inversion (Devroye, "Non-Uniform Random Variate Generation",
    /// 1986, chapter X.2). One random number for each flip.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a float that is no such number becomes the nearest, which is what is wanted"
    )]
    fn gap(&self, context: &mut Context<'_>) -> u64 {
        if self.rate <= 0.0 {
            return u64::MAX;
        }
        let (u, _) = context.randomness.pair();
        // Both logarithms are 0 or less; of a rate of 1 the second is −∞ and the gap 0.
        (u.ln() / (-self.rate).ln_1p()) as u64
    }

    fn flip(&mut self, chunk: Chunk, context: &mut Context<'_>) -> Chunk {
        let bits = count(chunk.bytes.len()).saturating_mul(8);
        if self.next >= bits {
            self.next -= bits;
            return chunk;
        }
        let Chunk { bytes, arrived } = chunk;
        let mut bytes = bytes.try_into_mut().unwrap_or_else(|shared| BytesMut::from(shared.as_ref()));
        let (first, mut last, mut flips) = (self.next / 8, self.next / 8, 0);
        while self.next < bits {
            last = self.next / 8;
            if let Some(byte) = usize::try_from(last).ok().and_then(|place| bytes.get_mut(place)) {
                *byte ^= 0x80 >> (self.next % 8);
            }
            flips += 1;
            self.next = self.next.saturating_add(1).saturating_add(self.gap(context));
        }
        self.next -= bits;
        let touched = usize::try_from(last - first + 1).unwrap_or(usize::MAX);
        context.touched_at(context.offset.saturating_add(first), touched, Effect::Corrupted(flips));
        Chunk { bytes: bytes.freeze(), arrived }
    }
}

impl Toxic for State {
    fn wants_input(&self) -> bool {
        self.held.is_none()
    }

    fn give(&mut self, item: Item, context: &mut Context<'_>) {
        self.held = Some(match item {
            Item::Data(chunk) => Item::Data(self.flip(chunk, context)),
            end => end,
        });
    }

    fn take(&mut self, _: &mut Context<'_>) -> Option<Item> {
        self.held.take()
    }

    fn due(&self) -> Option<Instant> {
        None
    }

    fn update(&mut self, attributes: &Attributes, context: &mut Context<'_>) {
        let rate = super::chance(attributes.number("rate"));
        if rate.to_bits() != self.rate.to_bits() {
            self.rate = rate;
            self.next = self.gap(context);
        }
    }

    fn release(&mut self, _: &mut Context<'_>) -> Vec<Item> {
        self.held.take().into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        chain::line::{Line, attributes},
        toxics::Value,
        trigger::Trigger,
    };

    fn corrupted(rate: f64, chunks: &[usize]) -> (Vec<u8>, Line) {
        let mut given = attributes(&Corrupt, &[]);
        given.set("rate", Value::Number(rate));
        let mut line = Line::new();
        line.place("bits", &Corrupt, given, 1.0, Trigger::default());
        for size in chunks {
            line.give(vec![0; *size]);
        }
        (line.bytes(), line)
    }

    fn flips(bytes: &[u8]) -> u32 {
        bytes.iter().map(|byte| byte.count_ones()).sum()
    }

    #[test]
    fn bits_flip_at_the_rate_in_the_same_places_however_the_stream_is_cut() {
        let (whole, mut line) = corrupted(0.01, &[10_000]);
        let (cut, _) = corrupted(0.01, &[1, 99, 900, 9000]);
        assert_eq!(whole, cut);
        assert!((700..900).contains(&flips(&whole)), "{}", flips(&whole));
        let marks = line.marks();
        let first = whole.iter().position(|byte| *byte != 0).unwrap();
        let last = whole.iter().rposition(|byte| *byte != 0).unwrap();
        assert_eq!((marks[0].offset, marks[0].bytes), (count(first), last - first + 1));
        assert_eq!(marks[0].effect, Effect::Corrupted(flips(&whole).into()));
    }

    #[test]
    fn a_rate_of_1_flips_all_and_of_0_none() {
        for (rate, wanted) in
            [(1.0, 800), (9.0, 800), (0.0, 0), (-1.0, 0), (f64::NAN, 0), (f64::MIN_POSITIVE, 0)]
        {
            assert_eq!(flips(&corrupted(rate, &[60, 40]).0), wanted, "{rate}");
        }
    }
}
