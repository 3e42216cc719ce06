//! Probes of a neighbour's keys.
//!
//! Left to the catalogue, because stock servers allow them even where every key is fenced: `SCAN` and `RANDOMKEY` return
//! names, client-side tracking pushes them, `DBSIZE` and `PUBSUB CHANNELS` count them, scripts and functions are common
//! to all, other logical databases are open.

use super::Probe;

mod delete_foreign_key;
mod foreign_key_exists;
mod get_foreign_key;
pub(crate) mod ground;
mod set_foreign_key;

pub(crate) use ground::Ground;

/// All of them, in the order of the matrix.
pub const ALL: &[&dyn Probe] = &[
    &get_foreign_key::GetForeignKey,
    &set_foreign_key::SetForeignKey,
    &delete_foreign_key::DeleteForeignKey,
    &foreign_key_exists::ForeignKeyExists,
];
