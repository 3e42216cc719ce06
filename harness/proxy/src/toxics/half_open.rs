//! `half_open`: a connection is accepted and nothing is dialled, as behind a load balancer with no server. Connections
//! that were open before go on.

use super::{Admission, Attributes, Context, Field, Kind, Toxic, noop::Pass};

/// The kind.
#[derive(Debug)]
pub(super) struct HalfOpen;

impl Kind for HalfOpen {
    fn name(&self) -> &'static str {
        "half_open"
    }

    fn about(&self) -> &'static str {
        "accepts connections and never dials the upstream"
    }

    fn fields(&self) -> &'static [Field] {
        &[]
    }

    fn meet(&self, _: &Attributes, _: &mut Context<'_>) -> Box<dyn Toxic> {
        Box::new(Pass::default())
    }

    fn admission(&self, _: &Attributes) -> Option<Admission> {
        Some(Admission::Hold)
    }
}
