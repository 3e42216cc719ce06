//! Service faults: what a managed service does to its clients in trouble of its own, its processes being well.

use bulkhead_model::Service;
use serde::{Deserialize, Serialize};

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ServiceFault {
    /// The tenant's connections are ended by the administrator, once.
    Terminate,
    /// No connection is left for the tenant.
    Exhaust,
    /// The tenant can write nothing.
    ReadOnly,
}

impl ServiceFault {
    /// The services that it can befall.
    pub const fn services(self) -> &'static [Service] {
        match self {
            Self::Terminate | Self::Exhaust | Self::ReadOnly => &[Service::Postgres],
        }
    }

    /// Whether it meets everybody on that service, so that the case has it alone.
    pub const fn needs_alone(self, _on: Service) -> bool {
        match self {
            Self::Terminate | Self::Exhaust | Self::ReadOnly => false,
        }
    }
}
