//! The one result model. Terminal, JSON, JUnit and Markdown all show this and nothing else.

use serde::{Deserialize, Serialize};

use crate::{
    AuditRecord, Class, Enforcement, Item, Outcome, Service, TenantName, Verdict, doctor::Diagnosis,
};

/// Everything a run came to: the document that `--format json` prints.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RunReport {
    /// The document's version: 1.
    pub version: u32,
    /// The run's id.
    pub run: String,
    /// The seed of every random choice.
    pub seed: u64,
    /// `native`, `docker` or `env`.
    pub target: String,
    /// Why there, where the choice was left open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_reason: Option<String>,
    /// Which proxy broke the links, where it was not the harness's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub links: Option<String>,
    /// The worst of all cases.
    pub verdict: Verdict,
    /// How long the whole run took.
    pub duration_ms: u64,
    /// The tenants, in the topology's order.
    pub tenants: Vec<TenantName>,
    /// The servers that answered.
    pub servers: Vec<ServerReport>,
    /// The cases, in the order of their ids.
    pub cases: Vec<CaseReport>,
    /// The probes, one row each.
    pub isolation: Vec<IsolationRow>,
    /// The checklist, one row for each tenant and item.
    pub checklist: Vec<ChecklistRow>,
}

impl RunReport {
    /// The id under which the look at all of a service over the whole run stands among the cases.
    pub fn audit_id(service: Service) -> String {
        format!("audit/{service}")
    }
}

/// One server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerReport {
    /// Which service it plays.
    pub service: Service,
    /// What it is: `postgres`, `redis`, `valkey`, `rabbitmq`, `embedded`, `minio`, `seaweedfs`, `rustfs`,
    /// `garage`.
    pub product: String,
    /// Its version as it reports it itself.
    pub version: String,
    /// From start to ready; 0 when a running one was joined.
    pub startup_ms: u64,
}

/// One case.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CaseReport {
    /// `<scenario path without .yaml> (<expansion>)`.
    pub id: String,
    /// The scenario's title.
    pub title: String,
    /// The scenario's reason.
    pub why: String,
    /// The worst of its invariants; `unknown` when it broke.
    pub verdict: Verdict,
    /// Set when the case was not run at all, with the reason. Such a case never counts as passed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skipped: Option<String>,
    /// How long it took.
    pub duration_ms: u64,
    /// The faults that were in force.
    pub faults: Vec<String>,
    /// What was judged.
    pub invariants: Vec<InvariantReport>,
    /// What each attempt came to, in their order, when there was more than one. All else is of the worst of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attempts: Vec<Verdict>,
    /// For a case that did not pass, the likely cause and how to close it, when the rows name one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub likely: Option<String>,
    /// For a case that did not pass, what is known about the texts of its errors.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub diagnoses: Vec<Diagnosis>,
    /// The one line that runs this case again.
    pub repro: String,
    /// For a case that did not pass, the last lines of the logs of the servers concerned.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub logs: Vec<LogTail>,
}

/// One invariant's verdict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InvariantReport {
    /// Its name as `expect:` spells it.
    pub name: String,
    /// What it came to.
    pub verdict: Verdict,
    /// A sentence: the number with its bound, the first witness, what is missing.
    pub evidence: String,
}

/// The end of a server's log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogTail {
    /// Whose log.
    pub service: Service,
    /// Its last lines, secrets masked.
    pub lines: Vec<String>,
}

/// One probe's row of the isolation matrix.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct IsolationRow {
    /// Who tried.
    pub from: TenantName,
    /// On whose slice.
    pub to: TenantName,
    /// Where.
    pub service: Service,
    /// The probe's name.
    pub probe: String,
    /// What it tried.
    pub class: Class,
    /// How the server answered.
    pub outcome: Outcome,
    /// What the topology promises.
    pub policy: Enforcement,
    /// The outcome judged against the policy.
    pub verdict: Verdict,
    /// The call and the answer.
    pub evidence: String,
    /// How to close it; empty when there is nothing to close.
    pub fix: String,
    /// Why no setting of this server closes it; empty when one does.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub inherent: String,
    /// The server and its version.
    pub server: String,
    /// What the case's audit of the service found, where there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audit: Option<AuditRecord>,
}

/// One row of the checklist.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ChecklistRow {
    /// Whose.
    pub tenant: TenantName,
    /// Which item.
    pub item: Item,
    /// The service it is about, or none for all four.
    pub service: Option<Service>,
    /// Whether it holds.
    pub done: bool,
    /// What shows it, or why not.
    pub evidence: String,
    /// What to do; empty when it holds.
    pub fix: String,
}
