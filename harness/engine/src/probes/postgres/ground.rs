//! What both tenants plant on PostgreSQL, and the ways in which the probing tenant asks there.

use bulkhead_model::{Outcome, Service};
use bulkhead_target::{Error, TenantAccess, clients};
use sqlx::{AssertSqlSafe, PgConnection, Row};
use tokio::sync::{Mutex, MutexGuard};

use super::words::fill;
use crate::probes::{
    Pair, Side,
    answer::{Answer, cause, chain},
};

/// What the owner of a slice plants in it, in one transaction. `{planted}` is the token that only the owner knows.
///
/// What exists stays as it is, rights on it included. One at a time in a database, because two who make the same object
/// at once are refused.
const PLANT: &str = "SELECT pg_advisory_xact_lock(hashtext('bulkhead'));
    SET LOCAL client_min_messages = warning;
    CREATE TABLE IF NOT EXISTS {schema}.bulkhead_canary (token text NOT NULL);
    DELETE FROM {schema}.bulkhead_canary;
    INSERT INTO {schema}.bulkhead_canary VALUES ('{planted}');
    CREATE TABLE IF NOT EXISTS {schema}.bulkhead_sealed (token text NOT NULL);
    ALTER TABLE {schema}.bulkhead_sealed NO FORCE ROW LEVEL SECURITY;
    DELETE FROM {schema}.bulkhead_sealed;
    INSERT INTO {schema}.bulkhead_sealed VALUES ('{planted}');
    ALTER TABLE {schema}.bulkhead_sealed ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
    CREATE TABLE IF NOT EXISTS {schema}.bulkhead_doomed (token text NOT NULL);
    CREATE TABLE IF NOT EXISTS {schema}.bulkhead_updated (token text NOT NULL);
    CREATE TABLE IF NOT EXISTS {schema}.bulkhead_emptied ();
    CREATE TABLE IF NOT EXISTS {schema}.bulkhead_dropped ();
    CREATE TABLE IF NOT EXISTS {schema}.bulkhead_altered ();
    CREATE TABLE IF NOT EXISTS {schema}.bulkhead_hooked ();
    CREATE TABLE IF NOT EXISTS {schema}.bulkhead_shared ();
    CREATE TABLE IF NOT EXISTS {schema}.bulkhead_locked ();
    CREATE TABLE IF NOT EXISTS {schema}.bulkhead_referred (number int PRIMARY KEY);
    CREATE OR REPLACE VIEW {schema}.bulkhead_view AS SELECT token FROM {schema}.bulkhead_canary;
    CREATE OR REPLACE FUNCTION {schema}.bulkhead_tell() RETURNS text LANGUAGE sql SECURITY DEFINER
        AS $$ SELECT '{planted}'::text $$;
    CREATE SEQUENCE IF NOT EXISTS {schema}.bulkhead_numbers;
    CREATE SEQUENCE IF NOT EXISTS {schema}.bulkhead_advanced;
    DROP TABLE IF EXISTS {schema}.bulkhead_{planted};
    CREATE TABLE {schema}.bulkhead_{planted} (column_{planted} int);";

/// What the owner of a whole slice plants as well. It lies in no schema, and so would outlast a part of a slice.
const PLANT_BESIDE: &str = "ALTER ROLE CURRENT_USER SET gin_fuzzy_search_limit = 0;";

/// A large object is made where it is missing, because it has no name by which it could be replaced.
const PLANT_OBJECT: &str = "SELECT lo_from_bytea({lo}, '\\x00')
    WHERE NOT EXISTS (SELECT FROM pg_largeobject_metadata WHERE oid = {lo});";

/// The one that is to be read holds the token.
const PLANT_CONTENT: &str = "SELECT lo_put({lo:read}, 0, convert_to('{planted}', 'UTF8'))";

/// The code with which a statement that was carried out is undone.
const UNDONE: &str = "BHUND";

/// Both slices hold what [`PLANT`] says.
pub(crate) struct Ground {
    /// The probing tenant in its own database.
    own: Mutex<PgConnection>,
    /// The neighbour in its own database.
    neighbour: Option<Mutex<PgConnection>>,
    /// The process that serves the neighbour's connection.
    neighbour_process: i32,
    /// The probing tenant in the neighbour's database, or how it was kept out.
    foreign: Result<Mutex<PgConnection>, (Outcome, String)>,
}

/// In which database the probing tenant asks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum At {
    /// In that of the side.
    Theirs,
    /// In its own, whichever side it asks about.
    Home,
}

/// How it asks, and what says that the server would do it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Ask {
    /// Rows come back.
    Rows,
    /// No error comes back.
    Done,
    /// It was carried out and undone, in one statement: nothing is left open whatever becomes of it.
    Undone,
    /// It fails with this code, for a reason that the server finds after it has asked for the right.
    Until(&'static str),
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
                Some(access) => plant(pair, Side::Foreign, access).await.map(Some),
            }
        };
        let (own, neighbour) = tokio::join!(plant(pair, Side::Own, pair.from), neighbour);
        let ((own, _), neighbour) = (own?, neighbour?);
        let (neighbour, process) = neighbour.unzip();
        let foreign = clients::postgres::connect(&intruder(pair)).await;
        let foreign = foreign.map(Mutex::new).map_err(|error| read_error(&error));
        let neighbour_process = process.unwrap_or_default();
        Ok(Self { own: Mutex::new(own), neighbour: neighbour.map(Mutex::new), neighbour_process, foreign })
    }

    /// The owner's own connection to the side's slice.
    pub(super) async fn owner(&self, side: Side) -> Option<MutexGuard<'_, PgConnection>> {
        match side {
            Side::Own => Some(self.own.lock().await),
            Side::Foreign => Some(self.neighbour.as_ref()?.lock().await),
        }
    }

    /// Runs one statement as the probing tenant. Where it was kept out of the database, this is the answer.
    pub(super) async fn ask(&self, pair: &Pair<'_>, side: Side, at: At, sql: &str, ask: Ask) -> Answer {
        let sql = sql.replace("{pid}", &self.neighbour_process.to_string());
        let asked_in = match at {
            At::Theirs => side,
            At::Home => Side::Own,
        };
        let database = &pair.tenant(asked_in).slices.postgres.database;
        let undone = if ask == Ask::Undone { ", undone," } else { "" };
        let user = &pair.from.connections.postgres.user;
        let call = format!("`{sql}`{undone} in database `{database}` as `{user}`");
        let connection = match asked_in {
            Side::Own => Ok(&self.own),
            Side::Foreign => self.foreign.as_ref(),
        };
        Answer::of(call, async {
            match connection {
                Err((outcome, text)) => (*outcome, format!("not let in: {text}")),
                Ok(connection) => {
                    let (outcome, text) = run(&mut *connection.lock().await, sql, ask).await;
                    (outcome, if pair.is_confined() { only_ours(pair, side, text) } else { text })
                }
            }
        })
        .await
    }

    /// What the side's owner is answered to a statement, as lines; `None` when there is no owner to ask.
    ///
    /// # Errors
    /// When the owner is refused.
    pub(super) async fn as_owner(&self, side: Side, sql: String) -> Result<Option<String>, Error> {
        let Some(mut owner) = self.owner(side).await else { return Ok(None) };
        let doing = format!("run `{sql}` as the owner of the slice");
        let rows =
            sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(&mut *owner).await.and_then(|rows| first(&rows));
        rows.map(|rows| Some(rows.join("\n"))).map_err(Error::serve(Service::Postgres, doing))
    }
}

/// How the probing tenant would get into the neighbour's database.
pub(super) fn intruder(pair: &Pair<'_>) -> TenantAccess {
    let mut access = pair.from.clone();
    access.connections.postgres.database.clone_from(&pair.to.slices.postgres.database);
    access
}

/// The owner's connection and the process that serves it, when everything is planted.
async fn plant(pair: &Pair<'_>, side: Side, owner: &TenantAccess) -> Result<(PgConnection, i32), Error> {
    let slice = &owner.tenant.slices.postgres;
    let doing = || format!("plant a canary for `{}` in {slice}", owner.tenant.name);
    let mut connection = clients::postgres::connect(owner).await?;
    let script = match pair.is_confined() {
        true => String::from(PLANT),
        false => {
            let objects = ["{lo:read}", "{lo:written}"].map(|object| PLANT_OBJECT.replace("{lo}", object));
            format!("{PLANT} {PLANT_BESIDE} {} {PLANT_CONTENT}", objects.join(" "))
        }
    };
    let script = fill(&script, pair, side, "plant").replace("{planted}", &pair.planted(side));
    let planted = sqlx::raw_sql(AssertSqlSafe(script)).execute(&mut connection).await;
    planted.map_err(Error::serve(Service::Postgres, doing()))?;
    let process = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut connection).await;
    Ok((connection, process.map_err(Error::serve(Service::Postgres, doing()))?))
}

async fn run(connection: &mut PgConnection, sql: String, ask: Ask) -> (Outcome, String) {
    let answered = match ask {
        Ask::Undone => rows(connection, undone(&sql)).await,
        Ask::Rows | Ask::Done | Ask::Until(_) => rows(connection, sql).await,
    };
    let sure = match ask {
        Ask::Undone => UNDONE,
        Ask::Until(code) => code,
        Ask::Rows | Ask::Done => "",
    };
    match answered {
        Err(error) if code(&error).is_some_and(|code| code == sure) => {
            let (_, text) = read_error(&error);
            let text = if ask == Ask::Undone { String::from("carried out, and undone") } else { text };
            (Outcome::Allowed, text)
        }
        Err(error) => read_error(&error),
        Ok(rows) if rows.is_empty() && ask != Ask::Done => (Outcome::Invisible, String::from("0 rows")),
        Ok(rows) => (Outcome::Allowed, format!("{} rows: {}", rows.len(), rows.join(", "))),
    }
}

/// What came back, without what it says about anybody but these two: of a real server's rows, how many there are.
fn only_ours(pair: &Pair<'_>, side: Side, text: String) -> String {
    let Some((count, rows)) = text.split_once(" rows: ") else { return text };
    let (planted, schema) = (pair.planted(side), pair.tenant(side).slices.postgres.schema_or_public());
    let told = [planted.as_str(), schema].into_iter().filter(|told| rows.contains(told));
    let told: String = told.map(|told| format!(", with `{told}` in them")).collect();
    format!("{count} rows{told}")
}

/// The statements in one that fails at its end, and with that undoes them.
fn undone(sql: &str) -> String {
    format!("DO $bulkhead$ BEGIN {sql}; RAISE EXCEPTION USING ERRCODE = '{UNDONE}'; END $bulkhead$")
}

/// The first column of what comes back, in the server's own words.
async fn rows(connection: &mut PgConnection, sql: String) -> sqlx::Result<Vec<String>> {
    first(&sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(connection).await?)
}

fn first(rows: &[sqlx::postgres::PgRow]) -> sqlx::Result<Vec<String>> {
    // A statement that is not prepared is answered in text, whatever the type.
    let value = |row: &sqlx::postgres::PgRow| match row.is_empty() {
        true => Ok(None),
        false => row.try_get_unchecked::<Option<String>, _>(0),
    };
    rows.iter().map(|row| Ok(value(row)?.unwrap_or_default())).collect()
}

fn code(error: &sqlx::Error) -> Option<String> {
    Some(error.as_database_error()?.code()?.into_owned())
}

/// What an error says about isolation: refused, not there, or nothing at all.
pub(super) fn read_error(error: &(dyn std::error::Error + 'static)) -> (Outcome, String) {
    let Some(sqlx::Error::Database(refusal)) = cause::<sqlx::Error>(error) else {
        return (Outcome::Unknown, chain(error));
    };
    let code = refusal.code().unwrap_or_default();
    let outcome = match code.as_ref() {
        // insufficient_privilege; invalid_authorization_specification, which `pg_hba.conf` answers.
        "42501" | "28000" => Outcome::Denied,
        // A proxy before the server gives its own code to what the server refused while connecting.
        "XX000" if refusal.message().starts_with("permission denied") => Outcome::Denied,
        // undefined_table, undefined_object, undefined_function, invalid_schema_name, invalid_catalog_name
        "42P01" | "42704" | "42883" | "3F000" | "3D000" => Outcome::Invisible,
        _ => Outcome::Unknown,
    };
    let mut text = format!("{code} {}", refusal.message());
    if let Some(error) = refusal.try_downcast_ref::<sqlx::postgres::PgDatabaseError>() {
        let more = [("detail", error.detail()), ("hint", error.hint())];
        for (label, part) in more.into_iter().filter_map(|(label, part)| Some((label, part?))) {
            text.push_str(&format!("; {label}: {part}"));
        }
        // Our own code around a statement is no news, and nor is that statement.
        let around = error.r#where().filter(|around| !around.contains("inline_code_block"));
        if let Some(around) = around {
            text.push_str(&format!("; where: {around}"));
        }
    }
    (outcome, text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{seed::Seed, testing::tenant};

    #[test]
    fn of_a_real_servers_rows_nothing_is_told_about_third_parties() {
        let (from, to) = (tenant("engine"), tenant("plane"));
        let pair = Pair::new(&from, &to, &Seed::new(1));
        let told = |text: &str| only_ours(&pair, Side::Foreign, text.to_owned());
        assert_eq!(told("2 rows: third, SELECT 'secret'"), "2 rows");
        let canary = pair.planted(Side::Foreign);
        assert_eq!(told(&format!("1 rows: {canary}")), format!("1 rows, with `{canary}` in them"));
        assert_eq!(told("42501 permission denied"), "42501 permission denied");
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
