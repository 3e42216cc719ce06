//! What the workloads on PostgreSQL have in common: a table each, and what an error says of the statement's outcome.

use bulkhead_model::Service;
use bulkhead_target::{Error, clients};
use sqlx::{AssertSqlSafe, postgres::PgDatabaseError, postgres::PgSeverity};

use super::{Stage, clients::Trouble};
use crate::{
    cost::{Cost, Unit, prices},
    probes::postgres::words::quoted,
};

/// The table's name with its schema, so that no search path is needed, which a pooler may lose.
pub(super) fn table(stage: &Stage<'_>, name: &str) -> String {
    format!("{}.bulkhead_{name}", quoted(stage.access.tenant.slices.postgres.schema_or_public()))
}

/// Makes the table, empty whatever an earlier case left.
pub(super) async fn create(stage: &Stage<'_>, table: &str, columns: &str) -> Result<(), Error> {
    let mut connection = clients::postgres::connect(stage.access).await?;
    let sql = format!("DROP TABLE IF EXISTS {table}; CREATE TABLE {table} ({columns})");
    let made = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await;
    made.map(drop).map_err(Error::serve(Service::Postgres, format!("make the table {table}")))
}

/// What [`create`] costs.
pub(super) const fn creating() -> Cost {
    prices::connection(Service::Postgres).with(Unit::Bytes, 2 * 1024)
}

/// What the error says of the statement.
pub(super) fn trouble(error: &sqlx::Error) -> Trouble {
    let said = error.as_database_error().and_then(|error| error.try_downcast_ref::<PgDatabaseError>());
    match said {
        Some(said) if is_refusal(said.severity(), said.code()) => {
            Trouble::Refused(format!("{} {}", said.code(), said.message()))
        }
        _ => Trouble::Unsure(error.to_string()),
    }
}

/// Whether the statement certainly did nothing. What ends the session may come after the commit, when only the answer was
/// still to be sent; and a pooler reports connections that broke behind it, as class 08.
fn is_refusal(severity: PgSeverity, code: &str) -> bool {
    // statement_completion_unknown
    severity == PgSeverity::Error && !code.starts_with("08") && code != "40003"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_error_of_the_statement_itself_is_a_refusal() {
        assert!(is_refusal(PgSeverity::Error, "23505"));
        assert!(!is_refusal(PgSeverity::Error, "08006"));
        assert!(!is_refusal(PgSeverity::Error, "40003"));
        assert!(!is_refusal(PgSeverity::Fatal, "57P01"));
    }
}
