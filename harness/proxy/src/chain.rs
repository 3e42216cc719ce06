//! What a chain of toxics does to one way through one connection: pure, told the time, and the same for the same seed.
//!
//! Sockets are `connection`'s. A chain is told which toxics its proxy has by [`Chain::reconcile`], as often as they
//! change; it keeps the state of those that stay.

use std::{sync::Arc, time::Instant};

use crate::{
    seed::Seed,
    spec::{Direction, Side, ToxicSpec},
    tape::Effect,
    toxics::{Admission, Item},
};

#[cfg(test)]
pub(crate) mod line;
mod notes;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod sabotage;
mod stage;
#[cfg(test)]
mod tests;

pub(crate) use notes::{Notes, Touch};
use stage::Stage;

/// A toxic of a proxy, the same for all of its connections.
#[derive(Clone, Debug)]
pub struct Placed {
    /// Higher than of all that were added before in this proxy, so that a toxic that was removed and added again is
    /// another one.
    pub id: u64,
    /// Changes with the attributes.
    pub version: u64,
    /// Changes with the toxicity: the coin is tossed again.
    pub toss: u64,
    /// Changes with the trigger: what it counts and waits for begins anew.
    pub turn: u64,
    /// When it was added, or its trigger changed, and how many connections its proxy had accepted by then: what a trigger counts from.
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
        /// When something may leave without more input, a trigger turns, or what was done is to be told.
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

/// The toxics on one way through one connection.
pub struct Chain {
    origin: Origin,
    stages: Vec<Stage>,
    marks: Vec<Mark>,
    /// Whether the end or a cut has left it.
    over: bool,
    /// The toxic that cut the connection, and whether it acts no more.
    cut: Option<(u64, bool)>,
}

impl Placed {
    /// Whether its coin and its trigger's count of connections choose this one. The same answer each time until the
    /// toxicity changes.
    pub fn chooses(&self, origin: &Origin) -> bool {
        let Origin { seed, proxy, connection, direction } = origin;
        let spec = &self.spec;
        // What is done before anything is dialled is done once, so it is one coin for both ways.
        let whole = spec.side == Side::Both && spec.kind.admission(&spec.attributes).is_some();
        let direction = if whole { Direction::Upstream } else { *direction };
        let coin = || seed.coin(proxy, *connection, direction, &spec.name, self.toss);
        spec.trigger.takes(*connection, self.before) && coin() < f64::from(spec.toxicity)
    }

    /// When its trigger's time comes; `None` is never.
    pub fn starts(&self) -> Option<Instant> {
        self.added.checked_add(self.spec.trigger.after.unwrap_or_default())
    }
}

impl Chain {
    /// An empty one: everything passes.
    pub fn new(origin: Origin) -> Self {
        Self { origin, stages: Vec::new(), marks: Vec::new(), over: false, cut: None }
    }

    /// Whether everything passes untouched, so that bytes need not come this way.
    pub fn is_empty(&self) -> bool {
        self.stages.is_empty()
    }

    /// The names of the toxics that act here, in order.
    pub fn acting(&self) -> impl Iterator<Item = &Arc<str>> {
        self.stages.iter().filter(|stage| stage.acts()).map(Stage::name)
    }

    /// What becomes of the connection before anything is dialled, by the first acting toxic that has a say.
    pub fn admission(&self) -> Option<(Admission, &Arc<str>)> {
        self.stages.iter().find_map(|stage| stage.admission().map(|admission| (admission, stage.name())))
    }

    /// Whether a toxic has swallowed the end, so that nothing leaves while it stays.
    pub fn is_void(&self) -> bool {
        self.stages.iter().any(Stage::is_void)
    }

    /// Starts and heals toxics by their triggers, and says when the next one turns. [`next`](Self::next) does the same;
    /// this is for a connection that moves no bytes yet.
    pub fn turn(&mut self, now: Instant) -> Option<Instant> {
        for stage in &mut self.stages {
            stage.settle(now);
        }
        self.stages.iter().filter_map(Stage::turns).min()
    }

    /// Whether a toxic that acts no more has cut the connection.
    pub fn cut_is_loose(&self) -> bool {
        self.cut.is_some_and(|(_, loose)| loose)
    }

    /// Takes on the toxics that the proxy has now, in order of creation: those that are gone let go of what they hold,
    /// those that changed go on in their state, new ones come last.
    pub fn reconcile(&mut self, toxics: &[Arc<Placed>], now: Instant) {
        if let Some((id, loose)) = &mut self.cut {
            *loose |= toxics.iter().all(|placed| placed.id != *id);
        }
        if self.over {
            return;
        }
        // Both are in order of id, which never goes back: one walk along both, however many there are.
        let mut listed = toxics.iter().peekable();
        for stage in &mut self.stages {
            while listed.next_if(|placed| placed.id < stage.id()).is_some() {}
            match listed.next_if(|placed| placed.id == stage.id()) {
                None => stage.leave(now),
                Some(placed) => stage.update(placed, &self.origin, now),
            }
        }
        let last = self.stages.last().map(Stage::id);
        for placed in toxics.iter().filter(|placed| last.is_none_or(|last| placed.id > last)) {
            if placed.spec.side.covers(self.origin.direction) {
                self.stages.push(Stage::meet(placed, &self.origin, now));
            }
        }
        self.prune();
    }

    /// Whether the first toxic takes another item now.
    pub fn wants_input(&self) -> bool {
        !self.over && self.stages.first().is_none_or(Stage::wants_input)
    }

    /// Gives what was read from the source. Called only while the chain [wants input](Self::wants_input) and is not
    /// [empty](Self::is_empty).
    pub fn give(&mut self, item: Item, now: Instant) {
        if let Some(first) = self.stages.first_mut() {
            first.give(item, now);
        }
    }

    /// What leaves now. After the end or a cut has left, nothing does.
    pub fn next(&mut self, now: Instant) -> Next {
        for stage in &mut self.stages {
            stage.settle(now);
        }
        loop {
            if let Some(item) = self.take(self.stages.len().wrapping_sub(1), now) {
                if !matches!(item, Item::Data(_)) {
                    self.over = true;
                    self.finish();
                }
                return Next::Item(item);
            }
            if !self.advance(now) && !self.prune() {
                break;
            }
        }
        for stage in &mut self.stages {
            stage.tell(Some(now), &mut self.marks);
        }
        self.prune();
        let until = if self.over { None } else { self.due() };
        Next::Wait { until, wants_input: self.wants_input() }
    }

    /// What was done to bytes and is to be told by now. Touches that adjoin and are alike are gathered for a moment, see
    /// [`Next::Wait`].
    pub fn marks(&mut self) -> std::vec::Drain<'_, Mark> {
        self.marks.drain(..)
    }

    /// Lets [`marks`](Self::marks) tell everything: to be called when a connection ends in whatever way.
    pub fn finish(&mut self) {
        for stage in &mut self.stages {
            stage.tell(None, &mut self.marks);
        }
    }

    /// When something may leave, turn or be told. What waits for a later toxic to take it is not counted, that one's
    /// time is.
    fn due(&self) -> Option<Instant> {
        let later = self.stages.iter().skip(1).map(Stage::wants_input).chain([true]);
        let taken = self.stages.iter().zip(later).filter(|(_, taken)| *taken);
        let leaves = taken.filter_map(|(stage, _)| stage.due()).min();
        let turns = self.stages.iter().filter_map(Stage::turns).min();
        [leaves, turns].into_iter().flatten().min()
    }

    /// What leaves that stage now. Behind an end or a cut nothing comes any more.
    fn take(&mut self, at: usize, now: Instant) -> Option<Item> {
        let stage = self.stages.get_mut(at)?;
        let item = stage.take(now)?;
        if let Item::Cut(_) = item {
            // The first that gives it is the one that made it.
            self.cut.get_or_insert((stage.id(), !stage.acts()));
        }
        if !matches!(item, Item::Data(_)) {
            // Those before the last that is over are over too.
            for stage in self.stages.iter_mut().take(at + 1).rev().take_while(|stage| !stage.is_over()) {
                stage.finish();
            }
        }
        Some(item)
    }

    /// Moves one item from each stage to the next that wants it, the first ones first, so that an item goes through all
    /// that let it pass in one walk. False when nothing moved.
    fn advance(&mut self, now: Instant) -> bool {
        let mut moved = false;
        for at in 1..self.stages.len() {
            if !self.stages.get(at).is_some_and(Stage::wants_input) {
                continue;
            }
            if let Some(item) = self.take(at - 1, now)
                && let Some(next) = self.stages.get_mut(at)
            {
                next.give(item, now);
                moved = true;
            }
        }
        moved
    }

    /// Takes out the stages that have nothing left. False when there are none.
    fn prune(&mut self) -> bool {
        let before = self.stages.len();
        let Self { stages, marks, .. } = self;
        stages.retain_mut(|stage| {
            let keep = !stage.is_left();
            if !keep {
                stage.tell(None, marks);
            }
            keep
        });
        stages.len() < before
    }
}
