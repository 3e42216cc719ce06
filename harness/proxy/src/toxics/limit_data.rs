//! `limit_data`: so many bytes pass on a connection, then it is closed.

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
