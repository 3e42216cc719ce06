//! A plan in progress: a source that sends whenever the chain wants input, and changes in between. It judges nothing but
//! the chain's word about its times.

use std::{collections::VecDeque, time::Duration};

use bytes::Bytes;

use super::plans::{Plan, Step, Toxin};
use crate::{
    chain::line::Line,
    spec::Direction,
    toxics::{Chunk, Field, Item, Value},
};

/// A line with a source that sends whenever the chain wants input.
pub(super) struct Run {
    pub(super) line: Line,
    pub(super) sent: usize,
    pub(super) waiting: VecDeque<Item>,
    pub(super) late: Duration,
}

/// Every place in the stream has its own byte, nearly.
pub(super) fn stream(from: usize, bytes: usize) -> Vec<u8> {
    (from..from + bytes).map(|place| (place.wrapping_mul(0x9e37_79b1) >> 13).to_le_bytes()[0]).collect()
}

impl Run {
    pub(super) fn new(plan: &Plan) -> Self {
        let line = Line::of(plan.seed, "proxy", 1, Direction::Upstream);
        let late = Duration::from_micros(plan.late);
        let mut run = Self { line, sent: 0, waiting: VecDeque::new(), late };
        for toxin in &plan.toxins {
            run.add(toxin);
        }
        run
    }

    pub(super) fn add(&mut self, toxin: &Toxin) {
        let Toxin { kind, attributes, toxicity, trigger } = toxin.clone();
        let name = format!("{}{}", kind.name(), self.line.toxics.len());
        self.line.place(&name, kind, attributes, toxicity, trigger);
    }

    pub(super) fn send(&mut self, bytes: usize) {
        let bytes_sent = Bytes::from(stream(self.sent, bytes));
        self.sent += bytes;
        self.waiting.push_back(Item::Data(Chunk { bytes: bytes_sent, arrived: self.line.now }));
    }

    /// Gives what is waiting as far as it is wanted, while so much time passes.
    pub(super) fn pass(&mut self, time: Duration) -> Result<(), String> {
        let target = self.line.now + time;
        loop {
            // What leaves now makes room, which is used before the time goes on.
            self.line.tick(self.line.now, Duration::ZERO)?;
            while self.feed()? {}
            if !self.line.tick(target, self.late)? {
                self.line.now = target;
                return Ok(());
            }
        }
    }

    /// Gives one item if it is wanted.
    pub(super) fn feed(&mut self) -> Result<bool, String> {
        let empty = self.line.chain.is_empty();
        if !self.is_open() || !(empty || self.line.wants_input()) {
            return Ok(false);
        }
        let Some(mut item) = self.waiting.pop_front() else { return Ok(false) };
        let now = self.line.now;
        if let Item::Data(chunk) = &mut item {
            chunk.arrived = now;
        }
        if empty {
            self.line.out.push((now - self.line.start, item));
        } else {
            self.line.chain.give(item, now);
            self.line.tick(now, Duration::ZERO)?;
        }
        Ok(true)
    }

    pub(super) fn is_open(&self) -> bool {
        !self.line.out.iter().any(|(_, item)| !matches!(item, Item::Data(_)))
    }

    pub(super) fn take(&mut self, step: &Step) -> Result<(), String> {
        let there_are = self.line.toxics.len();
        match step {
            Step::Send(bytes) => self.send(*bytes),
            Step::Pass(time) => return self.pass(Duration::from_micros(*time)),
            Step::Add(toxin) => self.add(toxin),
            _ if there_are == 0 => {}
            Step::Update(at, toxin) => self.line.change(at % there_are, |placed| {
                let given: Vec<(Field, Value)> = toxin.attributes.iter().copied().collect();
                for (field, value) in given {
                    placed.spec.attributes.set(field.name, value);
                }
                placed.version += 1;
            }),
            Step::Toss(at, toxicity) => self.line.toss(at % there_are, *toxicity),
            Step::Remove(at) => self.line.remove(at % there_are),
        }
        self.pass(Duration::ZERO)
    }

    /// The source ends and every toxic goes: whatever was held leaves now.
    pub(super) fn finish(&mut self) -> Result<(), String> {
        self.waiting.push_back(Item::End);
        self.pass(Duration::ZERO)?;
        while !self.line.toxics.is_empty() {
            self.line.remove(0);
            self.pass(Duration::ZERO)?;
        }
        Ok(())
    }
}
