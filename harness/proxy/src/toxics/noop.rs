//! `noop`: lets everything pass. Also what a toxic is on an open connection when all that it does is done before
//! anything is dialled.

use std::time::Instant;

use super::{Attributes, Context, Field, Item, Kind, Toxic};

/// The kind.
#[derive(Debug)]
pub(super) struct Noop;

impl Kind for Noop {
    fn name(&self) -> &'static str {
        "noop"
    }

    fn about(&self) -> &'static str {
        "lets everything pass"
    }

    fn fields(&self) -> &'static [Field] {
        &[]
    }

    fn meet(&self, _: &Attributes, _: &mut Context<'_>) -> Box<dyn Toxic> {
        Box::new(Pass::default())
    }
}

/// Holds one item between two calls.
#[derive(Debug, Default)]
pub(crate) struct Pass(Option<Item>);

impl Toxic for Pass {
    fn wants_input(&self) -> bool {
        self.0.is_none()
    }

    fn give(&mut self, item: Item, _: &mut Context<'_>) {
        self.0 = Some(item);
    }

    fn take(&mut self, _: &mut Context<'_>) -> Option<Item> {
        self.0.take()
    }

    fn due(&self) -> Option<Instant> {
        None
    }

    fn update(&mut self, _: &Attributes, _: &mut Context<'_>) {}

    fn release(&mut self, _: &mut Context<'_>) -> Vec<Item> {
        self.0.take().into_iter().collect()
    }
}
