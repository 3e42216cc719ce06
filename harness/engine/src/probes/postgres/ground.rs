//! What both tenants plant on PostgreSQL, and the one way in which the probing tenant asks there.

use bulkhead_model::{Outcome, PostgresSlice, Service};
use bulkhead_target::{Error, TenantAccess, clients};
use sqlx::{AssertSqlSafe, PgConnection, Row};

use crate::probes::{
    Pair,
    answer::{Answer, cause, chain},
};

/// The table that each tenant plants in its own slice.
pub(super) const TABLE: &str = "bulkhead_canary";

/// Both slices hold [`TABLE`] with one row, and an empty table whose name only the owner knows.
pub(super) struct Ground {
    /// The probing tenant's connection to its own slice.
    pub own: PgConnection,
    /// The neighbour's own connection to its slice.
    pub victim: PgConnection,
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
    pub(super) async fn plant(pair: &Pair<'_>) -> Result<Self, Error> {
        let (own, victim) = tokio::join!(plant(pair.from, pair.own()), plant(pair.to, pair.canary()));
        Ok(Self { own: own?, victim: victim? })
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

/// Makes one statement as the probing tenant, in the database of `on`.
pub(super) async fn ask(pair: &Pair<'_>, on: &TenantAccess, statement: Statement<'_>) -> Answer {
    let database = on.tenant.slices.postgres.database.clone();
    let (Statement::Rows(sql, _) | Statement::Change(sql, _)) = &statement;
    let call = format!("`{sql}` in database `{database}` as `{}`", pair.from.connections.postgres.user);
    let mut access = pair.from.clone();
    access.connections.postgres.database = database;
    Answer::of(call, async {
        match clients::postgres::connect(&access).await {
            Err(error) => read_error(&error),
            Ok(mut connection) => match run(&mut connection, &statement).await {
                Ok(answer) => answer,
                Err(error) => read_error(&error),
            },
        }
    })
    .await
}

/// How many rows hold this token, as the owner sees it.
///
/// # Errors
/// When the owner cannot read its own table.
pub(super) async fn count(
    owner: &mut PgConnection,
    slice: &PostgresSlice,
    token: &str,
) -> Result<i64, Error> {
    let sql = format!("SELECT count(*) FROM {} WHERE token = $1", table(slice));
    let counted = sqlx::query_scalar(AssertSqlSafe(sql)).bind(token).fetch_one(owner).await;
    counted.map_err(Error::serve(Service::Postgres, format!("count rows in {slice}")))
}

/// The statement that takes a neighbour's grants back from the probing role, and what else lets it in.
pub(super) fn revoke(pair: &Pair<'_>, privilege: &str) -> String {
    let slice = &pair.to.tenant.slices.postgres;
    let (role, schema) = (quoted(&pair.from.connections.postgres.user), quoted(slice.schema_or_public()));
    let database = quoted(&slice.database);
    let table = format!("REVOKE {privilege} ON ALL TABLES IN SCHEMA {schema} FROM {role}, PUBLIC;");
    match &slice.schema {
        None => format!("REVOKE CONNECT ON DATABASE {database} FROM {role}, PUBLIC; {table}"),
        Some(_) => format!("{table} REVOKE ALL ON SCHEMA {schema} FROM {role}, PUBLIC;"),
    }
}

async fn plant(owner: &TenantAccess, token: &str) -> Result<PgConnection, Error> {
    let slice = &owner.tenant.slices.postgres;
    let mut connection = clients::postgres::connect(owner).await?;
    let (schema, table) = (quoted(slice.schema_or_public()), table(slice));
    let statements = [
        format!("CREATE TABLE IF NOT EXISTS {table} (token text NOT NULL)"),
        format!("DELETE FROM {table}"),
        format!("INSERT INTO {table} VALUES ('{token}')"),
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
        let answer = ask(&pair, &to, Statement::Rows(String::from("SELECT $1"), "x")).await;
        assert_eq!(answer.outcome, Outcome::Unknown, "{}", answer.text());
        assert!(Ground::plant(&pair).await.is_err());
    }
}
