//! What the workloads on PostgreSQL have in common: a table each, and what an error says of the statement's outcome.

use bulkhead_model::Service;
use bulkhead_target::{Error, clients};
use sqlx::{AssertSqlSafe, postgres::PgDatabaseError, postgres::PgSeverity};

use super::{Stage, clients::Trouble};
use crate::probes::postgres::words::quoted;

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

/// What the error says of the statement. One that ends the session may come after the commit, when only the answer was
/// still to be sent.
pub(super) fn trouble(error: &sqlx::Error) -> Trouble {
    let refused = error.as_database_error().and_then(|error| error.try_downcast_ref::<PgDatabaseError>());
    match refused {
        Some(refused) if refused.severity() == PgSeverity::Error => {
            Trouble::Refused(format!("{} {}", refused.code(), refused.message()))
        }
        _ => Trouble::Unsure(error.to_string()),
    }
}
