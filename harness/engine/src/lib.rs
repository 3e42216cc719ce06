//! What a run does: probes of a neighbour's slice, the items of the checklist, and workloads under faults, case by
//! case, each in fresh slices, and the history of all of it on disk as it happens.
//!
//! What it is not: it never judges (that is `checks`), shows nothing (that is `report`) and starts no server (that is
//! `target`). Only the recorder stamps time, and only the seed tree makes up values.
//!
//! Start reading at [`run::Runner`]; then [`probes`], [`checklist`], [`workload`], [`faults`] and [`sabotage`], where a new one is a file and a line in its
//! folder's slice.

pub mod accompany;
pub mod audit;
mod beset;
pub mod checklist;
pub mod cost;
pub mod doctor;
pub mod faults;
mod inject;
pub mod leavings;
pub mod links;
mod play;
pub mod probes;
pub mod recorder;
pub mod run;
pub mod sabotage;
pub mod scribe;
pub mod seed;
mod tape;
#[cfg(test)]
mod testing;
mod usage;
pub mod workload;

/// The longest that one call of a probe or a checklist item may take, connecting included.
const CALL_DEADLINE: std::time::Duration = std::time::Duration::from_secs(20);
