//! `bandwidth`: bytes leave at a rate, each piece after the time that it takes.
//!
//! What is late because of a coarse timer is made up for by the next piece, so the rate holds over time; what is late
//! because the receiver was slow is not.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use super::{Attributes, Chunk, Context, Field, Item, Kind, Toxic};
use crate::tape::Effect;

/// What leaves at once is worth that many milliseconds at most, as in Toxiproxy.
const PIECE: usize = 100;

/// Items that wait at once: one on its way out and one behind it, so that the next one's time begins when this one's
/// ends.
const ROOM: usize = 2;

/// The most lateness that the next piece makes up for: more than a timer's, less than would be a burst.
const SLACK: Duration = Duration::from_millis(10);

/// The kind.
#[derive(Debug)]
pub(super) struct Bandwidth;

impl Kind for Bandwidth {
    fn name(&self) -> &'static str {
        "bandwidth"
    }

    fn about(&self) -> &'static str {
        "lets bytes leave at a rate; 0 stalls them, below 0 is unlimited"
    }

    fn fields(&self) -> &'static [Field] {
        const FIELDS: &[Field] = &[Field::integer("rate", "kilobytes (1000 bytes) per second")];
        FIELDS
    }

    fn remark(&self, attributes: &Attributes) -> Option<&'static str> {
        (attributes.integer("rate") < 0).then_some("a rate below 0 is unlimited")
    }

    fn meet(&self, attributes: &Attributes, context: &mut Context<'_>) -> Box<dyn Toxic> {
        let rate = attributes.integer("rate");
        Box::new(State {
            rate,
            queue: VecDeque::with_capacity(ROOM),
            begun: context.now,
            late: Duration::ZERO,
        })
    }
}

#[derive(Debug)]
struct State {
    rate: i64,
    queue: VecDeque<Item>,
    /// When the time of the first item in the queue began.
    begun: Instant,
    /// How late the last piece left, for the next one to make up for.
    late: Duration,
}

impl State {
    /// What the next piece is, if it is not the whole chunk, and when it leaves. `None` is never.
    fn piece(&self) -> Option<(usize, Option<Instant>)> {
        match self.queue.front()? {
            Item::Data(chunk) => {
                let bytes = chunk.bytes.len().min(self.most());
                Some((bytes, self.cost(bytes).and_then(|cost| self.begun.checked_add(cost))))
            }
            Item::End | Item::Cut(_) => Some((0, Some(self.begun))),
        }
    }

    /// The most bytes that leave at once.
    fn most(&self) -> usize {
        match usize::try_from(self.rate) {
            Ok(0) | Err(_) => usize::MAX,
            Ok(rate) => rate.saturating_mul(PIECE),
        }
    }

    /// The time that bytes take; `None` is for ever.
    fn cost(&self, bytes: usize) -> Option<Duration> {
        match u128::try_from(self.rate) {
            Ok(0) => None,
            Ok(rate) => {
                let nanoseconds = super::count(bytes) as u128 * 1_000_000 / rate;
                u64::try_from(nanoseconds).ok().map(Duration::from_nanos)
            }
            Err(_) => Some(Duration::ZERO),
        }
    }

    /// Says how long the last chunk waits behind those before it.
    fn tell(&self, context: &mut Context<'_>) {
        let Some(Item::Data(last)) = self.queue.back() else { return };
        let bytes = self.queue.iter().map(Item::bytes).sum();
        let leaves = self.cost(bytes).and_then(|cost| self.begun.checked_add(cost));
        let effect = match leaves {
            None => Effect::Held,
            Some(leaves) if leaves <= context.now => return,
            Some(leaves) => Effect::Delayed(leaves.saturating_duration_since(context.now)),
        };
        context.touched(last.bytes.len(), effect);
    }
}

impl Toxic for State {
    fn wants_input(&self) -> bool {
        self.queue.len() < ROOM
    }

    fn give(&mut self, item: Item, context: &mut Context<'_>) {
        if self.queue.is_empty() {
            self.begun = context.now.checked_sub(self.late).unwrap_or(context.now).max(self.begun);
            self.late = Duration::ZERO;
        }
        self.queue.push_back(item);
        self.tell(context);
    }

    fn take(&mut self, context: &mut Context<'_>) -> Option<Item> {
        let (bytes, due) = self.piece()?;
        let due = due.filter(|due| *due <= context.now)?;
        self.begun = due;
        if let Some(Item::Data(chunk)) = self.queue.front_mut()
            && bytes < chunk.bytes.len()
        {
            let piece = Chunk { bytes: chunk.bytes.split_to(bytes), arrived: chunk.arrived };
            return Some(Item::Data(piece));
        }
        self.late = context.now.saturating_duration_since(due).min(SLACK);
        self.queue.pop_front()
    }

    fn due(&self) -> Option<Instant> {
        self.piece().and_then(|(_, due)| due)
    }

    fn update(&mut self, attributes: &Attributes, context: &mut Context<'_>) {
        let earned = context.now.saturating_duration_since(self.begun);
        let (old, rate) = (self.rate, attributes.integer("rate"));
        self.rate = rate;
        if old > 0 && rate > 0 && rate != old {
            // What was waited for at the old rate counts as bytes, so that no number of updates is a stall.
            let scaled =
                earned.as_nanos().saturating_mul(old.unsigned_abs().into()) / u128::from(rate.unsigned_abs());
            let earned = Duration::from_nanos(u64::try_from(scaled).unwrap_or(u64::MAX));
            self.begun = context.now.checked_sub(earned).unwrap_or(context.now);
        } else if old <= 0 {
            self.begun = context.now;
        }
    }

    fn release(&mut self, _: &mut Context<'_>) -> Vec<Item> {
        self.queue.drain(..).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::line::{Line, left};

    #[test]
    fn a_large_body_leaves_in_pieces_of_100_ms_each_after_its_time() {
        let mut line = Line::with("bandwidth", &[("rate", 100)]);
        line.give(vec![0; 100_000]);
        line.end();
        line.until(2000);
        let mut wanted: Vec<_> = (1..=10).map(|piece| (piece * 100, 10_000)).collect();
        wanted.push((1000, 0));
        assert_eq!(line.sizes(), wanted);
        assert_eq!(line.marks()[0].effect, Effect::Delayed(Duration::from_secs(1)));
    }

    #[test]
    fn chunks_follow_one_another_without_a_gap_and_idle_time_is_not_saved_up() {
        let mut line = Line::with("bandwidth", &[("rate", 1)]);
        line.until(5000).give([0; 50]);
        line.give([0; 20]);
        assert!(!line.wants_input());
        line.until(6000);
        assert_eq!(line.sizes(), [(5050, 50), (5070, 20)]);
    }

    #[test]
    fn a_late_timer_is_made_up_for_and_a_slow_receiver_is_not() {
        let mut context_line = Line::with("bandwidth", &[("rate", 1)]);
        let start = context_line.start;
        let at = |milliseconds| start + Duration::from_millis(milliseconds);
        let chain = &mut context_line.chain;
        let chunk = || Item::Data(Chunk { bytes: bytes::Bytes::from_static(&[0; 20]), arrived: start });
        chain.give(chunk(), at(0));
        assert!(matches!(chain.next(at(25)), crate::chain::Next::Item(_)));
        chain.give(chunk(), at(25));
        assert!(matches!(chain.next(at(39)), crate::chain::Next::Wait { .. }));
        assert!(matches!(chain.next(at(40)), crate::chain::Next::Item(_)));
        chain.give(chunk(), at(40));
        assert!(matches!(chain.next(at(1060)), crate::chain::Next::Item(_)));
        chain.give(chunk(), at(1060));
        assert!(matches!(chain.next(at(1069)), crate::chain::Next::Wait { .. }));
        assert!(matches!(chain.next(at(1070)), crate::chain::Next::Item(_)));
    }

    #[test]
    fn a_rate_of_0_stalls_until_removal_and_a_negative_one_is_no_limit() {
        let mut line = Line::with("bandwidth", &[("rate", 0)]);
        line.give("a");
        line.end();
        assert!(line.until(1_000_000).out.is_empty());
        assert_eq!(line.marks()[0].effect, Effect::Held);
        line.remove(0);
        assert_eq!(line.until(1_000_000).left(), left([(1_000_000, "a"), (1_000_000, "|")]));

        let mut line = Line::with("bandwidth", &[("rate", -1)]);
        line.give(vec![0; 1 << 20]);
        assert_eq!(line.sizes(), [(0, 1 << 20)]);
    }

    #[test]
    fn an_update_keeps_what_was_waited_for() {
        let mut line = Line::with("bandwidth", &[("rate", 1)]);
        line.give([0; 100]);
        // Half of it is paid; the other half costs half as much.
        line.until(50).update(0, &[("rate", 2)]);
        assert_eq!(line.until(1000).sizes(), [(75, 100)]);
        line.update(0, &[("rate", 0)]);
        line.give([0; 100]);
        line.until(2000).update(0, &[("rate", 1)]);
        assert_eq!(line.until(3000).sizes()[1..], [(2100, 100)]);
    }
}
