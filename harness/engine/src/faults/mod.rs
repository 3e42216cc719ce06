//! Faults: what is done to a case while its workloads work. Each begins, lasts and is undone.
//!
//! A new one is a file and a line in [`ALL`].

use bulkhead_model::{
    Service, Unit,
    scenario::{Chosen, Kind, Shape, Wanted},
};
use bulkhead_target::{Error, Target};
use futures::future::BoxFuture;

use crate::links::Links;

mod down;
mod evict;
mod process;
mod toxic;

/// Every fault.
pub static ALL: [&dyn Fault; 14] = [
    &down::Down,
    &evict::Evict,
    &process::PAUSE,
    &process::KILL,
    &process::RESTART,
    &toxic::LATENCY,
    &toxic::BANDWIDTH,
    &toxic::SLOW_CLOSE,
    &toxic::TIMEOUT,
    &toxic::RESET_PEER,
    &toxic::SLICER,
    &toxic::LIMIT_DATA,
    &toxic::BLACKHOLE,
    &toxic::HALF_OPEN,
];

/// Where a fault is.
const SERVICE: Wanted<'static> = Wanted { name: "service", kind: Kind::Service, usual: None };

/// When it begins, after the workloads do.
const AT: Wanted<'static> = Wanted { name: "at", kind: Kind::Amount(Unit::Time, 0..=600_000), usual: None };

/// How long it lasts.
const FOR: Wanted<'static> =
    Wanted { name: "for", kind: Kind::Amount(Unit::Time, 1..=600_000), usual: Some("1s") };

/// Something that is done to a case.
pub trait Fault: Sync {
    /// Its name and what it may be told. Every fault has `at` and `for`.
    fn shape(&self) -> Shape<'static>;

    /// Whether it is done to a whole server, which the case then has alone.
    fn disturbs(&self) -> bool {
        false
    }

    /// Begins it.
    ///
    /// # Errors
    /// When it could not be begun; then nothing is changed.
    fn begin<'a>(&'a self, ground: &'a Ground<'a>, chosen: &'a Chosen) -> Doing<'a>;

    /// Undoes it, and says how many connections or bytes it touched.
    ///
    /// # Errors
    /// When it could not be undone.
    fn undo<'a>(&'a self, ground: &'a Ground<'a>, chosen: &'a Chosen) -> Doing<'a>;
}

/// A fault that begins or ends: how much it has touched.
pub type Doing<'a> = BoxFuture<'a, Result<u64, Error>>;

/// What faults reach.
pub struct Ground<'a> {
    /// The case's links.
    pub links: &'a Links,
    /// The tenant whose links they are.
    pub access: &'a bulkhead_target::TenantAccess,
    /// Where the servers are.
    pub target: &'a dyn Target,
    /// Which of the case's faults it is, from 1.
    pub number: usize,
}

impl Ground<'_> {
    /// How many connections the tenant's link to that service has.
    fn open(&self, service: Service) -> u64 {
        let name = Links::name(self.access, service);
        let open = self.links.proxies().connections();
        let count = open.iter().filter(|connection| *connection.proxy == *name).count();
        u64::try_from(count).unwrap_or(u64::MAX)
    }
}

/// The service that a fault is on.
fn service(chosen: &Chosen) -> Result<Service, Error> {
    let named = chosen.service(SERVICE.name);
    named.ok_or_else(|| Error::Reported(format!("`{}` names no service", chosen.name)))
}

/// The services whose servers these faults are done to.
pub fn disturbed(faults: &[Chosen]) -> Vec<Service> {
    let disturbing = faults.iter().filter(|chosen| find(&chosen.name).is_some_and(Fault::disturbs));
    let mut services: Vec<_> = disturbing.filter_map(|chosen| chosen.service(SERVICE.name)).collect();
    services.sort_unstable();
    services.dedup();
    services
}

/// The fault of that name.
pub fn find(name: &str) -> Option<&'static dyn Fault> {
    ALL.into_iter().find(|fault| fault.shape().name == name)
}

/// What a fault is called in a history.
pub fn words(chosen: &Chosen) -> String {
    match chosen.service("service") {
        Some(service) => format!("{} {service}", chosen.name),
        None => chosen.name.clone(),
    }
}
