//! Over-grants on PostgreSQL: what the neighbour's owner grants to the probing role, or what a superuser gives away.

use std::path::PathBuf;

use bulkhead_target::{TenantAccess, clients};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use super::super::{Control, Grant, Separate, Shared, Sharing, shut::Shut};
use crate::support::superuser;

/// Who grants, and where.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    /// The neighbour's owner in its own database, after it has let the probing role in.
    Owner,
    /// The superuser there, after the owner has let the probing role in.
    SuperuserThere,
    /// The superuser in the probing role's own database.
    Superuser,
}

/// Grants it. `{a}` and `{b}` are the two roles, `{a.s}` and `{b.s}` their schemas, `{db}` the neighbour's database,
/// `{lo:…}` the neighbour's large object of that length, and `{alone}` makes the probing role use no role that it is in.
async fn grant(folder: PathBuf, from: &TenantAccess, to: &TenantAccess, by: By, sql: &str) {
    let slice = &to.tenant.slices.postgres;
    let home = &from.tenant.slices.postgres;
    let quoted = |name: &str| format!("\"{name}\"");
    let fill = |sql: &str| {
        // An owner of a database has `public` by membership, which it keeps.
        let alone = "ALTER ROLE {a} NOINHERIT; GRANT ALL ON SCHEMA {a.s} TO {a};";
        let sql = sql.replace("{alone}", alone);
        sql.replace("{a}", &quoted(&from.connections.postgres.user))
            .replace("{b}", &quoted(&to.connections.postgres.user))
            .replace("{a.s}", &quoted(home.schema_or_public()))
            .replace("{b.s}", &quoted(slice.schema_or_public()))
            .replace("{db}", &quoted(&slice.database))
    };
    let mut owner = clients::postgres::connect(to).await.unwrap();
    let mut sql = fill(sql);
    for length in [0, 1, 32] {
        let word = format!("{{lo:{length}}}");
        if sql.contains(&word) {
            sql = sql.replace(&word, &large_object(&mut owner, length).await.to_string());
        }
    }
    if by != By::Superuser {
        let connect = slice.schema.is_none().then(|| fill("GRANT CONNECT ON DATABASE {db} TO {a};"));
        let let_in = connect.unwrap_or_default() + &fill("GRANT USAGE ON SCHEMA {b.s} TO {a}");
        run(&mut owner, let_in).await;
    }
    let database = match by {
        By::Owner => return run(&mut owner, sql).await,
        By::SuperuserThere => &slice.database,
        By::Superuser => &home.database,
    };
    let options = superuser(&folder, from).database(database);
    let mut superuser = PgConnection::connect_with(&options).await.unwrap();
    run(&mut superuser, sql).await;
    superuser.close().await.unwrap();
}

/// Runs it as the superuser in the probing role's own database.
pub(in super::super) async fn as_superuser(
    folder: PathBuf,
    from: &TenantAccess,
    to: &TenantAccess,
    sql: &str,
) {
    grant(folder, from, to, By::Superuser, sql).await;
}

async fn run(connection: &mut PgConnection, sql: String) {
    let ran = sqlx::raw_sql(AssertSqlSafe(sql.clone())).execute(connection).await;
    ran.unwrap_or_else(|error| panic!("`{sql}`: {error}"));
}

/// The number of the owner's large object that holds so many bytes.
async fn large_object(owner: &mut PgConnection, length: i32) -> i64 {
    let sql = "SELECT oid::int8 FROM pg_largeobject_metadata WHERE length(lo_get(oid)) = $1 \
               AND lomowner = (SELECT oid FROM pg_roles WHERE rolname = current_user)";
    sqlx::query_scalar(sql).bind(length).fetch_one(owner).await.unwrap()
}

const BOTH: &[Sharing] = &[Separate, Shared];

const fn control(
    probe: &'static str,
    grant: &'static str,
    also: &'static [&'static str],
    sharing: &'static [Sharing],
    apply: Grant,
) -> Control {
    Control { probe, grant, also, sharing, apply, undo: None }
}

/// What opens to whoever is in the neighbour's database, and in its schema there, with these.
macro_rules! let_in {
    ($($more:literal),*) => {
        &[
            "postgres.enter-foreign-slice",
            "postgres.call-foreign-function",
            "postgres.read-foreign-code",
            "postgres.list-tables-in-catalogue",
            "postgres.list-columns-in-catalogue",
            "postgres.count-foreign-rows",
            "postgres.measure-foreign-tables",
            "postgres.list-foreign-large-objects",
            "postgres.measure-foreign-database",
            "postgres.make-foreign-large-object",
            "postgres.listen-on-foreign-channel",
            "postgres.notify-foreign-channel",
            "postgres.hold-advisory-lock",
            $($more),*
        ]
    };
}

/// The probe, and what the neighbour's owner grants once it has let the probing role in.
macro_rules! by_owner {
    ($probe:literal, $shown:literal, $sql:literal) => {
        control($probe, $shown, let_in!(), BOTH, |rig, from, to| {
            Box::pin(grant(rig.server.place.dir.clone(), from, to, By::Owner, $sql))
        })
    };
}

/// The probe, and what a superuser gives away in the neighbour's database once the probing role is in; then how they share
/// and what else opens.
macro_rules! there {
    ($probe:literal, $shown:literal, $sql:literal) => {
        there!($probe, $shown, $sql, BOTH)
    };
    ($probe:literal, $shown:literal, $sql:literal, $sharing:expr $(, $also:literal)*) => {
        control($probe, $shown, let_in!($($also),*), $sharing, |rig, from, to| {
            Box::pin(grant(rig.server.place.dir.clone(), from, to, By::SuperuserThere, $sql))
        })
    };
}

/// The probe, and what a superuser gives away in the probing role's own database or on the server, and what else opens.
macro_rules! server {
    ($probe:literal, $shown:literal, $sql:literal $(, $also:literal)*) => {
        control($probe, $shown, &[$($also),*], BOTH, |rig, from, to| {
            Box::pin(grant(rig.server.place.dir.clone(), from, to, By::Superuser, $sql))
        })
    };
}

pub(super) const CONTROLS: &[Control] = &[
    there!("postgres.enter-foreign-slice", "GRANT CONNECT ON DATABASE b TO a", "SELECT", &[Separate]),
    there!("postgres.enter-foreign-slice", "GRANT USAGE ON SCHEMA b TO a", "SELECT", &[Shared]),
    by_owner!(
        "postgres.select-foreign-rows",
        "GRANT SELECT ON b's table TO a",
        "GRANT SELECT ON {b.s}.bulkhead_canary TO {a}"
    ),
    by_owner!(
        "postgres.read-foreign-view",
        "GRANT SELECT ON b's view TO a",
        "GRANT SELECT ON {b.s}.bulkhead_view TO {a}"
    ),
    by_owner!(
        "postgres.read-foreign-large-object",
        "GRANT SELECT ON LARGE OBJECT b's TO a",
        "GRANT SELECT ON LARGE OBJECT {lo:32} TO {a}"
    ),
    there!(
        "postgres.read-sampled-values",
        "GRANT SELECT ON pg_statistic TO a",
        "GRANT SELECT ON pg_statistic TO {a}"
    ),
    there!(
        "postgres.read-user-mappings",
        "GRANT SELECT ON pg_user_mapping TO a",
        "GRANT SELECT ON pg_user_mapping TO {a}"
    ),
    server!(
        "postgres.read-running-statements",
        "GRANT pg_read_all_stats TO a",
        "GRANT pg_read_all_stats TO {a}",
        "postgres.hold-server-roles",
        "postgres.measure-foreign-database"
    ),
    server!(
        "postgres.read-password-digests",
        "GRANT SELECT ON pg_authid TO a",
        "GRANT SELECT ON pg_authid TO {a}"
    ),
    server!(
        "postgres.read-statement-texts",
        "a view pg_stat_statements that hides nothing",
        "CREATE VIEW {a.s}.pg_stat_statements AS SELECT oid AS userid, 'SELECT 1' AS query FROM pg_roles; \
         GRANT SELECT ON {a.s}.pg_stat_statements TO {a}"
    ),
    server!("postgres.escape-row-security", "ALTER ROLE a BYPASSRLS", "ALTER ROLE {a} BYPASSRLS"),
    server!(
        "postgres.read-server-file",
        "GRANT EXECUTE ON FUNCTION pg_read_file(text) TO a",
        "GRANT EXECUTE ON FUNCTION pg_read_file(text) TO {a}"
    ),
    server!(
        "postgres.copy-server-file",
        "GRANT pg_read_server_files TO a",
        "GRANT pg_read_server_files TO {a}",
        "postgres.hold-server-roles"
    ),
    by_owner!(
        "postgres.insert-foreign-row",
        "GRANT INSERT ON b's table TO a",
        "GRANT INSERT ON {b.s}.bulkhead_canary TO {a}"
    ),
    by_owner!(
        "postgres.update-foreign-rows",
        "GRANT UPDATE ON b's table TO a",
        "GRANT UPDATE ON {b.s}.bulkhead_updated TO {a}"
    ),
    by_owner!(
        "postgres.advance-foreign-sequence",
        "GRANT USAGE ON SEQUENCE b's TO a",
        "GRANT USAGE ON SEQUENCE {b.s}.bulkhead_advanced TO {a}"
    ),
    by_owner!(
        "postgres.write-foreign-large-object",
        "GRANT SELECT, UPDATE ON LARGE OBJECT b's TO a",
        "GRANT SELECT, UPDATE ON LARGE OBJECT {lo:1} TO {a}"
    ),
    there!(
        "postgres.capture-search-path",
        "GRANT CREATE ON SCHEMA public TO a; ALTER ROLE b SET search_path = b, public",
        "GRANT CREATE, USAGE ON SCHEMA public TO {a}, {b}; \
         ALTER ROLE {b} IN DATABASE {db} SET search_path = {b.s}, public",
        &[Shared],
        "postgres.make-table-in-public"
    ),
    there!(
        "postgres.make-foreign-temp-table",
        "GRANT TEMP ON DATABASE b TO a",
        "GRANT TEMP ON DATABASE {db} TO {a}"
    ),
    there!(
        "postgres.make-table-in-public",
        "GRANT CREATE ON SCHEMA public TO a",
        "GRANT CREATE ON SCHEMA public TO {a}",
        &[Separate],
        "postgres.make-table-in-foreign-schema",
        "postgres.capture-search-path"
    ),
    there!(
        "postgres.make-table-in-public",
        "GRANT CREATE ON SCHEMA public TO a",
        "GRANT CREATE, USAGE ON SCHEMA public TO {a}",
        &[Shared]
    ),
    there!(
        "postgres.make-table-in-foreign-schema",
        "GRANT CREATE ON SCHEMA b TO a",
        "GRANT CREATE ON SCHEMA {b.s} TO {a}",
        &[Shared]
    ),
    by_owner!(
        "postgres.delete-foreign-rows",
        "GRANT DELETE ON b's table TO a",
        "GRANT DELETE ON {b.s}.bulkhead_doomed TO {a}"
    ),
    there!(
        "postgres.delete-foreign-large-object",
        "ALTER LARGE OBJECT b's OWNER TO a",
        "ALTER LARGE OBJECT {lo:0} OWNER TO {a}"
    ),
    by_owner!(
        "postgres.truncate-foreign-table",
        "GRANT TRUNCATE ON b's table TO a",
        "GRANT TRUNCATE ON {b.s}.bulkhead_emptied TO {a}"
    ),
    there!(
        "postgres.drop-foreign-table",
        "ALTER TABLE b's OWNER TO a",
        "ALTER TABLE {b.s}.bulkhead_dropped OWNER TO {a}"
    ),
    there!(
        "postgres.drop-foreign-schema",
        "ALTER SCHEMA b OWNER TO a",
        "ALTER SCHEMA {b.s} OWNER TO {a}; GRANT ALL ON SCHEMA {b.s} TO {b}",
        &[Separate],
        "postgres.drop-foreign-table",
        "postgres.make-table-in-public",
        "postgres.make-table-in-foreign-schema",
        "postgres.capture-search-path"
    ),
    there!(
        "postgres.drop-foreign-schema",
        "ALTER SCHEMA b OWNER TO a",
        "ALTER SCHEMA {b.s} OWNER TO {a}; GRANT ALL ON SCHEMA {b.s} TO {b}",
        &[Shared],
        "postgres.drop-foreign-table",
        "postgres.make-table-in-foreign-schema"
    ),
    there!(
        "postgres.alter-foreign-table",
        "ALTER TABLE b's OWNER TO a",
        "ALTER TABLE {b.s}.bulkhead_altered OWNER TO {a}"
    ),
    by_owner!(
        "postgres.hook-foreign-table",
        "GRANT TRIGGER ON b's table TO a",
        "GRANT TRIGGER ON {b.s}.bulkhead_hooked TO {a}"
    ),
    by_owner!(
        "postgres.share-foreign-table",
        "GRANT SELECT ON b's table TO a WITH GRANT OPTION",
        "GRANT SELECT ON {b.s}.bulkhead_shared TO {a} WITH GRANT OPTION"
    ),
    there!(
        "postgres.make-foreign-schema",
        "GRANT CREATE ON DATABASE b TO a",
        "GRANT CREATE ON DATABASE {db} TO {a}"
    ),
    there!(
        "postgres.make-function-in-pg-catalog",
        "GRANT CREATE ON SCHEMA pg_catalog TO a",
        "GRANT CREATE ON SCHEMA pg_catalog TO {a}"
    ),
    server!("postgres.be-superuser", "GRANT superuser's role TO a", "{alone} GRANT bulkhead TO {a}"),
    server!("postgres.hold-server-roles", "GRANT pg_checkpoint TO a", "GRANT pg_checkpoint TO {a}"),
    server!("postgres.become-neighbour", "GRANT b TO a", "{alone} GRANT {b} TO {a}"),
    server!(
        "postgres.run-code-as-neighbour",
        "GRANT b TO a; GRANT CREATE ON SCHEMA a TO b",
        "{alone} GRANT {b} TO {a}; GRANT CREATE ON SCHEMA {a.s} TO {b}",
        "postgres.become-neighbour"
    ),
    server!(
        "postgres.make-login",
        "ALTER ROLE a CREATEROLE; GRANT b TO a WITH ADMIN OPTION",
        "ALTER ROLE {a} CREATEROLE; {alone} GRANT {b} TO {a} WITH ADMIN OPTION",
        "postgres.grant-itself-neighbours-role",
        "postgres.change-foreign-login",
        "postgres.become-neighbour"
    ),
    server!("postgres.make-database", "ALTER ROLE a CREATEDB", "ALTER ROLE {a} CREATEDB"),
    there!(
        "postgres.alter-foreign-database",
        "ALTER DATABASE b OWNER TO a",
        "ALTER DATABASE {db} OWNER TO {a}; GRANT ALL ON DATABASE {db} TO {b}; GRANT ALL ON SCHEMA public TO {b}",
        &[Separate],
        "postgres.make-foreign-schema",
        "postgres.make-foreign-temp-table",
        "postgres.make-table-in-public",
        "postgres.make-table-in-foreign-schema",
        "postgres.capture-search-path",
        "postgres.drop-foreign-schema",
        "postgres.drop-foreign-table"
    ),
    control(
        "postgres.alter-foreign-database",
        "ALTER DATABASE b OWNER TO a",
        &[
            "postgres.make-foreign-schema",
            "postgres.make-foreign-temp-table",
            "postgres.make-table-in-public",
        ],
        &[Shared],
        |rig, from, to| {
            let sql = "ALTER DATABASE {db} OWNER TO {a}; GRANT CONNECT ON DATABASE {db} TO {b}";
            Box::pin(grant(rig.server.place.dir.clone(), from, to, By::Superuser, sql))
        },
    ),
    server!(
        "postgres.end-foreign-session",
        "GRANT pg_signal_backend TO a",
        "GRANT pg_signal_backend TO {a}",
        "postgres.hold-server-roles"
    ),
    server!(
        "postgres.change-server-settings",
        "GRANT ALTER SYSTEM ON PARAMETER work_mem TO a",
        "GRANT ALTER SYSTEM ON PARAMETER work_mem TO {a}"
    ),
    server!(
        "postgres.read-server-settings",
        "GRANT pg_read_all_settings TO a",
        "GRANT pg_read_all_settings TO {a}",
        "postgres.hold-server-roles"
    ),
    server!(
        "postgres.run-server-program",
        "GRANT pg_execute_server_program TO a",
        "GRANT pg_execute_server_program TO {a}",
        "postgres.hold-server-roles"
    ),
    server!(
        "postgres.write-server-file",
        "GRANT pg_write_server_files TO a",
        "GRANT pg_write_server_files TO {a}",
        "postgres.hold-server-roles"
    ),
    server!(
        "postgres.call-server-functions",
        "GRANT EXECUTE ON FUNCTION pg_reload_conf() TO a",
        "GRANT EXECUTE ON FUNCTION pg_reload_conf() TO {a}"
    ),
    server!(
        "postgres.load-native-code",
        "UPDATE pg_language SET lanpltrusted = true WHERE lanname = 'c'",
        "UPDATE pg_language SET lanpltrusted = true WHERE lanname = 'c'"
    ),
    server!(
        "postgres.dial-out-by-fdw",
        "CREATE EXTENSION postgres_fdw; GRANT USAGE ON FOREIGN DATA WRAPPER postgres_fdw TO a",
        "CREATE EXTENSION postgres_fdw; GRANT USAGE ON FOREIGN DATA WRAPPER postgres_fdw TO {a}"
    ),
    server!("postgres.dial-out-by-dblink", "CREATE EXTENSION dblink", "CREATE EXTENSION dblink SCHEMA {a.s}"),
    by_owner!(
        "postgres.list-foreign-tables",
        "ALTER DEFAULT PRIVILEGES IN SCHEMA b GRANT TRIGGER ON TABLES TO a",
        "ALTER DEFAULT PRIVILEGES IN SCHEMA {b.s} GRANT TRIGGER ON TABLES TO {a}"
    ),
    server!(
        "postgres.enter-other-databases",
        "GRANT CONNECT ON DATABASE postgres TO a",
        "GRANT CONNECT ON DATABASE postgres TO {a}"
    ),
    by_owner!(
        "postgres.read-foreign-sequence",
        "GRANT SELECT ON SEQUENCE b's TO a",
        "GRANT SELECT ON SEQUENCE {b.s}.bulkhead_numbers TO {a}"
    ),
    there!(
        "postgres.refer-to-foreign-rows",
        "GRANT REFERENCES ON b's table TO a; GRANT CREATE ON SCHEMA public TO a",
        "GRANT REFERENCES ON {b.s}.bulkhead_referred TO {a}; GRANT CREATE ON SCHEMA public TO {a}",
        &[Separate],
        "postgres.make-table-in-public",
        "postgres.make-table-in-foreign-schema",
        "postgres.capture-search-path"
    ),
    there!(
        "postgres.refer-to-foreign-rows",
        "GRANT REFERENCES ON b's table TO a",
        "GRANT REFERENCES ON {b.s}.bulkhead_referred TO {a}",
        &[Shared]
    ),
    server!(
        "postgres.list-server-files",
        "GRANT EXECUTE ON FUNCTION pg_ls_dir(text) TO a",
        "GRANT EXECUTE ON FUNCTION pg_ls_dir(text) TO {a}"
    ),
    server!(
        "postgres.read-login-rules",
        "GRANT SELECT ON pg_hba_file_rules TO a; GRANT EXECUTE ON FUNCTION pg_hba_file_rules() TO a",
        "GRANT SELECT ON pg_hba_file_rules TO {a}; GRANT EXECUTE ON FUNCTION pg_hba_file_rules() TO {a}"
    ),
    server!(
        "postgres.take-all-connections",
        "ALTER ROLE a CONNECTION LIMIT -1",
        "ALTER ROLE {a} CONNECTION LIMIT -1"
    ),
    server!(
        "postgres.fill-disk-with-temp-files",
        "ALTER ROLE a RESET temp_file_limit",
        "ALTER ROLE {a} RESET temp_file_limit"
    ),
    server!("postgres.hold-back-journal", "ALTER ROLE a REPLICATION", "ALTER ROLE {a} REPLICATION"),
    by_owner!(
        "postgres.lock-foreign-table",
        "GRANT DELETE ON b's table TO a",
        "GRANT DELETE ON {b.s}.bulkhead_locked TO {a}"
    ),
];

/// What a superuser takes from everybody in the probing role's own database.
macro_rules! revoked {
    ($probe:literal, $relation:literal) => {
        Shut {
            probe: concat!("postgres.", $probe),
            by: concat!("REVOKE SELECT ON ", $relation, " FROM PUBLIC"),
            sharing: BOTH,
            apply: |rig, from, to| {
                let sql = concat!("REVOKE SELECT ON pg_catalog.", $relation, " FROM PUBLIC");
                Box::pin(grant(rig.server.place.dir.clone(), from, to, By::Superuser, sql))
            },
        }
    };
}

pub(super) const SHUT: &[Shut] = &[
    revoked!("read-role-settings", "pg_db_role_setting"),
    revoked!("list-databases", "pg_database"),
    revoked!("list-logins", "pg_roles"),
    revoked!("list-sessions", "pg_stat_activity"),
    revoked!("read-database-counters", "pg_stat_database"),
];
