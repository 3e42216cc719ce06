//! `limit_data`: so many bytes pass on a connection, then it is closed. They are counted on each connection and way since
//! the toxic met it, over all updates.

use std::time::Instant;

use super::{Attributes, Context, Cut, Field, Item, Kind, Toxic, count};
use crate::tape::Effect;

/// The kind.
#[derive(Debug)]
pub(super) struct LimitData;

impl Kind for LimitData {
    fn name(&self) -> &'static str {
        "limit_data"
    }

    fn about(&self) -> &'static str {
        "closes after so many bytes"
    }

    fn fields(&self) -> &'static [Field] {
        const FIELDS: &[Field] = &[Field::integer("bytes", "bytes that pass before it closes")];
        FIELDS
    }

    fn meet(&self, attributes: &Attributes, _: &mut Context<'_>) -> Box<dyn Toxic> {
        Box::new(State { limit: limit(attributes), passed: 0, held: None, closing: false })
    }
}

fn limit(attributes: &Attributes) -> u64 {
    u64::try_from(attributes.integer("bytes")).unwrap_or(0)
}

#[derive(Debug)]
struct State {
    limit: u64,
    /// Over all updates.
    passed: u64,
    held: Option<Item>,
    /// Whether the limit is reached and a close comes after what is held.
    closing: bool,
}

impl Toxic for State {
    fn wants_input(&self) -> bool {
        self.held.is_none() && !self.closing
    }

    fn give(&mut self, item: Item, context: &mut Context<'_>) {
        let Item::Data(mut chunk) = item else {
            self.held = Some(item);
            return;
        };
        let left = self.limit.saturating_sub(self.passed);
        let given = chunk.bytes.len();
        chunk.bytes.truncate(usize::try_from(left).unwrap_or(usize::MAX));
        let passes = chunk.bytes.len();
        self.passed = self.passed.saturating_add(count(passes));
        self.closing = self.passed >= self.limit;
        let end = context.offset.saturating_add(count(passes));
        if passes < given {
            context.touched_at(end, given - passes, Effect::Dropped);
        }
        if self.closing {
            context.touched_at(end, 0, Effect::Closed);
        }
        if passes > 0 {
            self.held = Some(Item::Data(chunk));
        }
    }

    fn take(&mut self, _: &mut Context<'_>) -> Option<Item> {
        self.held.take().or_else(|| self.closing.then_some(Item::Cut(Cut::Close)))
    }

    fn due(&self) -> Option<Instant> {
        None
    }

    fn update(&mut self, attributes: &Attributes, _: &mut Context<'_>) {
        self.limit = limit(attributes);
    }

    fn release(&mut self, context: &mut Context<'_>) -> Vec<Item> {
        let mut items: Vec<Item> = self.take(context).into_iter().collect();
        if self.closing && !matches!(items.last(), Some(Item::Cut(_))) {
            items.push(Item::Cut(Cut::Close));
        }
        items
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::line::{Line, left};

    #[test]
    fn exactly_so_many_bytes_pass() {
        let mut line = Line::with("limit_data", &[("bytes", 5)]);
        line.give("0123456789");
        assert_eq!(line.left(), left([(0, "01234"), (0, "x")]));
        assert!(!line.wants_input());
        let marks = line.marks();
        assert_eq!((marks[0].offset, marks[0].bytes, &marks[0].effect), (5, 5, &Effect::Dropped));
        assert_eq!((marks[1].offset, marks[1].bytes, &marks[1].effect), (5, 0, &Effect::Closed));

        let mut line = Line::with("limit_data", &[("bytes", 3)]);
        line.give("ab");
        line.give("c");
        assert_eq!(line.left(), left([(0, "ab"), (0, "c"), (0, "x")]));
    }

    #[test]
    fn with_0_or_less_the_first_data_closes_and_the_end_passes() {
        for bytes in [0, -1, i64::MIN] {
            let mut line = Line::with("limit_data", &[("bytes", bytes)]);
            assert!(line.until(10).out.is_empty());
            line.give("a");
            assert_eq!(line.left(), left([(10, "x")]));
        }
        let mut line = Line::with("limit_data", &[]);
        line.end();
        assert_eq!(line.left(), left([(0, "|")]));
    }

    #[test]
    fn the_count_is_kept_over_updates_and_a_lower_limit_closes_at_the_next_data() {
        let mut line = Line::with("limit_data", &[("bytes", 10)]);
        line.give("abcd");
        line.update(0, &[("bytes", 6)]);
        line.give("efgh");
        assert_eq!(line.left(), left([(0, "abcd"), (0, "ef"), (0, "x")]));
        let mut line = Line::with("limit_data", &[("bytes", 10)]);
        line.give("abcd");
        line.update(0, &[("bytes", 2)]);
        assert_eq!(line.until(5).left(), left([(0, "abcd")]));
        line.give("e");
        assert_eq!(line.left(), left([(0, "abcd"), (5, "x")]));
    }
}
