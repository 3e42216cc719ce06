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
