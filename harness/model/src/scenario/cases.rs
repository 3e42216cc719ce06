//! Scenarios into the cases of a run: one for each tenant, or one for each ordered pair.

use std::{fmt, sync::Arc};

use super::Scenario;
use crate::{Problem, Problems, TenantName, Topology, document::instead};

/// One concrete run of a scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// `isolation/postgres/read (engine → plane)`, `checklist/database-created (engine)`.
    pub id: String,
    /// What to run.
    pub scenario: Arc<Scenario>,
    /// On whom.
    pub subject: Subject,
}

/// Whom a case is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// One tenant.
    Tenant(TenantName),
    /// One tenant that tries, and the one whose slices it tries.
    Pair {
        /// Who tries.
        from: TenantName,
        /// On whose slices.
        to: TenantName,
    },
}

impl Case {
    fn new(scenario: &Arc<Scenario>, subject: Subject) -> Self {
        Self { id: format!("{} ({subject})", scenario.id()), scenario: Arc::clone(scenario), subject }
    }

    /// The subject as `--case` takes it: `engine`, `engine:plane`.
    pub fn key(&self) -> String {
        match &self.subject {
            Subject::Tenant(tenant) => tenant.to_string(),
            Subject::Pair { from, to } => format!("{from}:{to}"),
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tenant(tenant) => write!(f, "{tenant}"),
            Self::Pair { from, to } => write!(f, "{from} → {to}"),
        }
    }
}

/// The cases of these scenarios on that topology, sorted by id. On one tenant alone probes have no cases.
///
/// # Errors
/// Every tenant that a scenario names and the topology lacks.
pub fn expand(scenarios: &[Scenario], topology: &Topology) -> Result<Vec<Case>, Problems> {
    let mut problems = Vec::new();
    let mut cases = Vec::new();
    for scenario in scenarios {
        problems.extend(
            scenario.tenants.iter().flatten().filter_map(|tenant| unknown(scenario, tenant, topology)),
        );
        let wanted = |name: &TenantName| scenario.tenants.as_ref().is_none_or(|names| names.contains(name));
        let scenario = &Arc::new(scenario.clone());
        if scenario.probes.is_empty() {
            let tenants = topology.tenants.iter().map(|tenant| &tenant.name).filter(|name| wanted(name));
            cases.extend(tenants.map(|name| Case::new(scenario, Subject::Tenant(name.clone()))));
        } else {
            let pairs = topology.pairs().filter(|(from, to)| wanted(&from.name) && wanted(&to.name));
            cases.extend(pairs.map(|(from, to)| {
                Case::new(scenario, Subject::Pair { from: from.name.clone(), to: to.name.clone() })
            }));
        }
    }
    cases.sort_by(|a, b| a.id.cmp(&b.id));
    Problems::unless(problems, cases)
}

fn unknown(scenario: &Scenario, tenant: &TenantName, topology: &Topology) -> Option<Problem> {
    if topology.tenant(tenant.as_str()).is_some() {
        return None;
    }
    let known = topology.tenants.iter().map(|tenant| tenant.name.as_str());
    let what = format!("the topology has no tenant `{tenant}`");
    Some(Problem::new(&*scenario.name, what).hint(instead(tenant.as_str(), known)))
}
