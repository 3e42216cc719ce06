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
