//! `timeout`: all data is thrown away, and the connection is closed after a while without any.
//!
//! Once it has been there the stream has a hole, so its removal ends the connection too.

use std::time::Instant;

use super::{Attributes, Context, Cut, Field, Item, Kind, Toxic, milliseconds};
use crate::tape::Effect;

/// The kind.
#[derive(Debug)]
pub(super) struct Timeout;

impl Kind for Timeout {
    fn name(&self) -> &'static str {
        "timeout"
    }

    fn about(&self) -> &'static str {
        "throws all data away and closes after a while without any; 0 never closes"
    }

    fn fields(&self) -> &'static [Field] {
        const FIELDS: &[Field] = &[Field::integer("timeout", "milliseconds")];
        FIELDS
    }

    fn meet(&self, attributes: &Attributes, context: &mut Context<'_>) -> Box<dyn Toxic> {
        let mut state = State { timeout: attributes.integer("timeout"), closes: None, cut: None };
        state.restart(context.now);
        Box::new(state)
    }
}

#[derive(Debug)]
struct State {
    timeout: i64,
    /// When it closes by itself.
    closes: Option<Instant>,
    /// How the source ended.
    cut: Option<Cut>,
}

impl State {
    fn restart(&mut self, now: Instant) {
        self.closes = if self.timeout > 0 { now.checked_add(milliseconds(self.timeout)) } else { None };
    }
}

impl Toxic for State {
    fn wants_input(&self) -> bool {
        self.cut.is_none()
    }

    fn give(&mut self, item: Item, context: &mut Context<'_>) {
        match item {
            Item::Data(chunk) => {
                context.touched(chunk.bytes.len(), Effect::Dropped);
                self.restart(context.now);
            }
            Item::End => self.cut = Some(Cut::Close),
            Item::Cut(cut) => self.cut = Some(cut),
        }
        if self.cut.is_some() {
            self.closes = Some(context.now);
        }
    }

    fn take(&mut self, context: &mut Context<'_>) -> Option<Item> {
        self.closes.filter(|closes| *closes <= context.now)?;
        self.closes = None;
        if self.cut.is_none() {
            context.touched(0, Effect::Closed);
        }
        Some(Item::Cut(self.cut.unwrap_or(Cut::Close)))
    }

    fn due(&self) -> Option<Instant> {
        self.closes
    }

    fn update(&mut self, attributes: &Attributes, context: &mut Context<'_>) {
        self.timeout = attributes.integer("timeout");
        if self.cut.is_none() {
            self.restart(context.now);
        }
    }

    fn release(&mut self, context: &mut Context<'_>) -> Vec<Item> {
        if self.cut.is_none() {
            context.touched(0, Effect::Closed);
        }
        vec![Item::Cut(self.cut.unwrap_or(Cut::Close))]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::line::{Line, left};

    #[test]
    fn it_closes_after_a_while_without_data() {
        let mut line = Line::with("timeout", &[("timeout", 500)]);
        assert_eq!(line.until(1000).left(), left([(500, "x")]));
        let mut line = Line::with("timeout", &[("timeout", 500)]);
        line.until(400).give("ab");
        line.until(800).give("c");
        assert_eq!(line.until(2000).left(), left([(1300, "x")]));
        let marks = line.marks();
        assert_eq!((marks[0].offset, marks[0].bytes, &marks[0].effect), (0, 2, &Effect::Dropped));
        assert_eq!((marks[2].offset, marks[2].bytes, &marks[2].effect), (3, 0, &Effect::Closed));
    }

    #[test]
    fn without_a_time_only_the_source_and_the_removal_close() {
        for time in [0, -1, i64::MIN, i64::MAX] {
            let mut line = Line::with("timeout", &[("timeout", time)]);
            line.give("a");
            assert!(line.until(1_000_000).out.is_empty());
            line.end();
            assert_eq!(line.left(), left([(1_000_000, "x")]));
        }
        let mut line = Line::with("timeout", &[]);
        line.until(3).remove(0);
        assert_eq!(line.until(3).left(), left([(3, "x")]));
    }

    #[test]
    fn an_update_restarts_the_time() {
        let mut line = Line::with("timeout", &[("timeout", 500)]);
        line.until(400).update(0, &[("timeout", 300)]);
        assert_eq!(line.until(2000).left(), left([(700, "x")]));
    }
}
