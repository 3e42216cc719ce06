//! `packet_loss`: whole chunks are thrown away by chance, and the receiver gets a stream with holes. No packet is lost in
//! the sense of TCP, which would send it again.

use std::time::Instant;

use super::{Attributes, Context, Field, Item, Kind, Toxic};
use crate::tape::Effect;

/// The kind.
#[derive(Debug)]
pub(super) struct PacketLoss;

impl Kind for PacketLoss {
    fn name(&self) -> &'static str {
        "packet_loss"
    }

    fn about(&self) -> &'static str {
        "throws chunks away by chance, more likely after one that was"
    }

    fn fields(&self) -> &'static [Field] {
        const FIELDS: &[Field] = &[
            Field::number("loss_rate", 0.1, "chance of each chunk, 0 to 1"),
            Field::number("correlation", 0.0, "what the chance rises by after a chunk was lost, 0 to 1"),
        ];
        FIELDS
    }

    fn remark(&self, attributes: &Attributes) -> Option<&'static str> {
        super::chances_remark(attributes, &["loss_rate", "correlation"])
    }

    fn meet(&self, attributes: &Attributes, _: &mut Context<'_>) -> Box<dyn Toxic> {
        let mut state = State { loss: 0.0, correlation: 0.0, lost: false, held: None };
        state.read(attributes);
        Box::new(state)
    }
}

#[derive(Debug)]
struct State {
    loss: f64,
    correlation: f64,
    /// Whether the last chunk was thrown away.
    lost: bool,
    held: Option<Item>,
}

impl State {
    fn read(&mut self, attributes: &Attributes) {
        self.loss = super::chance(attributes.number("loss_rate"));
        self.correlation = super::chance(attributes.number("correlation"));
    }
}

impl Toxic for State {
    fn wants_input(&self) -> bool {
        self.held.is_none()
    }

    fn give(&mut self, item: Item, context: &mut Context<'_>) {
        if let Item::Data(chunk) = &item {
            let chance = if self.lost { self.loss + self.correlation } else { self.loss };
            self.lost = context.randomness.unit() < chance;
            if self.lost {
                context.touched(chunk.bytes.len(), Effect::Dropped);
                return;
            }
        }
        self.held = Some(item);
    }

    fn take(&mut self, _: &mut Context<'_>) -> Option<Item> {
        self.held.take()
    }

    fn due(&self) -> Option<Instant> {
        None
    }

    fn update(&mut self, attributes: &Attributes, _: &mut Context<'_>) {
        self.read(attributes);
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
        seed::Seed,
        spec::Direction,
        toxics::{Value, count},
        trigger::Trigger,
    };

    fn line(loss: f64, correlation: f64) -> Line {
        let mut given = attributes(&PacketLoss, &[]);
        given.set("loss_rate", Value::Number(loss));
        given.set("correlation", Value::Number(correlation));
        let mut line = Line::new();
        line.place("loss", &PacketLoss, given, 1.0, Trigger::default());
        line
    }

    /// Toxiproxy's algorithm as its source has it, written down apart from ours: a good and a bad state, and one uniform
    /// number for each chunk. Which chunks survive of those that are given.
    fn survivors(numbers: impl Iterator<Item = f64>, loss_rate: f64, correlation: f64) -> Vec<bool> {
        let (loss_rate, correlation) = (loss_rate.clamp(0.0, 1.0), correlation.clamp(0.0, 1.0));
        let mut was_dropped = false;
        let each = numbers.map(|number| {
            let bad = (loss_rate + correlation).min(1.0);
            was_dropped = number < if was_dropped { bad } else { loss_rate };
            !was_dropped
        });
        each.collect()
    }

    proptest::proptest! {
        #[test]
        fn each_chunk_is_lost_or_not_as_in_toxiproxy(
            seed: u64, loss in -0.5..1.5_f64, correlation in -0.5..1.5_f64, chunks in 1..200_usize
        ) {
            let mut given = attributes(&PacketLoss, &[]);
            given.set("loss_rate", Value::Number(loss));
            given.set("correlation", Value::Number(correlation));
            let mut line = Line::of(seed, "p", 3, Direction::Downstream);
            line.place("loss", &PacketLoss, given, 1.0, Trigger::default());
            let mut stream = Seed(seed).stream("p", 3, Direction::Downstream, "loss");
            let survive = survivors((0..chunks).map(|_| stream.unit()), loss, correlation);
            let mut expected = Vec::new();
            for (number, survives) in survive.into_iter().enumerate() {
                let chunk = vec![u8::try_from(number).unwrap(); number % 3 + 1];
                line.give(&chunk);
                expected.extend(survives.then_some(chunk).into_iter().flatten());
            }
            proptest::prop_assert_eq!(line.bytes(), expected);
        }
    }

    #[test]
    fn whole_chunks_are_lost_at_the_rate_and_each_is_on_the_tape() {
        let mut line = line(0.25, 0.0);
        for _ in 0..4000 {
            line.give("abc");
        }
        let lost: usize = line.marks().iter().map(|mark| mark.bytes).sum();
        assert_eq!(lost + line.bytes().len(), 12_000);
        assert!((2700..3300).contains(&lost), "{lost}");
    }

    #[test]
    fn after_a_loss_the_chance_rises() {
        let mut line = line(0.1, 0.9);
        for _ in 0..1000 {
            line.give("a");
        }
        // The first loss is the last chance of the rest.
        let marks = line.marks();
        assert_eq!(marks.iter().map(|mark| mark.bytes).sum::<usize>() + line.bytes().len(), 1000);
        assert_eq!(marks.last().unwrap().offset + count(marks.last().unwrap().bytes), 1000);
        assert!(line.bytes().len() < 200);
    }

    #[test]
    fn a_rate_out_of_range_is_clamped() {
        for (rate, left) in [(7.5, 0), (f64::INFINITY, 0), (-1.0, 100), (f64::NAN, 100), (0.0, 100), (1.0, 0)]
        {
            let mut line = line(rate, f64::NAN);
            for _ in 0..100 {
                line.give("a");
            }
            assert_eq!(line.bytes().len(), left, "{rate}");
        }
    }
}
