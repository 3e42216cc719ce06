//! Probes of a neighbour's database, or of its schema in a database that both use.
//!
//! Left to the catalogue, because stock servers allow them: listing databases, roles and other schemas' tables through
//! `pg_catalog`, row counts and sizes through the statistics views, temporary tables in the neighbour's database.

use super::Probe;

mod delete_foreign_rows;
pub(crate) mod ground;
mod insert_foreign_row;
mod list_foreign_tables;
mod select_foreign_rows;

pub(crate) use ground::Ground;

/// All of them, in the order of the matrix.
pub const ALL: &[&dyn Probe] = &[
    &select_foreign_rows::SelectForeignRows,
    &insert_foreign_row::InsertForeignRow,
    &delete_foreign_rows::DeleteForeignRows,
    &list_foreign_tables::ListForeignTables,
];
