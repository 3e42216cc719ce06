//! `refuse`: a connection is reset as soon as it is accepted. Connections that were open before go on. The reset itself
//! is the connection's to make.

use super::{Admission, Attributes, Context, Field, Kind, Toxic, noop::Pass};

/// The kind.
#[derive(Debug)]
pub(super) struct Refuse;

impl Kind for Refuse {
    fn name(&self) -> &'static str {
        "refuse"
    }

    fn about(&self) -> &'static str {
        "resets connections as soon as they are accepted"
    }

    fn fields(&self) -> &'static [Field] {
        &[]
    }

    fn meet(&self, _: &Attributes, _: &mut Context<'_>) -> Box<dyn Toxic> {
        Box::new(Pass::default())
    }

    fn admission(&self, _: &Attributes) -> Option<Admission> {
        Some(Admission::Refuse)
    }
}
