//! What a run tells whoever watches it. Every report that is shown while the run lasts consumes these.

use crate::{
    Service,
    report::{CaseReport, ServerReport},
};

/// One step of a run, in the order in which they happen.
#[derive(Clone, Debug)]
pub enum RunEvent {
    /// The run has a plan.
    Planned {
        /// The run's id.
        run: String,
        /// Where the services are: `native`, `docker`, `env`.
        target: String,
        /// Why there, where the choice was left open.
        reason: Option<String>,
        /// Where the topology comes from, in words: a file, or that it is built in.
        topology: String,
        /// The seed of every random choice.
        seed: u64,
        /// The tenants' names.
        tenants: Vec<String>,
        /// How many cases there will be.
        cases: usize,
    },
    /// A stand-in is being started.
    StandInStarting(Service),
    /// A stand-in answers.
    StandInReady(ServerReport),
    /// A remark for the reader that changes nothing ("plain start: …").
    Note(String),
    /// A case began.
    CaseStarted {
        /// Its id.
        id: String,
    },
    /// A case was judged.
    CaseEnded(CaseReport),
}
