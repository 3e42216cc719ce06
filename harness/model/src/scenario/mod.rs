//! Scenario files: what to run, on whom, and what must hold. One YAML file a scenario, folders by intent.
//!
//! [`Scenario::parse`] reads one file, [`load`] whole folders, [`expand`] makes the cases of a run, [`schema`] says
//! what an editor may offer. Probes and invariants live in other rooms: their names come in as [`Known`].

use std::time::Duration;

use crate::{Class, Item, Service, TenantName};

mod cases;
mod files;
mod parse;
mod schema;
mod work;

pub use self::{
    cases::{Case, Subject, expand},
    files::load,
    schema::schema,
    work::{Chosen, Kind, Setting, Shape, Wanted},
};

/// One scenario file, read and checked.
///
/// It expands to cases: one for each ordered pair of tenants when it names probes, one for each tenant when it names
/// checklist items or a workload. A file names one of the three.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scenario {
    /// The path below `scenarios/` without `.yaml`: `isolation/postgres/read`.
    pub name: String,
    /// One line.
    pub title: String,
    /// Why it matters to the apps.
    pub why: String,
    /// Words to choose by.
    pub tags: Vec<String>,
    /// The tenants it is about; all when absent.
    pub tenants: Option<Vec<TenantName>>,
    /// Names of probes, `<service>.<words>`, or `<service>.<class>` for all of a class.
    pub probes: Vec<String>,
    /// Checklist items.
    pub checklist: Vec<Item>,
    /// What the tenant's app does.
    pub workload: Vec<Chosen>,
    /// How long it does so; zero without a workload.
    pub run_for: Duration,
    /// What is done to it meanwhile.
    pub faults: Vec<Chosen>,
    /// Names of the invariants that must hold.
    pub expect: Vec<String>,
}

impl Scenario {
    /// Whether the scenario runs that probe: it names it, or its class.
    pub fn selects(&self, probe: &str, service: Service, class: Class) -> bool {
        self.probes.iter().any(|selector| selects(selector, probe, service, class))
    }
}

fn selects(selector: &str, probe: &str, service: Service, class: Class) -> bool {
    selector == probe || selector.split_once('.') == Some((service.name(), class.name()))
}

/// The names that scenario files may use and that live in other rooms.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// Every probe with its service and class.
    pub probes: &'a [(&'a str, Service, Class)],
    /// Every workload.
    pub workloads: &'a [Shape<'a>],
    /// Every fault.
    pub faults: &'a [Shape<'a>],
    /// Every invariant.
    pub invariants: &'a [&'a str],
}

/// The words that a scenario may be chosen by, besides the services' and the classes' names.
pub const AREAS: [&str; 5] = ["isolation", "checklist", "chaos", "security", "neighbour"];

/// Every word that `tags` may hold.
pub fn tags() -> impl Iterator<Item = &'static str> {
    let services = Service::ALL.into_iter().map(Service::name);
    AREAS.into_iter().chain(services).chain(Class::ALL.into_iter().map(Class::name))
}
