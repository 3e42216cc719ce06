//! Plain data that every other room speaks: who shares what (topology), what to run (scenario), what happened
//! (history) and what it means (verdict, report).
//!
//! What it is not: it starts nothing, connects to nothing, reads no clock and draws no random number. Parsers take
//! text and return values with *all* the problems they found, each with its place.
//!
//! Start reading at [`topology`], then [`scenario`], then [`history`].

pub mod amount;
pub mod audit;
pub mod bench;
pub mod checklist;
pub mod doctor;
mod document;
pub mod history;
pub mod name;
pub mod op;
pub mod probe;
pub mod problem;
pub mod progress;
pub mod proof;
pub mod report;
pub mod scenario;
pub mod secret;
pub mod service;
pub mod slice;
pub mod topology;
pub mod url;
pub mod verdict;

pub use amount::{Amount, Unit};
pub use audit::{AuditRecord, RunAudit};
pub use checklist::{Item, ItemRecord};
pub use name::{Scope, TenantName};
pub use op::{
    Act, Content, Effect, Ended, Ending, Entry, FaultRecord, Found, Invoked, LinkTouch, LockoutRecord, OpId,
    TouchRecord, answer_to,
};
pub use probe::{Class, Control, Outcome, ProbeRecord};
pub use problem::{Problem, Problems};
pub use progress::RunEvent;
pub use report::RunReport;
pub use secret::Secret;
pub use service::{Enforcement, Service};
pub use slice::{PostgresSlice, RabbitmqSlice, RedisSlice, S3Slice, Slices};
pub use topology::{Sharing, Tenant, Topology};
pub use verdict::Verdict;
