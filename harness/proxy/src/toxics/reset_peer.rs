//! `reset_peer`: the first data or end is waited for, then a while, then both ends get a RST.
//!
//! Until then what came is kept, so that removal in time loses nothing.

use std::time::Instant;

use super::{Attributes, Context, Cut, Field, Item, Kind, Toxic, count, milliseconds};
use crate::tape::Effect;

/// The kind.
#[derive(Debug)]
pub(super) struct ResetPeer;

impl Kind for ResetPeer {
    fn name(&self) -> &'static str {
        "reset_peer"
    }

    fn about(&self) -> &'static str {
        "resets both ends a while after the first data"
    }

    fn fields(&self) -> &'static [Field] {
        const FIELDS: &[Field] = &[Field::integer("timeout", "milliseconds")];
        FIELDS
    }

    fn meet(&self, attributes: &Attributes, _: &mut Context<'_>) -> Box<dyn Toxic> {
        Box::new(State { timeout: attributes.integer("timeout"), first: None, due: None })
    }
}

#[derive(Debug)]
struct State {
    timeout: i64,
    /// What came first.
    first: Option<Item>,
    /// When the reset is; `None` is never.
    due: Option<Instant>,
}

impl Toxic for State {
    fn wants_input(&self) -> bool {
        self.first.is_none()
    }

    fn give(&mut self, item: Item, context: &mut Context<'_>) {
        if self.timeout > 0 && item.bytes() > 0 {
            context.touched(item.bytes(), Effect::Held);
        }
        self.first = Some(item);
        self.due = context.now.checked_add(milliseconds(self.timeout));
    }

    fn take(&mut self, context: &mut Context<'_>) -> Option<Item> {
        self.due.filter(|due| *due <= context.now)?;
        self.due = None;
        if let Some(Item::Data(chunk)) = &self.first {
            let bytes = chunk.bytes.len();
            let offset = context.offset.saturating_sub(count(bytes));
            context.touched_at(offset, bytes, Effect::Dropped);
        }
        context.touched(0, Effect::Reset);
        Some(Item::Cut(Cut::Reset))
    }

    fn due(&self) -> Option<Instant> {
        self.due
    }

    fn update(&mut self, attributes: &Attributes, context: &mut Context<'_>) {
        self.timeout = attributes.integer("timeout");
        if self.first.is_some() {
            self.due = context.now.checked_add(milliseconds(self.timeout));
        }
    }

    fn release(&mut self, _: &mut Context<'_>) -> Vec<Item> {
        self.first.take().into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::line::{Line, left};

    #[test]
    fn the_first_data_is_lost_and_both_ends_are_reset() {
        let mut line = Line::with("reset_peer", &[("timeout", 100)]);
        assert!(line.until(1000).out.is_empty());
        line.give("abc");
        assert!(!line.wants_input());
        assert_eq!(line.until(2000).left(), left([(1100, "!")]));
        let marks = line.marks();
        let told: Vec<_> = marks.iter().map(|mark| (mark.offset, mark.bytes, &mark.effect)).collect();
        assert_eq!(told, [(0, 3, &Effect::Held), (0, 3, &Effect::Dropped), (3, 0, &Effect::Reset)]);
    }

    #[test]
    fn the_end_resets_too() {
        let mut line = Line::with("reset_peer", &[]);
        line.until(5).end();
        assert_eq!(line.left(), left([(5, "!")]));
    }

    #[test]
    fn a_removal_in_time_loses_nothing_and_an_update_starts_the_wait_anew() {
        let mut line = Line::with("reset_peer", &[("timeout", 100)]);
        line.give("abc");
        line.until(50).update(0, &[("timeout", 200)]);
        line.until(249).remove(0);
        line.until(249).give("d");
        assert_eq!(line.until(1000).left(), left([(249, "abc"), (249, "d")]));
        assert!(line.marks().iter().all(|mark| mark.effect == Effect::Held));
    }

    #[test]
    fn a_connection_that_the_coin_spares_is_not_reset() {
        let mut line = Line::new();
        line.place(
            "r",
            &ResetPeer,
            Attributes::of(ResetPeer.fields()),
            0.0,
            crate::trigger::Trigger::default(),
        );
        line.give("a");
        line.end();
        assert_eq!(line.left(), left([(0, "a"), (0, "|")]));
    }
}
