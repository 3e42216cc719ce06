//! What a service does to its clients in trouble of its own, its processes being well. Each is a line here; how it is
//! done, and where it can be, is the target's.

use bulkhead_model::{
    Service,
    scenario::{Chosen, Kind, Shape, Wanted},
};
use bulkhead_target::{Error, ServiceFault};

use super::{AT, Doing, FOR, Fault, Ground, service};

/// A service fault with what a file says of it.
pub(super) struct Trouble(ServiceFault, Shape<'static>);

/// As in a failover, or when a provider moves a server.
pub(super) static TERMINATE: Trouble = Trouble(
    ServiceFault::Terminate,
    Shape {
        name: "terminate",
        about: "The tenant's connections are ended by the server's administrator, once, when it begins.",
        settings: &[on(ServiceFault::Terminate), AT, FOR],
    },
);

/// As when a provider's limit is reached, or processes of the tenant's that hang on keep all of it.
pub(super) static EXHAUST: Trouble = Trouble(
    ServiceFault::Exhaust,
    Shape {
        name: "exhaust",
        about: "No connection is left for the tenant: it loses those that it has, and new ones are refused (53300).",
        settings: &[on(ServiceFault::Exhaust), AT, FOR],
    },
);

/// As on a standby that a failover left behind, or past a provider's limit on size.
pub(super) static READ_ONLY: Trouble = Trouble(
    ServiceFault::ReadOnly,
    Shape {
        name: "read-only",
        about: "The tenant connects anew, when it begins and when it ends, and can write nothing meanwhile (25006).",
        settings: &[on(ServiceFault::ReadOnly), AT, FOR],
    },
);

/// The services that it can befall, of which a file names one.
const fn on(fault: ServiceFault) -> Wanted<'static> {
    Wanted { name: "service", kind: Kind::Service(fault.services()), usual: None }
}

impl Fault for Trouble {
    fn shape(&self) -> Shape<'static> {
        self.1
    }

    fn disturbs(&self, on: Service) -> bool {
        self.0.needs_alone(on)
    }

    fn begin<'a>(&'a self, ground: &'a Ground<'a>, chosen: &'a Chosen) -> Doing<'a> {
        Box::pin(self.inflict(ground, chosen, true))
    }

    fn undo<'a>(&'a self, ground: &'a Ground<'a>, chosen: &'a Chosen) -> Doing<'a> {
        Box::pin(self.inflict(ground, chosen, false))
    }
}

impl Trouble {
    async fn inflict(&self, ground: &Ground<'_>, chosen: &Chosen, begins: bool) -> Result<u64, Error> {
        ground.target.inflict(service(chosen)?, self.0, &ground.access.tenant, begins).await
    }
}
