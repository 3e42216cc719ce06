//! The ordered record of one case: JSON Lines, one [`Event`] a line, written as it happens.
//!
//! Checks read nothing else. A history that was cut off by a killed run is still readable up to its last whole line.

use serde::{Deserialize, Serialize};

use crate::{AuditRecord, ItemRecord, ProbeRecord};

/// One line of a history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Nanoseconds since the run began, on its one monotonic clock.
    pub at: u64,
    /// What happened.
    #[serde(flatten)]
    pub kind: EventKind,
}

/// What a history can hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum EventKind {
    /// The case began.
    CaseStarted {
        /// The case's id: `isolation/postgres/read (engine → plane)`.
        case: String,
    },
    /// A probe was made and answered.
    Probe(ProbeRecord),
    /// A checklist item was examined.
    Item(ItemRecord),
    /// Everything that the case's tenants wrote to a service was looked at.
    Audit(AuditRecord),
    /// The case could not go on; what was tried and why it failed.
    Broken {
        /// The whole chain of causes.
        error: String,
    },
    /// The case ended by itself. A history without this line was cut off.
    CaseEnded,
}
