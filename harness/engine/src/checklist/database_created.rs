//! "PostgreSQL database created": the tenant's role reaches its database, or its schema, and can work there.

use bulkhead_model::{Item, Service};
use bulkhead_target::{Error, clients};
use sqlx::{AssertSqlSafe, PgConnection};
use tokio::time::Instant;

use super::{ChecklistItem, Examination, Examining, NotDone, RoundTrips};
use crate::probes::postgres::words::quoted;

pub(super) struct DatabaseCreated;

impl ChecklistItem for DatabaseCreated {
    fn item(&self) -> Item {
        Item::DatabaseCreated
    }

    fn examine<'a>(&'a self, examination: &'a Examination<'a>) -> Examining<'a> {
        Box::pin(async move {
            let slice = &examination.access.tenant.slices.postgres;
            let url = &examination.access.connections.postgres;
            let (role, database) = (quoted(&url.user), quoted(&slice.database));
            let create = match &slice.schema {
                None => format!(
                    "CREATE DATABASE {database} OWNER {role}; and the password in the URL must be {role}'s"
                ),
                Some(schema) => {
                    format!("in database {database}: CREATE SCHEMA {} AUTHORIZATION {role};", quoted(schema))
                }
            };
            if url.database != slice.database {
                let reason =
                    format!("the URL names database `{}`, the topology `{}`", url.database, slice.database);
                return Err(NotDone::new(reason, "change the URL or the topology, whichever is wrong"));
            }
            let not_done = |error: Error| NotDone::of(&error, create.clone());
            let mut connection = clients::postgres::connect(examination.access).await.map_err(not_done)?;
            let work = work(&mut connection, slice.schema_or_public()).await;
            let trips = work
                .map_err(Error::serve(Service::Postgres, format!("work in {slice}")))
                .map_err(not_done)?;
            let server = examination.server(Service::Postgres).await?;
            Ok(format!("{server}, {slice}, row written and read back, {}", trips.text()))
        })
    }
}

/// Writes a row in a table of the tenant's, reads it back, takes both away, and measures.
async fn work(connection: &mut PgConnection, schema: &str) -> sqlx::Result<RoundTrips> {
    let table = format!("{}.bulkhead_checklist", quoted(schema));
    for sql in [
        format!("CREATE TABLE IF NOT EXISTS {table} (token text NOT NULL)"),
        format!("INSERT INTO {table} VALUES ('written')"),
    ] {
        sqlx::query(AssertSqlSafe(sql)).execute(&mut *connection).await?;
    }
    let sql = format!("SELECT token FROM {table} LIMIT 1");
    let read: String = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&mut *connection).await?;
    sqlx::query(AssertSqlSafe(format!("DROP TABLE {table}"))).execute(&mut *connection).await?;
    if read != "written" {
        return Err(sqlx::Error::Protocol(format!("read `{read}` instead of what was written")));
    }
    let mut trips = RoundTrips::new();
    while trips.wanted() {
        let begun = Instant::now();
        sqlx::query("SELECT 1").execute(&mut *connection).await?;
        trips.took(begun);
    }
    Ok(trips)
}
