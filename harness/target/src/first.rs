//! Slices that are there as soon as the servers are: those of `bulkhead up`, which knows them before anything starts.
//!
//! Only RabbitMQ makes them at its start, from the definitions file that it reads anyway; the other services make them in a
//! few milliseconds when they are asked for. Whoever asks for other slices gets them as always.

use bulkhead_model::{Enforcement, Service, Tenant, Topology};
use serde::{Deserialize, Serialize};

use crate::keeper::WireTenant;

/// The slices of a topology under their own names.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FirstSlices {
    tenants: Vec<WireTenant>,
    enforcement: [Enforcement; 4],
}

impl FirstSlices {
    /// Those of all tenants, kept apart as the topology says.
    pub fn of(topology: &Topology) -> Self {
        Self {
            tenants: topology.tenants.iter().cloned().map(WireTenant).collect(),
            enforcement: Service::ALL.map(|service| topology.enforcement(service)),
        }
    }

    /// Whose slices on this service, and who keeps them apart there.
    pub(crate) fn on(&self, service: Service) -> (Vec<Tenant>, Enforcement) {
        let tenants = self.tenants.iter().map(|tenant| tenant.0.clone()).collect();
        let enforcement = Service::ALL.into_iter().zip(self.enforcement).find(|(other, _)| *other == service);
        (tenants, enforcement.map_or(Enforcement::Enforced, |(_, enforcement)| enforcement))
    }
}
