//! `slow_close`: data passes, the end is held for a while. A close by a toxic before it is an end too, as in Toxiproxy.

use std::time::{Duration, Instant};

use super::{Attributes, Context, Field, Item, Kind, Toxic, milliseconds};
use crate::tape::Effect;

/// The kind.
#[derive(Debug)]
pub(super) struct SlowClose;

impl Kind for SlowClose {
    fn name(&self) -> &'static str {
        "slow_close"
    }

    fn about(&self) -> &'static str {
        "holds the end of the stream for a while"
    }

    fn fields(&self) -> &'static [Field] {
        const FIELDS: &[Field] = &[Field::integer("delay", "milliseconds")];
        FIELDS
    }

    fn meet(&self, attributes: &Attributes, context: &mut Context<'_>) -> Box<dyn Toxic> {
        let delay = milliseconds(attributes.integer("delay"));
        Box::new(State { delay, held: None, due: Some(context.now) })
    }
}

#[derive(Debug)]
struct State {
    delay: Duration,
    held: Option<Item>,
    /// When that leaves; `None` is never.
    due: Option<Instant>,
}

impl State {
    fn ends(&self) -> bool {
        matches!(self.held, Some(Item::End | Item::Cut(_)))
    }
}

impl Toxic for State {
    fn wants_input(&self) -> bool {
        self.held.is_none()
    }

    fn give(&mut self, item: Item, context: &mut Context<'_>) {
        self.held = Some(item);
        self.due = Some(context.now);
        if self.ends() && self.delay > Duration::ZERO {
            self.due = context.now.checked_add(self.delay);
            context.touched(0, Effect::Delayed(self.delay));
        }
    }

    fn take(&mut self, context: &mut Context<'_>) -> Option<Item> {
        self.due.filter(|due| *due <= context.now)?;
        self.held.take()
    }

    fn due(&self) -> Option<Instant> {
        self.held.as_ref().and(self.due)
    }

    fn update(&mut self, attributes: &Attributes, context: &mut Context<'_>) {
        self.delay = milliseconds(attributes.integer("delay"));
        if self.ends() {
            self.due = context.now.checked_add(self.delay);
            context.touched(0, Effect::Delayed(self.delay));
        }
    }

    fn release(&mut self, _: &mut Context<'_>) -> Vec<Item> {
        self.held.take().into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::line::{Line, left};

    #[test]
    fn data_passes_and_the_end_is_held() {
        let mut line = Line::with("slow_close", &[("delay", 500)]);
        line.give("a");
        line.until(10).end();
        assert_eq!(line.until(509).left(), left([(0, "a")]));
        assert_eq!(line.until(1000).left(), left([(0, "a"), (510, "|")]));
        assert_eq!(line.marks()[0].effect, Effect::Delayed(Duration::from_millis(500)));
    }

    #[test]
    fn a_removal_lets_the_end_go_and_an_update_holds_it_anew() {
        let mut line = Line::with("slow_close", &[("delay", i64::MAX)]);
        line.end();
        line.until(100).update(0, &[("delay", 50)]);
        assert_eq!(line.until(200).left(), left([(150, "|")]));
        let mut line = Line::with("slow_close", &[("delay", 500)]);
        line.end();
        line.until(7).remove(0);
        assert_eq!(line.until(7).left(), left([(7, "|")]));
    }
}
