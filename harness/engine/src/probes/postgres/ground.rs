//! What both tenants plant on PostgreSQL, and the ways in which the probing tenant asks there.

use bulkhead_model::{Outcome, PostgresSlice, Service};
use bulkhead_target::{Error, TenantAccess, clients};
use sqlx::{AssertSqlSafe, PgConnection, Row};
use tokio::sync::{Mutex, MutexGuard};

use super::delete_foreign_rows::DOOMED;
use crate::probes::{
    Pair, Side,
    answer::{Answer, cause, chain},
};

/// The table that each tenant plants in its own slice.
pub(super) const TABLE: &str = "bulkhead_canary";

/// Both slices hold [`TABLE`] and [`DOOMED`] with one row each, and an empty table whose name only the owner knows.
pub(crate) struct Ground {
    /// The probing tenant in its own database.
    own: Mutex<PgConnection>,
    /// The neighbour in its own database.
    neighbour: Option<Mutex<PgConnection>>,
    /// The probing tenant in the neighbour's database, or how it was kept out.
    foreign: Result<Mutex<PgConnection>, (Outcome, String)>,
}

/// A statement for a person to read and for the server to run.
pub(super) enum Statement<'a> {
    /// Its first column comes back.
    Rows(String, &'a str),
    /// It changes rows.
    Change(String, &'a str),
}

impl Ground {
    /// Plants on both sides, each by its owner.
    ///
    /// # Errors
    /// When a tenant cannot work in its own slice.
    pub(crate) async fn plant(pair: &Pair<'_>) -> Result<Self, Error> {
        let neighbour = async {
            match pair.owner(Side::Foreign) {
                None => Ok(None),
                Some(access) => plant(access, pair.canary()).await.map(Some),
            }
        };
        let (own, neighbour) = tokio::join!(plant(pair.from, pair.planted(Side::Own)), neighbour);
        let (own, neighbour) = (own?, neighbour?);
        let mut access = pair.from.clone();
        access.connections.postgres.database.clone_from(&pair.to.slices.postgres.database);
        let foreign = clients::postgres::connect(&access).await;
        let foreign = foreign.map(Mutex::new).map_err(|error| read_error(&error));
        Ok(Self { own: Mutex::new(own), neighbour: neighbour.map(Mutex::new), foreign })
    }

    /// The owner's own connection to the side's slice.
    pub(super) async fn owner(&self, side: Side) -> Option<MutexGuard<'_, PgConnection>> {
        match side {
            Side::Own => Some(self.own.lock().await),
            Side::Foreign => Some(self.neighbour.as_ref()?.lock().await),
        }
    }

    /// Runs something as the probing tenant in the side's database. Where it was kept out of that, this is the answer.
    pub(super) async fn ask<'g, F>(
        &'g self,
        pair: &Pair<'_>,
        side: Side,
        what: String,
        run: impl FnOnce(MutexGuard<'g, PgConnection>) -> F,
    ) -> Answer
    where
        F: Future<Output = Result<(Outcome, String), sqlx::Error>>,
    {
        let (database, user) =
            (&pair.tenant(side).slices.postgres.database, &pair.from.connections.postgres.user);
        let call = format!("{what} in database `{database}` as `{user}`");
        let connection = match side {
            Side::Own => Ok(&self.own),
            Side::Foreign => self.foreign.as_ref(),
        };
        Answer::of(call, async {
            match connection {
                Err((outcome, text)) => (*outcome, format!("not let in: {text}")),
                Ok(connection) => {
                    run(connection.lock().await).await.unwrap_or_else(|error| read_error(&error))
                }
            }
        })
        .await
    }

    /// Runs one statement as the probing tenant in the side's database.
    pub(super) async fn state(&self, pair: &Pair<'_>, side: Side, statement: Statement<'_>) -> Answer {
        let (Statement::Rows(sql, _) | Statement::Change(sql, _)) = &statement;
        let what = format!("`{sql}`");
        self.ask(pair, side, what, |mut connection| async move { run(&mut connection, &statement).await })
            .await
    }

    /// How many rows of [`TABLE`] hold this token, as the side's owner sees it; `None` when there is no owner to ask.
    pub(super) async fn count(&self, pair: &Pair<'_>, side: Side, token: &str) -> Option<Result<i64, Error>> {
        let slice = &pair.tenant(side).slices.postgres;
        let mut owner = self.owner(side).await?;
        let sql = format!("SELECT count(*) FROM {} WHERE token = $1", table(slice));
        let counted = sqlx::query_scalar(AssertSqlSafe(sql)).bind(token).fetch_one(&mut *owner).await;
        Some(counted.map_err(Error::serve(Service::Postgres, format!("count rows in {slice}"))))
    }
}

/// The planted table in a slice, quoted.
pub(super) fn table(slice: &PostgresSlice) -> String {
    format!("{}.{TABLE}", quoted(slice.schema_or_public()))
}

/// A name as an identifier.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The statement that takes a neighbour's grants back from the probing role, and what else lets it in.
pub(super) fn revoke(pair: &Pair<'_>, privilege: &str) -> String {
    let slice = &pair.to.slices.postgres;
    let (role, schema) = (quoted(&pair.from.connections.postgres.user), quoted(slice.schema_or_public()));
    let database = quoted(&slice.database);
    let table = format!("REVOKE {privilege} ON ALL TABLES IN SCHEMA {schema} FROM {role}, PUBLIC;");
    match &slice.schema {
        None => format!("REVOKE CONNECT ON DATABASE {database} FROM {role}, PUBLIC; {table}"),
        Some(_) => format!("{table} REVOKE ALL ON SCHEMA {schema} FROM {role}, PUBLIC;"),
    }
}

async fn plant(owner: &TenantAccess, token: String) -> Result<PgConnection, Error> {
    let slice = &owner.tenant.slices.postgres;
    let mut connection = clients::postgres::connect(owner).await?;
    let (schema, table) = (quoted(slice.schema_or_public()), table(slice));
    let statements = [
        format!("CREATE TABLE IF NOT EXISTS {table} (token text NOT NULL)"),
        format!("DELETE FROM {table}"),
        format!("INSERT INTO {table} VALUES ('{token}')"),
        format!("CREATE TABLE IF NOT EXISTS {schema}.{DOOMED} (token text NOT NULL)"),
        format!("DELETE FROM {schema}.{DOOMED}"),
        format!("INSERT INTO {schema}.{DOOMED} VALUES ('{token}')"),
        // A name to be found by whoever lists tables: nobody but the owner ever sends it.
        format!("DROP TABLE IF EXISTS {schema}.bulkhead_{token}"),
        format!("CREATE TABLE {schema}.bulkhead_{token} ()"),
    ];
    for sql in statements {
        let done = sqlx::query(AssertSqlSafe(sql)).execute(&mut connection).await;
        done.map_err(Error::serve(
            Service::Postgres,
            format!("plant a canary for `{}` in {slice}", owner.tenant.name),
        ))?;
    }
    Ok(connection)
}

async fn run(
    connection: &mut PgConnection,
    statement: &Statement<'_>,
) -> Result<(Outcome, String), sqlx::Error> {
    match statement {
        Statement::Rows(sql, argument) => {
            let rows = sqlx::query(AssertSqlSafe(sql.clone())).bind(argument).fetch_all(connection).await?;
            let values: Result<Vec<String>, _> = rows.iter().map(|row| row.try_get(0)).collect();
            let values = values?;
            let outcome = if values.is_empty() { Outcome::Invisible } else { Outcome::Allowed };
            Ok((outcome, format!("{} rows: {}", values.len(), values.join(", "))))
        }
        Statement::Change(sql, argument) => {
            let done = sqlx::query(AssertSqlSafe(sql.clone())).bind(argument).execute(connection).await?;
            let outcome = if done.rows_affected() == 0 { Outcome::Invisible } else { Outcome::Allowed };
            Ok((outcome, format!("{} rows changed", done.rows_affected())))
        }
    }
}

/// What an error says about isolation: refused, not there, or nothing at all.
fn read_error(error: &(dyn std::error::Error + 'static)) -> (Outcome, String) {
    let Some(sqlx::Error::Database(refusal)) = cause::<sqlx::Error>(error) else {
        return (Outcome::Unknown, chain(error));
    };
    let code = refusal.code().unwrap_or_default();
    let outcome = match code.as_ref() {
        // insufficient_privilege; invalid_authorization_specification, which `pg_hba.conf` answers.
        "42501" | "28000" => Outcome::Denied,
        // A proxy before the server gives its own code to what the server refused while connecting.
        "XX000" if refusal.message().starts_with("permission denied") => Outcome::Denied,
        // undefined_table, invalid_schema_name, invalid_catalog_name
        "42P01" | "3F000" | "3D000" => Outcome::Invisible,
        _ => Outcome::Unknown,
    };
    let mut text = format!("{code} {}", refusal.message());
    if let Some(error) = refusal.try_downcast_ref::<sqlx::postgres::PgDatabaseError>() {
        let more = [("detail", error.detail()), ("hint", error.hint()), ("where", error.r#where())];
        for (label, part) in more.into_iter().filter_map(|(label, part)| Some((label, part?))) {
            text.push_str(&format!("; {label}: {part}"));
        }
    }
    (outcome, text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{seed::Seed, testing::tenant};

    #[test]
    fn the_fix_names_the_role_the_database_and_the_schema() {
        let (from, mut to) = (tenant("engine"), tenant("plane"));
        let separate = revoke(&Pair::new(&from, &to, &Seed::new(1)), "SELECT");
        assert!(separate.contains(r#"CONNECT ON DATABASE "planedb" FROM "engine", PUBLIC"#), "{separate}");
        to.tenant.slices.postgres.schema = Some(String::from("pl\"ane"));
        let shared = revoke(&Pair::new(&from, &to, &Seed::new(1)), "SELECT");
        assert!(shared.contains(r#"ON SCHEMA "pl""ane" FROM "engine", PUBLIC"#), "{shared}");
        assert!(!shared.contains("CONNECT"), "both use the database: {shared}");
    }

    #[tokio::test]
    async fn a_server_that_is_not_there_proves_nothing() {
        let (from, to) = (tenant("engine"), tenant("plane"));
        let pair = Pair::new(&from, &to, &Seed::new(1));
        assert!(Ground::plant(&pair).await.is_err());
        let error = clients::postgres::connect(&from).await.unwrap_err();
        assert_eq!(read_error(&error).0, Outcome::Unknown, "{}", error.chain());
    }
}
