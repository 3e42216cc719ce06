//! What a look at a tenant's services came to: what was looked at, and what is wrong with it.

use serde::{Deserialize, Serialize};

use super::{Diagnosis, Seen, Weight};
use crate::{Service, TenantName};

/// Everything that `doctor` found: the document that its `--format json` prints.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DoctorReport {
    /// The document's version: 1.
    pub version: u32,
    /// Whether nothing is wrong. Findings that only say beware leave it true.
    pub healthy: bool,
    /// What was looked at, in the topology's order.
    pub looked: Vec<Looked>,
    /// What is wrong, in the same order, what is seen in variables first.
    pub findings: Vec<Finding>,
}

/// One service of one tenant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Looked {
    /// Whose.
    pub tenant: TenantName,
    /// Which service.
    pub service: Service,
    /// Where it is, without a secret; empty when the variables do not say.
    pub place: String,
    /// Whether it answered and nothing is wrong with it.
    pub healthy: bool,
    /// What was seen: the version, the handshake, the read; or why nothing was.
    pub seen: String,
}

/// One thing that is wrong, or of which to beware.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Whose.
    pub tenant: TenantName,
    /// Which service.
    pub service: Service,
    /// The variable, or the address that was asked.
    pub place: String,
    /// Where it was seen.
    pub seen: Seen,
    /// Whether something is wrong.
    pub weight: Weight,
    /// What was found there, in the words of the answer where there was one; no secret.
    pub what: String,
    /// What to do, when no diagnosis says it better.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// What it means, when it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diagnosis: Option<Diagnosis>,
}

impl DoctorReport {
    /// Puts the two lists together.
    pub fn new(looked: Vec<Looked>, findings: Vec<Finding>) -> Self {
        let wrong = findings.iter().any(|finding| finding.weight == Weight::Wrong);
        Self { version: 1, healthy: !wrong && looked.iter().all(|one| one.healthy), looked, findings }
    }
}
