//! Scenario files: what to run, on whom, and what must hold. One YAML file a scenario, folders by intent.

use crate::{Item, TenantName};

/// One scenario file, read and checked.
///
/// It expands to cases: one for each ordered pair of tenants when it names probes, one for each tenant when it names
/// checklist items. A file names one or the other.
#[derive(Clone, Debug, PartialEq, Eq)]
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
    /// Names of the invariants that must hold.
    pub expect: Vec<String>,
}
