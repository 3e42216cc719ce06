//! For tests: a chain in virtual time, with a source that gives and a sink that takes everything at once. It notices a
//! chain that spins or lies about its times; slow sinks are not its subject.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;

use super::{Chain, Mark, Next, Origin, Placed};
use crate::{
    seed::Seed,
    spec::{Direction, Side, ToxicSpec},
    toxics::{self, Attributes, Chunk, Cut, Item, Kind, Value},
    trigger::Trigger,
};

/// Steps after which a chain that says that something is due now, and gives nothing, is said to spin.
const SPIN: usize = 100_000;

pub(crate) struct Line {
    pub(crate) chain: Chain,
    pub(crate) toxics: Vec<Arc<Placed>>,
    pub(crate) start: Instant,
    pub(crate) now: Instant,
    /// What left, and when, since the start.
    pub(crate) out: Vec<(Duration, Item)>,
    last: u64,
}

/// Attributes of that kind, the given ones set.
pub(crate) fn attributes(kind: &dyn Kind, given: &[(&str, i64)]) -> Attributes {
    let mut attributes = Attributes::of(kind.fields());
    for (name, number) in given {
        attributes.set(name, Value::Integer(*number));
    }
    attributes
}

impl Line {
    pub(crate) fn new() -> Self {
        Self::of(7, "proxy", 1, Direction::Upstream)
    }

    pub(crate) fn of(seed: u64, proxy: &str, connection: u64, direction: Direction) -> Self {
        let start = Instant::now();
        let origin = Origin { seed: Seed(seed), proxy: proxy.into(), connection, direction };
        let chain = Chain::new(origin);
        Self { chain, toxics: Vec::new(), start, now: start, out: Vec::new(), last: 0 }
    }

    /// With one toxic, named after its kind.
    pub(crate) fn with(kind: &str, given: &[(&str, i64)]) -> Self {
        let mut line = Self::new();
        line.add(kind, given);
        line
    }

    pub(crate) fn add(&mut self, kind: &str, given: &[(&str, i64)]) {
        let kind = toxics::find(kind).unwrap();
        self.place(kind.name(), kind, attributes(kind, given), 1.0, Trigger::default());
    }

    pub(crate) fn add_when(&mut self, kind: &str, given: &[(&str, i64)], trigger: Trigger) {
        let kind = toxics::find(kind).unwrap();
        trigger.check(kind).unwrap();
        self.place(kind.name(), kind, attributes(kind, given), 1.0, trigger);
    }

    pub(crate) fn place(
        &mut self,
        name: &str,
        kind: &'static dyn Kind,
        attributes: Attributes,
        toxicity: f32,
        trigger: Trigger,
    ) {
        self.last += 1;
        let (stream, side) = ("both".to_owned(), Side::Both);
        let spec = ToxicSpec { name: name.to_owned(), kind, stream, side, toxicity, attributes, trigger };
        let (added, before) = (self.now, 0);
        self.toxics.push(Arc::new(Placed {
            id: self.last,
            version: 0,
            toss: 0,
            turn: 0,
            added,
            before,
            spec,
        }));
        self.reconcile();
    }

    pub(crate) fn change(&mut self, at: usize, change: impl FnOnce(&mut Placed)) {
        let mut placed = Placed::clone(&self.toxics[at]);
        change(&mut placed);
        self.toxics[at] = Arc::new(placed);
        self.reconcile();
    }

    pub(crate) fn update(&mut self, at: usize, given: &[(&str, i64)]) {
        self.change(at, |placed| {
            for (name, number) in given {
                placed.spec.attributes.set(name, Value::Integer(*number));
            }
            placed.version += 1;
        });
    }

    pub(crate) fn toss(&mut self, at: usize, toxicity: f32) {
        self.change(at, |placed| {
            placed.spec.toxicity = toxicity;
            placed.toss += 1;
        });
    }

    pub(crate) fn remove(&mut self, at: usize) {
        self.toxics.remove(at);
        self.reconcile();
    }

    fn reconcile(&mut self) {
        self.chain.reconcile(&self.toxics, self.now);
        self.step(self.now);
    }

    pub(crate) fn wants_input(&self) -> bool {
        self.chain.wants_input()
    }

    pub(crate) fn give(&mut self, bytes: impl AsRef<[u8]>) {
        let bytes = Bytes::copy_from_slice(bytes.as_ref());
        self.item(Item::Data(Chunk { bytes, arrived: self.now }));
    }

    pub(crate) fn end(&mut self) {
        self.item(Item::End);
    }

    pub(crate) fn item(&mut self, item: Item) {
        if self.chain.is_empty() {
            self.out.push((self.now - self.start, item));
            return;
        }
        assert!(self.wants_input(), "it wants no input");
        self.chain.give(item, self.now);
        self.step(self.now);
    }

    /// Lets the time pass up to so many milliseconds since the start.
    pub(crate) fn until(&mut self, milliseconds: u64) -> &mut Self {
        let target = self.start + Duration::from_millis(milliseconds);
        self.step(target);
        self.now = target;
        self
    }

    /// Goes from one due time to the next, not beyond the target, and takes all that leaves.
    pub(crate) fn step(&mut self, target: Instant) {
        for _ in 0..SPIN {
            if !self.tick(target, Duration::ZERO).unwrap() {
                return;
            }
        }
        panic!("it spins");
    }

    /// Takes all that leaves now and goes to the next due time and so much later, if that is not beyond the target.
    /// Tells a chain that lies about its times.
    pub(crate) fn tick(&mut self, target: Instant, late: Duration) -> Result<bool, String> {
        let at = |now: Instant| format!("at {:?}", now - self.start);
        for _ in 0..SPIN {
            let until = match self.chain.next(self.now) {
                Next::Item(item) => {
                    self.out.push((self.now - self.start, item));
                    continue;
                }
                Next::Wait { until, .. } => until,
            };
            let Some(until) = until.filter(|until| *until <= target) else { return Ok(false) };
            if until <= self.now {
                return Err(format!("{} it says that something leaves now and gives nothing", at(self.now)));
            }
            let before = self.now + (until - self.now) / 2;
            if let Next::Item(item) = self.chain.next(before) {
                return Err(format!("{} leaves {item:?}, before it said", at(before)));
            }
            self.now = (until + late).min(target);
            return Ok(true);
        }
        Err(format!("{} it spins", at(self.now)))
    }

    /// What left, as milliseconds since the start and the bytes, `|` for the end, `x` for a close, `!` for a reset.
    pub(crate) fn left(&self) -> Vec<(u128, String)> {
        let word = |item: &Item| match item {
            Item::Data(chunk) => String::from_utf8_lossy(&chunk.bytes).into_owned(),
            Item::End => "|".to_owned(),
            Item::Cut(Cut::Close) => "x".to_owned(),
            Item::Cut(Cut::Reset) => "!".to_owned(),
        };
        self.out.iter().map(|(at, item)| (at.as_millis(), word(item))).collect()
    }

    /// What left, the bytes counted.
    pub(crate) fn sizes(&self) -> Vec<(u128, usize)> {
        self.out.iter().map(|(at, item)| (at.as_millis(), item.bytes())).collect()
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let chunks = self.out.iter().filter_map(|(_, item)| match item {
            Item::Data(chunk) => Some(chunk.bytes.as_ref()),
            _ => None,
        });
        chunks.collect::<Vec<_>>().concat()
    }

    /// Everything told so far and not read yet.
    pub(crate) fn marks(&mut self) -> Vec<Mark> {
        self.chain.finish();
        self.chain.marks().collect()
    }
}

/// What [`Line::left`] is compared with.
pub(crate) fn left<const N: usize>(wanted: [(u128, &str); N]) -> Vec<(u128, String)> {
    wanted.map(|(at, word)| (at, word.to_owned())).to_vec()
}
