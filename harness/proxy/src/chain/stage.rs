//! One toxic in a chain: whether its coin and its trigger let it act now, and what leaves it. What is before and behind
//! it is the chain's.

use std::{collections::VecDeque, sync::Arc, time::Instant};

use super::{
    Mark, Origin, Placed,
    notes::{Notes, Touch},
};
use crate::{
    seed::Randomness,
    toxics::{Admission, Chunk, Context, Item, Toxic, count},
};

pub(super) struct Stage {
    placed: Arc<Placed>,
    name: Arc<str>,
    desk: Desk,
    phase: Phase,
    /// Whether the toxic is gone from the proxy and the stage only empties itself.
    leaving: bool,
    /// Whether it was given the end, and so is given nothing more.
    ended: bool,
    /// Whether the end or a cut has gone past it, so that nothing comes from it any more.
    over: bool,
    /// What leaves before anything else: what passes as it is, and what was let go.
    passing: VecDeque<Item>,
    /// Bytes that came since the trigger began to count.
    passed: u64,
}

/// What a toxic may use while it is called.
struct Desk {
    randomness: Randomness,
    notes: Notes,
    given: u64,
    added: Instant,
}

impl Desk {
    fn context(&mut self, now: Instant) -> Context<'_> {
        let Self { randomness, notes, given, added } = self;
        Context { now, added: *added, offset: *given, randomness, notes }
    }
}

enum Phase {
    /// The coin or the number of the connection spares this one.
    Spared,
    /// The trigger is waited for.
    Waiting,
    /// The toxic acts, until then.
    Acting(Box<dyn Toxic>, Option<Instant>),
    /// The trigger's window is over.
    Healed,
}

impl Stage {
    pub(super) fn meet(placed: &Arc<Placed>, origin: &Origin, now: Instant) -> Self {
        let name: Arc<str> = placed.spec.name.as_str().into();
        let randomness = origin.seed.stream(&origin.proxy, origin.connection, origin.direction, &name);
        let phase = if placed.chooses(origin) { Phase::Waiting } else { Phase::Spared };
        let mut stage = Self {
            placed: placed.clone(),
            name,
            desk: Desk { randomness, notes: Notes::default(), given: 0, added: placed.added },
            phase,
            leaving: false,
            ended: false,
            over: false,
            passing: VecDeque::new(),
            passed: 0,
        };
        stage.settle(now);
        stage
    }

    pub(super) fn id(&self) -> u64 {
        self.placed.id
    }

    pub(super) fn name(&self) -> &Arc<str> {
        &self.name
    }

    pub(super) fn acts(&self) -> bool {
        matches!(self.phase, Phase::Acting(..))
    }

    /// What becomes of a connection that has not been dialled yet.
    pub(super) fn admission(&self) -> Option<Admission> {
        let spec = &self.placed.spec;
        spec.kind.admission(&spec.attributes).filter(|_| self.acts())
    }

    /// Whether it has swallowed the end.
    pub(super) fn is_void(&self) -> bool {
        matches!(&self.phase, Phase::Acting(toxic, _) if toxic.swallowed_end())
    }

    /// Whether it can be taken out of the chain.
    pub(super) fn is_left(&self) -> bool {
        self.leaving && self.passing.is_empty()
    }

    pub(super) fn wants_input(&self) -> bool {
        let room = match &self.phase {
            Phase::Acting(toxic, _) => toxic.wants_input(),
            _ => true,
        };
        room && self.passing.is_empty() && !self.leaving && !self.ended && !self.over
    }

    /// When something may leave, if whatever comes next takes it.
    pub(super) fn due(&self) -> Option<Instant> {
        match &self.phase {
            Phase::Acting(toxic, _) if !self.over => toxic.due(),
            _ => None,
        }
    }

    /// When the trigger starts or ends it, or there is something to tell.
    pub(super) fn turns(&self) -> Option<Instant> {
        let turn = match &self.phase {
            Phase::Waiting if self.has_bytes() => self.starts(),
            Phase::Acting(_, ends) => *ends,
            _ => None,
        };
        let turn = turn.filter(|_| !self.over && !self.leaving);
        [turn, self.desk.notes.due()].into_iter().flatten().min()
    }

    /// Starts and heals the toxic by its trigger.
    pub(super) fn settle(&mut self, now: Instant) {
        if self.over {
            return;
        }
        if matches!(self.phase, Phase::Waiting)
            && self.has_bytes()
            && let Some(starts) = self.starts().filter(|starts| *starts <= now)
        {
            self.start(starts, now);
        }
        if let Phase::Acting(_, Some(ends)) = self.phase
            && ends <= now
        {
            self.let_go(Phase::Healed, now);
        }
    }

    pub(super) fn give(&mut self, item: Item, now: Instant) {
        self.settle(now);
        let rest = match item {
            Item::Data(chunk) => self.pass_before(chunk, now),
            item => {
                self.ended = true;
                Some(item)
            }
        };
        let Some(item) = rest else { return };
        let bytes = count(item.bytes());
        match &mut self.phase {
            Phase::Acting(toxic, _) => toxic.give(item, &mut self.desk.context(now)),
            _ => self.passing.push_back(item),
        }
        self.count(bytes);
    }

    pub(super) fn take(&mut self, now: Instant) -> Option<Item> {
        if self.over {
            return None;
        }
        if let Some(item) = self.passing.pop_front() {
            return Some(item);
        }
        self.with(now, |toxic, context| toxic.take(context)).flatten()
    }

    pub(super) fn is_over(&self) -> bool {
        self.over
    }

    /// Nothing comes from it any more.
    pub(super) fn finish(&mut self) {
        self.over = true;
        self.passing.clear();
        self.phase = Phase::Healed;
    }

    /// The toxic is gone from the proxy.
    pub(super) fn leave(&mut self, now: Instant) {
        if !self.leaving {
            self.leaving = true;
            self.let_go(Phase::Spared, now);
        }
    }

    /// The toxic may have changed.
    pub(super) fn update(&mut self, placed: &Arc<Placed>, origin: &Origin, now: Instant) {
        let changes = |placed: &Placed| (placed.version, placed.toss, placed.turn);
        if changes(&self.placed) == changes(placed) {
            return;
        }
        let old = std::mem::replace(&mut self.placed, placed.clone());
        if old.turn != placed.turn {
            // As if it were added now, but for its random numbers and what the tape counts.
            let phase = if placed.chooses(origin) { Phase::Waiting } else { Phase::Spared };
            self.let_go(phase, now);
            self.desk.added = placed.added;
            self.passed = 0;
        }
        if old.toss != placed.toss {
            match (placed.chooses(origin), &self.phase) {
                (true, Phase::Spared) => self.phase = Phase::Waiting,
                (false, Phase::Acting(..)) => self.let_go(Phase::Spared, now),
                (false, _) => self.phase = Phase::Spared,
                (true, _) => {}
            }
        }
        if old.version != placed.version {
            self.with(now, |toxic, context| toxic.update(&placed.spec.attributes, context));
        }
        self.settle(now);
    }

    /// Tells what was done; all of it, or what may not wait for more of the same.
    pub(super) fn tell(&mut self, now: Option<Instant>, marks: &mut Vec<Mark>) {
        while let Some(Touch { offset, bytes, effect }) = match now {
            Some(now) => self.desk.notes.tell(now),
            None => self.desk.notes.tell_all(),
        } {
            marks.push(Mark { toxic: self.name.clone(), offset, bytes, effect });
        }
    }

    /// Lets the bytes pass that the trigger still counts, and answers what comes after them.
    fn pass_before(&mut self, mut chunk: Chunk, now: Instant) -> Option<Item> {
        let left = self.placed.spec.trigger.after_bytes.unwrap_or(0).saturating_sub(self.passed);
        if left == 0 || !matches!(self.phase, Phase::Waiting) {
            return Some(Item::Data(chunk));
        }
        let left = usize::try_from(left).unwrap_or(usize::MAX);
        let before = if left < chunk.bytes.len() {
            Chunk { bytes: chunk.bytes.split_to(left), arrived: chunk.arrived }
        } else {
            std::mem::replace(&mut chunk, Chunk { bytes: bytes::Bytes::new(), arrived: now })
        };
        let before = Item::Data(before);
        self.count(count(before.bytes()));
        self.passing.push_back(before);
        self.settle(now);
        (!chunk.bytes.is_empty()).then_some(Item::Data(chunk))
    }

    fn has_bytes(&self) -> bool {
        self.placed.spec.trigger.after_bytes.is_none_or(|bytes| self.passed >= bytes)
    }

    fn count(&mut self, bytes: u64) {
        self.desk.given = self.desk.given.saturating_add(bytes);
        self.passed = self.passed.saturating_add(bytes);
    }

    /// When its time comes; `None` is never.
    fn starts(&self) -> Option<Instant> {
        self.placed.starts()
    }

    fn start(&mut self, starts: Instant, now: Instant) {
        let trigger = &self.placed.spec.trigger;
        let from = if trigger.after_bytes.is_some() { now } else { starts };
        let ends = trigger.window.and_then(|window| from.checked_add(window));
        let spec = &self.placed.spec;
        self.phase = if ends.is_some_and(|ends| ends <= now) {
            Phase::Healed
        } else {
            Phase::Acting(spec.kind.meet(&spec.attributes, &mut self.desk.context(now)), ends)
        };
    }

    fn let_go(&mut self, phase: Phase, now: Instant) {
        if let Some(items) = self.with(now, |toxic, context| toxic.release(context)) {
            self.passing.extend(items);
        }
        self.phase = phase;
    }

    /// Calls the toxic if it acts.
    fn with<R>(
        &mut self,
        now: Instant,
        call: impl FnOnce(&mut dyn Toxic, &mut Context<'_>) -> R,
    ) -> Option<R> {
        let Phase::Acting(toxic, _) = &mut self.phase else { return None };
        Some(call(toxic.as_mut(), &mut self.desk.context(now)))
    }
}
