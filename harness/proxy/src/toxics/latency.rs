//! `latency`: every chunk leaves a while after it arrived. Order is kept, and the delay does not cut throughput.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use super::{Attributes, Context, Field, Item, Kind, Toxic};
use crate::tape::Effect;

/// Chunks that may wait at once, as in Toxiproxy.
const ROOM: usize = 1024;

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
        ];
        FIELDS
    }

    fn meet(&self, attributes: &Attributes, _: &mut Context<'_>) -> Box<dyn Toxic> {
        let mut state = State::default();
        state.read(attributes);
        Box::new(state)
    }
}

#[derive(Debug, Default)]
struct State {
    latency: i64,
    jitter: i64,
    queue: VecDeque<(Option<Instant>, Item)>,
}

impl State {
    fn read(&mut self, attributes: &Attributes) {
        self.latency = attributes.integer("latency");
        self.jitter = attributes.integer("jitter");
    }

    fn delay(&self, context: &mut Context<'_>) -> Duration {
        let jitter = if self.jitter > 0 {
            context.randomness.between(self.jitter.saturating_neg(), self.jitter)
        } else {
            0
        };
        Duration::from_millis(u64::try_from(self.latency.saturating_add(jitter)).unwrap_or(0))
    }
}

impl Toxic for State {
    fn wants_input(&self) -> bool {
        self.queue.len() < ROOM
    }

    fn give(&mut self, mut item: Item, context: &mut Context<'_>) {
        let due = match &mut item {
            Item::Data(chunk) => {
                let delay = self.delay(context);
                // A delay beyond what the clock can count is for ever.
                let due = chunk.arrived.checked_add(delay);
                if due.is_none_or(|due| due > context.now) {
                    context.touched(chunk.bytes.len(), Effect::Delayed(delay));
                }
                // The next toxic counts from here, so two latencies add up.
                chunk.arrived = due.unwrap_or(chunk.arrived);
                due
            }
            Item::End | Item::Cut(_) => Some(context.now),
        };
        self.queue.push_back((due, item));
    }

    fn take(&mut self, context: &mut Context<'_>) -> Option<Item> {
        let (due, _) = self.queue.front()?;
        if due.is_none_or(|due| due > context.now) {
            return None;
        }
        self.queue.pop_front().map(|(_, item)| item)
    }

    fn due(&self) -> Option<Instant> {
        self.queue.front().and_then(|(due, _)| *due)
    }

    fn update(&mut self, attributes: &Attributes, _: &mut Context<'_>) {
        self.read(attributes);
    }

    fn release(&mut self, _: &mut Context<'_>) -> Vec<Item> {
        self.queue.drain(..).map(|(_, item)| item).collect()
    }
}
