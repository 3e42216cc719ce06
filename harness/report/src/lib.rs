//! Shows what a run came to: on a terminal while it lasts, and as JSON, JUnit, Markdown and the checklist afterwards.
//!
//! Every report consumes the same [`bulkhead_model::RunEvent`]s and the same [`bulkhead_model::RunReport`] and writes
//! to a sink that it is given. What the room is not: it judges nothing, opens no file, picks no exit code and knows
//! neither the target nor the engine. Everything it shows went through [`redact`] first.
//!
//! Start reading at [`terminal`]; a new kind of report is a module beside [`json`].

pub mod bench;
pub mod charts;
pub mod checklist;
pub mod compare;
pub mod counts;
pub mod doctor;
pub mod explain;
pub mod hdr;
pub mod json;
pub mod junit;
pub mod markdown;
pub mod matrix;
pub mod proof;
pub mod redact;
pub mod reference;
pub mod terminal;
pub mod text;

#[cfg(test)]
mod samples;

pub use counts::Counts;
pub use terminal::{Look, Terminal, Verbosity};
