//! `latency`: every chunk leaves a while after it arrived. Order is kept, and the delay does not cut throughput.
//!
//! As in Toxiproxy the time that a chunk has already waited in the proxy counts, and an update counts from its arrival
//! again. The shapes are an extension. Each takes one random number for each chunk, so that a change of the attributes
//! does not shift the numbers of later chunks.

use std::{
    collections::VecDeque,
    f64::consts::TAU,
    time::{Duration, Instant},
};

use super::{Attributes, Context, Field, Item, Kind, Toxic};
use crate::{seed::Randomness, tape::Effect};

/// Bytes that may wait at once: what 16 Gbit/s sends in 50 ms, the bandwidth-delay product up to which the delay costs
/// no throughput, and more than a core can copy. Toxiproxy's 1024 chunks of 32 KiB are a third of it.
pub(crate) const BYTES: usize = 96 * 1024 * 1024;

/// Chunks that may wait at once, so that many small ones are bounded too.
pub(crate) const CHUNKS: usize = 8192;

/// The kind.
#[derive(Debug)]
pub(super) struct Latency;

impl Kind for Latency {
    fn name(&self) -> &'static str {
        "latency"
    }

    fn about(&self) -> &'static str {
        "delays every chunk by latency ± jitter"
    }

    fn fields(&self) -> &'static [Field] {
        const FIELDS: &[Field] = &[
            Field::integer("latency", "milliseconds"),
            Field::integer("jitter", "milliseconds, either way"),
            Field::word(
                "shape",
                &["uniform", "normal", "pareto", "square", "sine"],
                "how the jitter is spread",
            )
            .extension(),
            Field::integer("period", "milliseconds of one wave of the shapes square and sine").extension(),
        ];
        FIELDS
    }

    fn meet(&self, attributes: &Attributes, _: &mut Context<'_>) -> Box<dyn Toxic> {
        Box::new(State { law: Law::read(attributes), queue: VecDeque::new(), bytes: 0 })
    }
}

/// How long a chunk is delayed.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Law {
    latency: i64,
    jitter: i64,
    shape: Shape,
    period: i64,
}

/// How the jitter is spread about the latency.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Shape {
    /// A whole number of milliseconds in [−jitter, jitter), as in Toxiproxy.
    Uniform,
    /// The jitter is the standard deviation: jitter × √(−2 ln u) × cos 2πv (Box and Muller, "A Note on the Generation of
    /// Random Normal Deviates", 1958).
    Normal,
    /// Pareto with a = 3 and its least at 1, as netem's table has it (`tc-netem(8)`), moved and scaled to the mean 0 and
    /// the standard deviation jitter: jitter × (u^(−1/3) − 3/2) × 2/√3. Mostly a little early, sometimes very late.
    Pareto,
    /// +jitter in the first half of each period since the toxic was added, −jitter in the second.
    Square,
    /// jitter × sin 2πt/period, t being the time since the toxic was added.
    Sine,
}

impl Law {
    fn read(attributes: &Attributes) -> Self {
        let shape = match attributes.word("shape") {
            "normal" => Shape::Normal,
            "pareto" => Shape::Pareto,
            "square" => Shape::Square,
            "sine" => Shape::Sine,
            _ => Shape::Uniform,
        };
        let number = |name| attributes.integer(name);
        Self { latency: number("latency"), jitter: number("jitter"), shape, period: number("period") }
    }

    /// The delay of a chunk with that random number of its own that arrives so long after the toxic was added. `None` is
    /// for ever.
    fn delay(&self, bits: u64, since: Duration) -> Option<Duration> {
        if self.jitter <= 0 {
            return Some(super::milliseconds(self.latency));
        }
        if self.shape == Shape::Uniform {
            let moved = Randomness::place(bits, self.jitter.saturating_neg(), self.jitter);
            return Some(super::milliseconds(self.latency.saturating_add(moved)));
        }
        let moved = self.deviation(bits, since) * self.jitter as f64;
        let seconds = (self.latency as f64 + moved) / 1000.0;
        if seconds > 0.0 { Duration::try_from_secs_f64(seconds).ok() } else { Some(Duration::ZERO) }
    }

    /// How far from the latency, in jitters.
    fn deviation(&self, bits: u64, since: Duration) -> f64 {
        let (u, v) = Randomness::units(bits);
        let turn = if self.period > 0 { since.as_secs_f64() * 1000.0 / self.period as f64 } else { 0.0 };
        match self.shape {
            Shape::Uniform => 2.0 * v - 1.0,
            Shape::Normal => (-2.0 * u.ln()).sqrt() * (TAU * v).cos(),
            Shape::Pareto => (u.powf(-1.0 / 3.0) - 1.5) * 2.0 / 3.0_f64.sqrt(),
            Shape::Square if self.period <= 0 => 0.0,
            Shape::Square => {
                if turn.fract() < 0.5 {
                    1.0
                } else {
                    -1.0
                }
            }
            Shape::Sine => (TAU * turn.fract()).sin(),
        }
    }
}

#[derive(Debug)]
struct State {
    law: Law,
    queue: VecDeque<Waiting>,
    bytes: usize,
}

#[derive(Debug)]
struct Waiting {
    item: Item,
    /// Where its bytes begin.
    offset: u64,
    /// Its random number.
    bits: u64,
    /// When it leaves; `None` is never.
    due: Option<Instant>,
}

impl Waiting {
    fn decide(&mut self, law: &Law, context: &mut Context<'_>) {
        let Item::Data(chunk) = &self.item else { return };
        let delay = law.delay(self.bits, chunk.arrived.saturating_duration_since(context.added));
        self.due = delay.and_then(|delay| chunk.arrived.checked_add(delay));
        let effect = match (self.due, delay) {
            (Some(due), _) if due <= context.now => return,
            (Some(_), Some(delay)) => Effect::Delayed(delay),
            // Beyond what the clock can count.
            _ => Effect::Held,
        };
        context.touched_at(self.offset, chunk.bytes.len(), effect);
    }
}

impl Toxic for State {
    fn wants_input(&self) -> bool {
        self.queue.len() < CHUNKS && self.bytes < BYTES
    }

    fn give(&mut self, item: Item, context: &mut Context<'_>) {
        let bits = if matches!(item, Item::Data(_)) { context.randomness.bits() } else { 0 };
        self.bytes += item.bytes();
        let mut waiting = Waiting { item, offset: context.offset, bits, due: Some(context.now) };
        waiting.decide(&self.law, context);
        self.queue.push_back(waiting);
    }

    fn take(&mut self, context: &mut Context<'_>) -> Option<Item> {
        let due = self.queue.front()?.due.filter(|due| *due <= context.now)?;
        let mut item = self.queue.pop_front()?.item;
        self.bytes = self.bytes.saturating_sub(item.bytes());
        if let Item::Data(chunk) = &mut item {
            // The next toxic counts from here, so that two latencies add up.
            chunk.arrived = due.max(chunk.arrived);
        }
        Some(item)
    }

    fn due(&self) -> Option<Instant> {
        self.queue.front().and_then(|waiting| waiting.due)
    }

    fn update(&mut self, attributes: &Attributes, context: &mut Context<'_>) {
        let law = Law::read(attributes);
        if law != self.law {
            self.law = law;
            for waiting in &mut self.queue {
                waiting.decide(&law, context);
            }
        }
    }

    fn release(&mut self, _: &mut Context<'_>) -> Vec<Item> {
        self.bytes = 0;
        self.queue.drain(..).map(|waiting| waiting.item).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::line::{Line, attributes, left};

    #[test]
    fn a_chunk_leaves_after_the_latency_and_the_end_right_behind_it() {
        let mut line = Line::with("latency", &[("latency", 300)]);
        line.give("a");
        line.until(100).give("b");
        line.until(150).end();
        assert!(line.until(299).out.is_empty());
        assert_eq!(line.until(1000).left(), left([(300, "a"), (400, "b"), (400, "|")]));
        let marks = line.marks();
        assert_eq!((marks[0].offset, marks[0].bytes), (0, 1));
        assert_eq!((marks[1].offset, marks[1].bytes), (1, 1));
        assert!(marks.iter().all(|mark| mark.effect == Effect::Delayed(Duration::from_millis(300))));
    }

    #[test]
    fn two_latencies_add_up_and_time_waited_elsewhere_counts() {
        let mut line = Line::with("latency", &[("latency", 200)]);
        line.add("latency", &[("latency", 200)]);
        line.give("a");
        assert_eq!(line.until(1000).left(), left([(400, "a")]));

        // One second's worth of bytes: each piece has waited for longer than the latency when it comes.
        let mut line = Line::with("bandwidth", &[("rate", 1)]);
        line.add("latency", &[("latency", 150)]);
        line.give([0; 300]);
        assert_eq!(line.until(1000).sizes(), [(150, 100), (200, 100), (300, 100)]);
    }

    #[test]
    fn an_end_does_not_wait_and_a_negative_result_is_at_once() {
        let mut line = Line::with("latency", &[("latency", -5), ("jitter", 5)]);
        line.give("a");
        line.end();
        assert_eq!(line.left(), left([(0, "a"), (0, "|")]));
        assert!(line.marks().is_empty());
    }

    #[test]
    fn an_update_counts_from_the_arrival_and_a_removal_lets_go_in_order() {
        let mut line = Line::with("latency", &[("latency", 1000)]);
        line.give("a");
        line.until(100).give("b");
        line.until(200).update(0, &[("latency", 150)]);
        assert_eq!(line.until(240).left(), left([(200, "a")]));
        line.update(0, &[("latency", i64::MAX)]);
        line.give("c");
        line.until(1_000_000_000).remove(0);
        assert_eq!(line.until(1_000_000_000).left()[1..], left([(1_000_000_000, "b"), (1_000_000_000, "c")]));
        assert!(line.chain.is_empty());
    }

    #[test]
    fn jitter_is_within_its_bounds_and_keeps_the_order() {
        let mut line = Line::with("latency", &[("latency", 100), ("jitter", 50)]);
        for at in 0..200 {
            line.until(at).give([0]);
        }
        line.until(1000);
        assert_eq!(line.out.len(), 200);
        let marks = line.marks();
        let [mark] = &marks[marks.len() - 1..] else { panic!("{marks:?}") };
        let Effect::DelayedBetween(least, most) = mark.effect else { panic!("{mark:?}") };
        assert!(least >= Duration::from_millis(50) && most < Duration::from_millis(150));
        assert_eq!(marks.iter().map(|mark| mark.bytes).sum::<usize>(), 200);
        // 200 chunks, told at once and then at most every 100 ms.
        assert!(marks.len() <= 5, "{marks:?}");
    }

    #[test]
    fn what_waits_is_bounded_by_chunks_and_by_bytes() {
        let mut line = Line::with("latency", &[("latency", 1000)]);
        for _ in 0..CHUNKS {
            line.give("a");
        }
        assert!(!line.wants_input());
        line.until(1000);
        assert!(line.wants_input() && line.out.len() == CHUNKS);
        for _ in 0..BYTES / (1 << 20) {
            line.give(vec![0; 1 << 20]);
        }
        assert!(!line.wants_input());
        line.remove(0);
        line.until(1001);
        assert_eq!(line.bytes().len(), CHUNKS + BYTES);
    }

    fn law(shape: &'static str, latency: i64, jitter: i64) -> Law {
        let mut given = attributes(&Latency, &[("latency", latency), ("jitter", jitter), ("period", 1000)]);
        given.set("shape", super::super::Value::Word(shape));
        Law::read(&given)
    }

    #[test]
    fn normal_and_pareto_have_the_mean_and_the_deviation_that_were_asked_for() {
        for shape in ["normal", "pareto"] {
            let law = law(shape, 1000, 100);
            let mut randomness = crate::seed::Seed(1).stream("p", 1, crate::spec::Direction::Upstream, "t");
            let count = 100_000;
            let delays: Vec<f64> = (0..count)
                .map(|_| law.delay(randomness.bits(), Duration::ZERO).unwrap().as_secs_f64() * 1000.0)
                .collect();
            let mean = delays.iter().sum::<f64>() / f64::from(count);
            let variance = delays.iter().map(|delay| (delay - mean).powi(2)).sum::<f64>() / f64::from(count);
            assert!((mean - 1000.0).abs() < 2.0, "{shape}: {mean}");
            assert!((variance.sqrt() - 100.0).abs() < 10.0, "{shape}: {}", variance.sqrt());
        }
    }

    #[test]
    fn a_chunk_leaves_by_the_wave_of_when_it_came() {
        let mut given = attributes(&Latency, &[("latency", 100), ("jitter", 50), ("period", 1000)]);
        given.set("shape", super::super::Value::Word("square"));
        let mut line = Line::new();
        line.place("wave", &Latency, given, 1.0, crate::trigger::Trigger::default());
        line.give("a");
        line.until(499).give("b");
        line.until(1000).give("c");
        line.until(1600).give("d");
        assert_eq!(line.until(5000).left(), left([(150, "a"), (649, "b"), (1150, "c"), (1650, "d")]));
    }

    #[test]
    fn waves_follow_the_time_since_the_toxic_was_added() {
        let at = |law: &Law, since| law.delay(0, Duration::from_millis(since)).unwrap().as_millis();
        let square = law("square", 100, 50);
        assert_eq!([0, 499, 500, 999, 1000].map(|since| at(&square, since)), [150, 150, 50, 50, 150]);
        let sine = law("sine", 100, 50);
        assert_eq!([0, 250, 500, 750].map(|since| at(&sine, since)), [100, 150, 100, 50]);
        let flat = Law { period: 0, ..square };
        assert_eq!(at(&flat, 7), 100);
    }
}
