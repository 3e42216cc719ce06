//! Scenario files: what to run, on whom, and what must hold. One YAML file a scenario, folders by intent.
//!
//! [`Scenario::parse`] reads one file, [`load`] whole folders, [`expand`] makes the cases of a run, [`schema`] says
//! what an editor may offer. Probes and invariants live in other rooms: their names come in as [`Known`].

use std::{fmt, time::Duration};

use crate::{Amount, Class, Item, Service, TenantName, Unit};

mod cases;
mod each;
mod expect;
mod files;
mod parse;
mod schema;
mod whose;
mod work;

pub use self::{
    cases::{Case, Subject, expand},
    files::load,
    parse::faults,
    schema::schema,
    whose::Whose,
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
    /// Which of those that `for-each` makes of the file: `fault=down`; empty where there is but one.
    pub variant: String,
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
    /// The invariants that must hold.
    pub expect: Vec<Expected>,
}

/// An invariant that must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// Its name.
    pub name: String,
    /// Its bound, for one that has one.
    pub bound: Option<Amount>,
}

impl Expected {
    /// One without a bound.
    pub fn plain(name: impl Into<String>) -> Self {
        Self { name: name.into(), bound: None }
    }
}

impl fmt::Display for Expected {
    /// As a scenario file has it: `nothing-lost`, `recovers-within: 5s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.bound {
            None => f.write_str(&self.name),
            Some(bound) => write!(f, "{}: {bound}", self.name),
        }
    }
}

impl Scenario {
    /// What no other scenario is called: `chaos/redis/rate-limit [fault=down]`.
    pub fn id(&self) -> String {
        match self.variant.as_str() {
            "" => self.name.clone(),
            variant => format!("{} [{variant}]", self.name),
        }
    }

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
    /// Every invariant, and what its bound measures where it has one.
    pub invariants: &'a [(&'a str, Option<Unit>)],
}

/// The words that a scenario may be chosen by, besides the services' and the classes' names.
pub const AREAS: [&str; 5] = ["isolation", "checklist", "chaos", "security", "neighbour"];

/// Every word that `tags` may hold.
pub fn tags() -> impl Iterator<Item = &'static str> {
    let services = Service::ALL.into_iter().map(Service::name);
    AREAS.into_iter().chain(services).chain(Class::ALL.into_iter().map(Class::name))
}
