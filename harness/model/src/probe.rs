//! What a probe is called, what it may find and the row that it leaves.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Enforcement, Service, TenantName};

/// What a probe tries on the neighbour's slice.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// See content.
    Read,
    /// Add or change content.
    Write,
    /// Remove content.
    Delete,
    /// Change settings, grants or other tenants' sessions.
    Administer,
    /// Learn names, counts, sizes or existence.
    Enumerate,
    /// Use up a budget that both share.
    Exhaust,
}

impl Class {
    /// Every class, in the order of the matrix.
    pub const ALL: [Self; 6] =
        [Self::Read, Self::Write, Self::Delete, Self::Administer, Self::Enumerate, Self::Exhaust];

    /// The word in files and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Delete => "delete",
            Self::Administer => "administer",
            Self::Enumerate => "enumerate",
            Self::Exhaust => "exhaust",
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// How the server answered. The order is the severity: the worst of a matrix cell is its maximum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// The server refused.
    Denied,
    /// The server answered as if nothing were there.
    Invisible,
    /// Not attempted, or not to any end: it takes something that this run does not have.
    Skipped,
    /// No answer that says either.
    Unknown,
    /// A leak: it worked.
    Allowed,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Denied => "denied",
            Self::Invisible => "invisible",
            Self::Skipped => "skipped",
            Self::Unknown => "unknown",
            Self::Allowed => "allowed",
        })
    }
}

/// The positive control: the same call by the same client on its own slice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Control {
    /// Whether it succeeded. When it did not, the probe says nothing about isolation.
    pub held: bool,
    /// What was done and what came back.
    pub detail: String,
}

impl ProbeRecord {
    /// Whether something got through.
    pub fn leaked(&self) -> bool {
        self.canary_seen || self.outcome == Outcome::Allowed
    }
}

/// One probe by one tenant on another's slice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeRecord {
    /// Who tried.
    pub from: TenantName,
    /// On whose slice.
    pub to: TenantName,
    /// Where.
    pub service: Service,
    /// The probe's name, `<service>.<words>`: `postgres.select-foreign-rows`.
    pub probe: String,
    /// What it tries.
    pub class: Class,
    /// The positive control.
    pub control: Control,
    /// How the server answered the probe itself.
    pub outcome: Outcome,
    /// Whether the neighbour's canary was in anything received: replies, errors, pushed messages.
    pub canary_seen: bool,
    /// What the topology promises for this service.
    pub policy: Enforcement,
    /// The call and the answer, secrets left out.
    pub evidence: String,
    /// How to close the leak, in the service's own language; empty when there is none to close.
    pub fix: String,
    /// For a leak that no setting of this server closes, why; empty otherwise. Such a leak is shown and does not fail.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub inherent: String,
    /// The server and its version: `postgres 15.18`.
    pub server: String,
}
