//! What a chain of toxics does to one way through one connection: pure, told the time, and the same for the same seed.
//!
//! Sockets are `connection`'s. A chain is told which toxics its proxy has by [`Chain::reconcile`], as often as they
//! change; it keeps the state of those that stay.

use std::{collections::VecDeque, sync::Arc, time::Instant};

use crate::{
    seed::{Randomness, Seed},
    spec::{Direction, ToxicSpec},
    tape::Effect,
    toxics::{Context, Item, Touch, Toxic, noop::Pass},
};

/// A toxic of a proxy, the same for all of its connections.
#[derive(Clone, Debug)]
pub struct Placed {
    /// Never used again in this proxy, so that a toxic that was removed and added again is another one.
    pub id: u64,
    /// Changes with the attributes.
    pub version: u64,
    /// Changes with the toxicity: the coin is tossed again.
    pub toss: u64,
    /// When it was added, and how many connections its proxy had accepted by then: what a trigger counts from.
    pub added: Instant,
    /// See [`added`](Self::added).
    pub before: u64,
    /// What it is.
    pub spec: ToxicSpec,
}

/// What a chain says next.
#[derive(Debug, PartialEq)]
pub enum Next {
    /// This leaves now.
    Item(Item),
    /// Nothing leaves now. Ask again at that time, or after giving more.
    Wait {
        /// When something may leave without more input.
        until: Option<Instant>,
        /// Whether the source is to be read.
        wants_input: bool,
    },
}

/// A touch with its place, for the tape.
#[derive(Clone, Debug, PartialEq)]
pub struct Mark {
    /// The toxic's name.
    pub toxic: Arc<str>,
    /// The first byte touched, counted from 0 over what that toxic was given.
    pub offset: u64,
    /// How many.
    pub bytes: usize,
    /// What was done.
    pub effect: Effect,
}

/// The toxics on one way through one connection.
pub struct Chain {
    origin: Origin,
    stages: Vec<Stage>,
    marks: Vec<Mark>,
}

/// What a chain's random numbers are split by.
#[derive(Clone, Debug)]
pub struct Origin {
    /// Of the run.
    pub seed: Seed,
    /// The proxy's name.
    pub proxy: Arc<str>,
    /// Counts from 1 in its proxy.
    pub connection: u64,
    /// The way.
    pub direction: Direction,
}

struct Stage {
    placed: Arc<Placed>,
    name: Arc<str>,
    randomness: Randomness,
    toxic: Box<dyn Toxic>,
    /// Whether its coin chose this connection.
    acts: bool,
    /// What was let go when the toxic was removed or spared, to leave before anything else.
    released: VecDeque<Item>,
    /// Set when the toxic is gone from the proxy and the stage only empties itself.
    leaving: bool,
    given: u64,
}

impl Chain {
    /// An empty one: everything passes.
    pub fn new(origin: Origin) -> Self {
        Self { origin, stages: Vec::new(), marks: Vec::new() }
    }

    /// Whether everything passes untouched, so that bytes need not come this way.
    pub fn is_empty(&self) -> bool {
        self.stages.is_empty()
    }

    /// Takes on the toxics that the proxy has now: those that are gone let go of what they hold, those that changed go
    /// on in their state, new ones come last.
    pub fn reconcile(&mut self, toxics: &[Arc<Placed>], now: Instant) {
        for stage in &mut self.stages {
            match toxics.iter().find(|placed| placed.id == stage.placed.id) {
                None => stage.leave(now, &mut self.marks),
                Some(placed) => stage.update(placed, now, &mut self.marks),
            }
        }
        for placed in toxics {
            let here = placed.spec.side.covers(self.origin.direction);
            if here && !self.stages.iter().any(|stage| stage.placed.id == placed.id) {
                self.stages.push(Stage::meet(placed, &self.origin, now, &mut self.marks));
            }
        }
        self.stages.retain(|stage| !stage.leaving || !stage.released.is_empty());
    }

    /// Whether the first toxic takes another item now.
    pub fn wants_input(&self) -> bool {
        self.stages.first().is_none_or(Stage::wants_input)
    }

    /// Gives what was read from the source. Called only while the chain [wants input](Self::wants_input) and is not
    /// [empty](Self::is_empty).
    pub fn give(&mut self, item: Item, now: Instant) {
        if let Some(first) = self.stages.first_mut() {
            first.give(item, now, &mut self.marks);
        }
    }

    /// What leaves now.
    pub fn next(&mut self, now: Instant) -> Next {
        loop {
            if let Some(item) = self.last_item(now) {
                return Next::Item(item);
            }
            if !self.advance(now) {
                break;
            }
        }
        self.stages.retain(|stage| !stage.leaving || !stage.released.is_empty());
        let until = self.due();
        Next::Wait { until, wants_input: self.wants_input() }
    }

    /// What was done to bytes since the last call.
    pub fn marks(&mut self) -> Vec<Mark> {
        std::mem::take(&mut self.marks)
    }

    /// When something may leave or move on. What waits for a later toxic to take it is not counted, that one's time is.
    fn due(&self) -> Option<Instant> {
        let later = self.stages.iter().skip(1).map(Stage::wants_input).chain([true]);
        self.stages.iter().zip(later).filter(|(_, taken)| *taken).filter_map(|(stage, _)| stage.due()).min()
    }

    fn last_item(&mut self, now: Instant) -> Option<Item> {
        self.stages.last_mut()?.take(now, &mut self.marks)
    }

    /// Moves one item from each stage to the next that wants it. False when nothing moved.
    fn advance(&mut self, now: Instant) -> bool {
        let mut moved = false;
        for after in (1..self.stages.len()).rev() {
            let (before, from) = self.stages.split_at_mut(after);
            let (Some(before), Some(next)) = (before.last_mut(), from.first_mut()) else { continue };
            if !next.wants_input() {
                continue;
            }
            if let Some(item) = before.take(now, &mut self.marks) {
                next.give(item, now, &mut self.marks);
                moved = true;
            }
        }
        moved
    }
}

impl Stage {
    fn meet(placed: &Arc<Placed>, origin: &Origin, now: Instant, marks: &mut Vec<Mark>) -> Self {
        let name: Arc<str> = placed.spec.name.as_str().into();
        let mut randomness = origin.seed.stream(&origin.proxy, origin.connection, origin.direction, &name);
        let acts = randomness.unit() < f64::from(placed.spec.toxicity);
        let toxic = Box::new(Pass::default());
        let released = VecDeque::new();
        let mut stage = Self {
            placed: placed.clone(),
            name,
            randomness,
            toxic,
            acts,
            released,
            leaving: false,
            given: 0,
        };
        if acts {
            stage.toxic =
                stage.with(now, marks, |_, context| placed.spec.kind.meet(&placed.spec.attributes, context));
        }
        stage
    }

    fn wants_input(&self) -> bool {
        self.released.is_empty() && !self.leaving && self.toxic.wants_input()
    }

    fn due(&self) -> Option<Instant> {
        self.toxic.due()
    }

    fn give(&mut self, item: Item, now: Instant, marks: &mut Vec<Mark>) {
        let bytes = if let Item::Data(chunk) = &item { chunk.bytes.len() } else { 0 };
        self.with(now, marks, |toxic, context| toxic.give(item, context));
        self.given = self.given.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
    }

    fn take(&mut self, now: Instant, marks: &mut Vec<Mark>) -> Option<Item> {
        if let Some(item) = self.released.pop_front() {
            return Some(item);
        }
        self.with(now, marks, |toxic, context| toxic.take(context))
    }

    fn leave(&mut self, now: Instant, marks: &mut Vec<Mark>) {
        if !self.leaving {
            self.leaving = true;
            let items = self.with(now, marks, |toxic, context| toxic.release(context));
            self.released.extend(items);
        }
    }

    fn update(&mut self, placed: &Arc<Placed>, now: Instant, marks: &mut Vec<Mark>) {
        if self.placed.toss != placed.toss {
            let acts = self.randomness.unit() < f64::from(placed.spec.toxicity);
            if acts != self.acts {
                let items = self.with(now, marks, |toxic, context| toxic.release(context));
                self.released.extend(items);
                self.acts = acts;
                self.toxic = if acts {
                    self.with(now, marks, |_, context| {
                        placed.spec.kind.meet(&placed.spec.attributes, context)
                    })
                } else {
                    Box::new(Pass::default())
                };
            }
        }
        if self.placed.version != placed.version {
            self.with(now, marks, |toxic, context| toxic.update(&placed.spec.attributes, context));
        }
        self.placed = placed.clone();
    }

    /// Calls the toxic and places what it says on the tape.
    fn with<R>(
        &mut self,
        now: Instant,
        marks: &mut Vec<Mark>,
        call: impl FnOnce(&mut dyn Toxic, &mut Context<'_>) -> R,
    ) -> R {
        let mut touches: Vec<Touch> = Vec::new();
        let answer =
            call(self.toxic.as_mut(), &mut Context::new(now, self.given, &mut self.randomness, &mut touches));
        let marked = touches.into_iter().map(|touch| Mark {
            toxic: self.name.clone(),
            offset: touch.offset,
            bytes: touch.bytes,
            effect: touch.effect,
        });
        marks.extend(marked);
        answer
    }
}
