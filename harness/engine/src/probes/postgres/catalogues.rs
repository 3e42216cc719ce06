//! Probes of what the catalogues, views and statistics of a database and of the whole server tell about the neighbour.

use bulkhead_model::Class;

use super::{
    ground::{Ask, At},
    question::{Fix, Question},
};

/// A question to the catalogue of the neighbour's database.
const fn there(
    class: Class,
    name: &'static str,
    sql: &'static str,
    fix: &'static str,
    sentence: &'static str,
) -> Question {
    Question::new(At::Theirs, class, name, sql, Ask::Rows, Fix::Say(fix), sentence)
}

/// A question to what all databases of the server have in common, asked at home.
const fn common(
    class: Class,
    name: &'static str,
    sql: &'static str,
    fix: &'static str,
    sentence: &'static str,
) -> Question {
    Question::new(At::Home, class, name, sql, Ask::Rows, Fix::Say(fix), sentence)
}

/// What keeps a role out of a database.
const NO_CONNECT: &str = "REVOKE CONNECT ON DATABASE {database} FROM {mine}, PUBLIC";

/// What cannot be done in one server.
const NO_COMMON: &str = "give each tenant a server of its own";

/// What takes the right to see all statistics away.
const NO_STATISTICS: &str = "REVOKE pg_read_all_stats, pg_monitor FROM {mine}";

/// Taking SELECT on catalogues from PUBLIC is no fix: drivers, `psql` and `pg_dump` read them.
const CATALOGUE: &str = "every role sees the whole catalogue of a database that it may connect to, in every version; \
                         a superuser can take SELECT on catalogues from PUBLIC, which drivers and `pg_dump` do not \
                         survive; a database for each tenant closes it";

const SERVER: &str = "all databases of a server have it in common and every role sees it, in every version; a superuser \
                      can take SELECT on it from PUBLIC, which drivers and `pg_dump` do not survive; a server for each \
                      tenant closes it";

pub(super) static CODE: Question = there(
    Class::Read,
    "postgres.read-foreign-code",
    "SELECT prosrc FROM pg_proc WHERE proname = 'bulkhead_tell' \
     AND pronamespace = (SELECT oid FROM pg_namespace WHERE nspname = {'schema'})",
    NO_CONNECT,
    "Reads the code of a function of the neighbour's.",
)
.together(CATALOGUE);
pub(super) static SAMPLES: Question = there(
    Class::Read,
    "postgres.read-sampled-values",
    "SELECT count(*) FROM pg_statistic",
    "REVOKE ALL ON pg_statistic FROM {mine}, PUBLIC",
    "Reads the values that the planner has sampled from everybody's tables.",
)
.own("SELECT count(*) FROM pg_stats", Ask::Rows)
.by_name();
pub(super) static MAPPINGS: Question = there(
    Class::Read,
    "postgres.read-user-mappings",
    "SELECT count(*) FROM pg_user_mapping",
    "REVOKE ALL ON pg_user_mapping FROM {mine}, PUBLIC",
    "Reads the passwords with which the database's foreign servers are reached.",
)
.own("SELECT count(*) FROM pg_user_mappings", Ask::Rows)
.by_name();
pub(super) static STATEMENTS: Question = common(
    Class::Read,
    "postgres.read-running-statements",
    "SELECT query FROM pg_stat_activity WHERE usename = {'role'} AND query NOT IN ('', '<insufficient privilege>')",
    NO_STATISTICS,
    "Reads the text of the neighbour's last statement, with the values in it.",
);
pub(super) static ROLE_SETTINGS: Question = common(
    Class::Read,
    "postgres.read-role-settings",
    "SELECT unnest(setconfig) FROM pg_db_role_setting \
     WHERE setrole = (SELECT oid FROM pg_roles WHERE rolname = {'role'})",
    NO_COMMON,
    "Reads what is set for the neighbour's role; a secret that is kept there is everybody's.",
)
.always(SERVER);
pub(super) static DIGESTS: Question = common(
    Class::Read,
    "postgres.read-password-digests",
    "SELECT 'there is a digest' FROM pg_authid WHERE rolname = {'role'} AND rolpassword IS NOT NULL",
    "REVOKE ALL ON pg_authid FROM {mine}, PUBLIC",
    "Reads the digest of the neighbour's password.",
)
.own("SELECT rolname FROM pg_roles WHERE rolname = {'role'}", Ask::Rows);
/// The table's name is known to its owner alone; the others', which both know, say only that they may be used.
pub(super) static TABLES: Question = Question::new(
    At::Theirs,
    Class::Enumerate,
    "postgres.list-foreign-tables",
    "SELECT table_name FROM information_schema.tables \
     WHERE table_schema = {'schema'} AND table_name LIKE 'bulkhead\\_%' AND length(table_name) > 40",
    Ask::Rows,
    Fix::Tables("ALL"),
    "Connects to the neighbour's database and lists the neighbour's tables through `information_schema`.",
)
.by_name();
pub(super) static CLASSES: Question = there(
    Class::Enumerate,
    "postgres.list-tables-in-catalogue",
    "SELECT relname FROM pg_class WHERE length(relname) > 40 \
     AND relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = {'schema'})",
    NO_CONNECT,
    "Lists the neighbour's tables through `pg_class`, which knows no rights.",
)
.together(CATALOGUE);
pub(super) static COLUMNS: Question = there(
    Class::Enumerate,
    "postgres.list-columns-in-catalogue",
    "SELECT attname FROM pg_attribute JOIN pg_class c ON c.oid = attrelid WHERE length(relname) > 40 AND attnum > 0 \
     AND relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = {'schema'})",
    NO_CONNECT,
    "Lists the columns of the neighbour's tables through `pg_attribute`.",
)
.together(CATALOGUE);
pub(super) static ROW_COUNTS: Question = there(
    Class::Enumerate,
    "postgres.count-foreign-rows",
    "SELECT n_live_tup FROM pg_stat_user_tables WHERE schemaname = {'schema'} AND relname = 'bulkhead_canary'",
    NO_CONNECT,
    "Reads how many rows a table of the neighbour's has, and how many were written, from the statistics.",
)
.together(CATALOGUE);
pub(super) static SIZES: Question = there(
    Class::Enumerate,
    "postgres.measure-foreign-tables",
    "SELECT pg_total_relation_size(oid) FROM pg_class WHERE relname = 'bulkhead_canary' \
     AND relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = {'schema'})",
    NO_CONNECT,
    "Measures a table of the neighbour's.",
)
.together(CATALOGUE);
pub(super) static OBJECTS: Question = there(
    Class::Enumerate,
    "postgres.list-foreign-large-objects",
    "SELECT oid FROM pg_largeobject_metadata \
     WHERE lomowner = (SELECT oid FROM pg_roles WHERE rolname = {'role'})",
    NO_CONNECT,
    "Lists the neighbour's large objects.",
)
.together(CATALOGUE)
.beyond_slices();
/// Names of others than the two are counted as one.
pub(super) static DATABASES: Question = common(
    Class::Enumerate,
    "postgres.list-databases",
    "SELECT DISTINCT CASE datname WHEN {'database'} THEN datname::text ELSE 'another' END \
     FROM pg_database WHERE datname <> current_database()",
    NO_COMMON,
    "Lists the databases of all tenants.",
)
.own("SELECT datname FROM pg_database WHERE datname = current_database()", Ask::Rows)
.always(SERVER)
.by_name();
pub(super) static LOGINS: Question = common(
    Class::Enumerate,
    "postgres.list-logins",
    "SELECT rolname FROM pg_roles WHERE rolname = {'role'}",
    NO_COMMON,
    "Lists the logins of all tenants.",
)
.always(SERVER);
pub(super) static SESSIONS: Question = common(
    Class::Enumerate,
    "postgres.list-sessions",
    "SELECT DISTINCT usename || ' in ' || datname FROM pg_stat_activity WHERE usename = {'role'}",
    NO_COMMON,
    "Lists who is connected to which database.",
)
.always(SERVER);
pub(super) static COUNTERS: Question = common(
    Class::Enumerate,
    "postgres.read-database-counters",
    "SELECT xact_commit || ' transactions, ' || tup_inserted || ' rows inserted' FROM pg_stat_database \
     WHERE datname = {'database'}",
    NO_COMMON,
    "Reads how many transactions and rows the neighbour's database has seen.",
)
.always(SERVER)
.by_name();
pub(super) static DATABASE_SIZE: Question = common(
    Class::Enumerate,
    "postgres.measure-foreign-database",
    "SELECT pg_database_size({'database'})",
    "REVOKE CONNECT ON DATABASE {database} FROM {mine}, PUBLIC; REVOKE pg_read_all_stats, pg_monitor FROM {mine}",
    "Measures the neighbour's database.",
)
.together("whoever may connect to a database may measure it, in every version, and less its own tables it is the \
           neighbour's size; a database for each tenant closes it")
.by_name();
pub(super) static OTHERS: Question = common(
    Class::Enumerate,
    "postgres.enter-other-databases",
    "SELECT DISTINCT CASE WHEN datname IN ('postgres', 'template1') THEN datname::text ELSE 'another' END \
     FROM pg_database WHERE datname NOT IN (current_database(), {'database'}) AND datallowconn \
     AND has_database_privilege(oid, 'CONNECT')",
    "REVOKE CONNECT ON DATABASE postgres, template1 FROM {mine}, PUBLIC, and so for every database but its own",
    "Asks which databases beside the two it may connect to, `postgres` and `template1` among them.",
)
.own(
    "SELECT datname FROM pg_database WHERE datname = current_database() AND has_database_privilege(oid, 'CONNECT')",
    Ask::Rows,
)
.by_name();
