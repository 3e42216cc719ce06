//! `blackhole`: everything is swallowed, the end too, and the connection is never closed, as behind a firewall that
//! drops packets. Nothing is dialled for a connection that meets it when it is accepted; one that was open before is
//! swallowed on the ways that the toxic is on.
//!
//! Once it has swallowed something the stream has a hole, so its removal then ends the connection.

use std::time::Instant;

use super::{Admission, Attributes, Context, Cut, Field, Item, Kind, Toxic};
use crate::tape::Effect;

/// The kind.
#[derive(Debug)]
pub(super) struct Blackhole;

impl Kind for Blackhole {
    fn name(&self) -> &'static str {
        "blackhole"
    }

    fn about(&self) -> &'static str {
        "accepts, swallows all data and the end, never closes and never dials the upstream"
    }

    fn fields(&self) -> &'static [Field] {
        &[]
    }

    fn meet(&self, _: &Attributes, _: &mut Context<'_>) -> Box<dyn Toxic> {
        Box::new(State { swallowed: false, end: None })
    }

    fn admission(&self, _: &Attributes) -> Option<Admission> {
        Some(Admission::Swallow)
    }
}

#[derive(Debug)]
struct State {
    swallowed: bool,
    end: Option<Item>,
}

impl Toxic for State {
    fn wants_input(&self) -> bool {
        self.end.is_none()
    }

    fn give(&mut self, item: Item, context: &mut Context<'_>) {
        if let Item::Data(chunk) = &item {
            self.swallowed = true;
            context.touched(chunk.bytes.len(), Effect::Dropped);
        } else {
            context.touched(0, Effect::Held);
            self.end = Some(item);
        }
    }

    fn take(&mut self, _: &mut Context<'_>) -> Option<Item> {
        None
    }

    fn due(&self) -> Option<Instant> {
        None
    }

    fn swallowed_end(&self) -> bool {
        self.end.is_some()
    }

    fn update(&mut self, _: &Attributes, _: &mut Context<'_>) {}

    fn release(&mut self, context: &mut Context<'_>) -> Vec<Item> {
        let end = match self.end.take() {
            Some(Item::Cut(cut)) => Some(Item::Cut(cut)),
            _ if self.swallowed => {
                context.touched(0, Effect::Closed);
                Some(Item::Cut(Cut::Close))
            }
            end => end,
        };
        end.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::line::{Line, left};

    #[test]
    fn everything_is_swallowed_and_nothing_closes_until_removal() {
        let mut line = Line::with("blackhole", &[]);
        line.give("abc");
        line.end();
        assert!(line.until(1_000_000).out.is_empty());
        let marks = line.marks();
        assert_eq!((marks[0].offset, marks[0].bytes, &marks[0].effect), (0, 3, &Effect::Dropped));
        line.remove(0);
        assert_eq!(line.until(1_000_000).left(), left([(1_000_000, "x")]));
    }

    #[test]
    fn where_nothing_was_swallowed_its_removal_lets_the_connection_go_on() {
        let mut line = Line::with("blackhole", &[]);
        line.until(5).remove(0);
        line.give("a");
        assert_eq!(line.left(), left([(5, "a")]));
        let mut line = Line::with("blackhole", &[]);
        line.end();
        line.until(5).remove(0);
        assert_eq!(line.until(5).left(), left([(5, "|")]));
    }
}
