//! The house rules as ordinary tests: each holds for the repository, and each goes red on a planted violation.
//!
//! `ci` runs the summary of the whole check, `generated` compares what is checked in, `text` reads files, `tree` reads the dependency graph. Not here: what clippy
//! and `cargo deny` already refuse.

mod ci;
mod generated;
mod text;
mod tree;
