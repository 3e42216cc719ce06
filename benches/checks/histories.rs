//! Histories of registers, made up from a seed: clients read, write and swap real registers one after another, and what
//! they saw is written down as a run's recorder would. Some answers never come, and a read may tell what was
//! overwritten long ago.
//!
//! The shapes are those of the histories that Porcupine is tested with, counted in `test_data/` of its v1.3.1. A file of
//! its own, so that the suite makes the same ones.

use std::{cmp::Reverse, collections::BinaryHeap};

use anyhow::{Error, Result};
use bulkhead_model::{
    Act, Ended, Ending, Found, Invoked, Service, TenantName,
    history::{Event, EventKind},
};

/// What a history looks like.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// Clients, each of which does one thing after another.
    pub(crate) clients: u64,
    /// Registers.
    pub(crate) registers: u64,
    /// Operations.
    pub(crate) operations: u64,
    /// Different values that are written; none where each is unlike any other.
    pub(crate) values: Option<u64>,
    /// How many of a hundred operations read, and how many swap; the others write.
    pub(crate) reads: u64,
    pub(crate) swaps: u64,
    /// How many of a thousand writes and swaps are never answered.
    pub(crate) unknown: u64,
    /// How many reads tell what was overwritten, in the second half.
    pub(crate) stale: u64,
}

/// Jepsen's test of etcd: five clients on one register of five values. 85 operations, a third of each kind; nearly a
/// quarter of what changes something timed out.
pub(crate) const ETCD: Shape = Shape {
    clients: 5,
    registers: 1,
    operations: 85,
    values: Some(5),
    reads: 34,
    swaps: 33,
    unknown: 230,
    stale: 0,
};

/// The test of a key-value store: ten clients on ten keys, every value another, every answer comes. What it appends is
/// written here, since a register is not appended to.
pub(crate) const KEY_VALUE: Shape = Shape {
    clients: 10,
    registers: 10,
    operations: 370,
    values: None,
    reads: 46,
    swaps: 10,
    unknown: 0,
    stale: 0,
};

/// The longest time from an operation's beginning to its effect, from that to its answer, and from there to the client's
/// next: 5 ms.
const PACE: u64 = 5_000_000;

/// How many times longer the client waits for an answer that never comes.
const TIMEOUT: u64 = 20;

/// A history of that shape; the same for the same seed.
pub(crate) fn history(shape: &Shape, seed: u64) -> Result<Vec<Event>> {
    let mut store = Store::new(shape, seed)?;
    for client in 0..shape.clients {
        let at = store.chance.below(PACE);
        store.agenda.push(Reverse((at, client, What::Begin)));
    }
    while let Some(Reverse((at, who, what))) = store.agenda.pop() {
        store.now = at;
        match what {
            What::Begin => store.begin(who),
            What::Effect => store.effect(who),
            What::End => store.end(who),
        }
    }
    store.write(EventKind::CaseEnded);
    Ok(store.events)
}

/// Numbers that only depend on the seed: SplitMix64 (Steele, Lea and Flood, 2014).
struct Chance(u64);

impl Chance {
    /// Any number below that one.
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound.max(1)
    }

    /// So many of a thousand times.
    fn happens(&mut self, permille: u64) -> bool {
        self.below(1000) < permille
    }
}

/// What is next on the agenda: of a client where it begins something, else of an operation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    Begin,
    Effect,
    End,
}

/// An operation under way.
struct Underway {
    client: u64,
    register: usize,
    act: Act,
    outcome: Ending,
    found: Option<Found>,
}

struct Store<'s> {
    shape: &'s Shape,
    tenant: TenantName,
    chance: Chance,
    now: u64,
    agenda: BinaryHeap<Reverse<(u64, u64, What)>>,
    underway: Vec<Underway>,
    /// All that each register has held, and holds now.
    held: Vec<Vec<Option<String>>>,
    /// Which operations are reads that tell what was overwritten.
    stale: Vec<u64>,
    /// How often each client gave up on an answer: it goes on under another name, as Jepsen's do.
    names: Vec<u64>,
    events: Vec<Event>,
}

impl<'s> Store<'s> {
    fn new(shape: &'s Shape, seed: u64) -> Result<Self> {
        let mut chance = Chance(seed);
        let half = shape.operations / 2;
        let stale = (0..shape.stale).map(|_| half + chance.below(shape.operations - half)).collect();
        let of = |count: u64| usize::try_from(count).unwrap_or_default();
        Ok(Self {
            shape,
            tenant: TenantName::new("engine").map_err(Error::msg)?,
            chance,
            now: 0,
            agenda: BinaryHeap::new(),
            underway: Vec::new(),
            held: vec![vec![None]; of(shape.registers)],
            stale,
            names: (0..shape.clients).collect(),
            events: vec![Event { at: 0, kind: EventKind::CaseStarted { case: format!("seed {seed}") } }],
        })
    }

    fn write(&mut self, kind: EventKind) {
        self.events.push(Event { at: self.now, kind });
    }

    fn begin(&mut self, client: u64) {
        let op = self.underway.len() as u64;
        if op == self.shape.operations {
            return;
        }
        let number = self.chance.below(self.shape.registers);
        let register = usize::try_from(number).unwrap_or_default();
        let act = self.act(op, register, format!("engine.{number}"));
        let lost = !matches!(act, Act::Read { .. }) && self.chance.happens(self.shape.unknown);
        let (outcome, factor) = if lost { (Ending::Unknown, TIMEOUT) } else { (Ending::Ok, 1) };
        self.write(EventKind::Invoked(Invoked {
            op: op + 1,
            client: format!("client {}", self.names[usize::try_from(client).unwrap_or_default()]),
            tenant: self.tenant.clone(),
            service: Service::Postgres,
            workload: String::from("postgres.engine-state"),
            act: act.clone(),
            due: None,
        }));
        self.underway.push(Underway { client, register, act, outcome, found: None });
        let effect = self.now + 1 + self.chance.below(PACE * factor);
        // Half of what is never answered never happens.
        if !lost || self.chance.happens(500) {
            self.agenda.push(Reverse((effect, op, What::Effect)));
        }
        // An answer that never comes may have been given up on before the effect.
        let end = if lost { self.now + PACE * TIMEOUT / 2 } else { effect + 1 + self.chance.below(PACE) };
        self.agenda.push(Reverse((end, op, What::End)));
    }

    fn act(&mut self, op: u64, register: usize, name: String) -> Act {
        let kind = self.chance.below(100);
        if self.stale.contains(&op) || kind < self.shape.reads {
            return Act::Read { register: name };
        }
        let value = self.value(op);
        if kind >= self.shape.reads + self.shape.swaps {
            return Act::Write { register: name, value };
        }
        // Where values are few, anything is expected; else what is there now, as by one who has just looked.
        let from = match self.shape.values {
            Some(_) => Some(self.value(op)),
            None => self.held[register].last().cloned().flatten(),
        };
        Act::Swap { register: name, from, to: value }
    }

    fn value(&mut self, op: u64) -> String {
        let number = self.shape.values.map_or(op, |values| self.chance.below(values));
        format!("engine.v{number}")
    }

    fn effect(&mut self, op: u64) {
        let index = usize::try_from(op).unwrap_or_default();
        let back = if self.stale.contains(&op) { self.overwritten() } else { 0 };
        let Some(underway) = self.underway.get_mut(index) else { return };
        let held = &mut self.held[underway.register];
        let now = held.last().cloned().flatten();
        match &underway.act {
            Act::Read { .. } => {
                underway.found = Some(Found::Value(held[(held.len() - 1).saturating_sub(back)].clone()));
            }
            Act::Write { value, .. } => held.push(Some(value.clone())),
            Act::Swap { from, to, .. } if *from == now => held.push(Some(to.clone())),
            _ if underway.outcome == Ending::Ok => underway.outcome = Ending::Failed,
            _ => {}
        }
    }

    /// How many changes back everybody who changed the register has long had the answer.
    fn overwritten(&mut self) -> usize {
        let together = 2 * self.shape.clients.div_ceil(self.shape.registers);
        usize::try_from(together + self.chance.below(3)).unwrap_or_default()
    }

    fn end(&mut self, op: u64) {
        let Some(underway) = self.underway.get_mut(usize::try_from(op).unwrap_or_default()) else { return };
        let (client, outcome, found) = (underway.client, underway.outcome, underway.found.take());
        if outcome == Ending::Unknown {
            self.names[usize::try_from(client).unwrap_or_default()] += self.shape.clients;
        }
        self.write(EventKind::Ended(Ended { op: op + 1, outcome, detail: String::new(), found }));
        let next = self.now + 1 + self.chance.below(PACE);
        self.agenda.push(Reverse((next, client, What::Begin)));
    }
}
