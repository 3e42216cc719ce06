//! Probes of what the neighbour owns in its database: tables, views, functions, sequences, large objects, schemas. What
//! would change something is undone in the same statement; what [`super::changes`] tries is done.
//!
//! Leaves out `COPY … TO STDOUT`, which takes the privilege of a SELECT, and after whose refusal the driver reads one answer
//! too few.

use bulkhead_model::Class;

use super::{
    ground::{Ask, At},
    question::{Fix, Question},
};

/// A statement in the neighbour's database.
const fn there(
    class: Class,
    name: &'static str,
    sql: &'static str,
    ask: Ask,
    fix: Fix,
    sentence: &'static str,
) -> Question {
    Question::new(At::Theirs, class, name, sql, ask, fix, sentence)
}

/// What every tenant may do in its own schema, whatever else is closed to it.
pub(super) const MAKE_TABLE: (&str, Ask) = ("CREATE TABLE {home}.bulkhead_made ()", Ask::Undone);

pub(super) static SELECT: Question = there(
    Class::Read,
    "postgres.select-foreign-rows",
    "SELECT token FROM {schema}.bulkhead_canary",
    Ask::Rows,
    Fix::Tables("SELECT"),
    "Connects to the neighbour's database and selects a row that the neighbour wrote.",
)
.by_name();
pub(super) static VIEW: Question = there(
    Class::Read,
    "postgres.read-foreign-view",
    "SELECT token FROM {schema}.bulkhead_view",
    Ask::Rows,
    Fix::Tables("SELECT"),
    "Reads a view of the neighbour's, which reads the tables beneath it with its owner's rights.",
)
.by_name();
pub(super) static FUNCTION: Question = there(
    Class::Read,
    "postgres.call-foreign-function",
    "SELECT {schema}.bulkhead_tell()",
    Ask::Rows,
    Fix::Say(
        "REVOKE USAGE ON SCHEMA {schema} FROM {mine}, PUBLIC; \
         REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA {schema} FROM {mine}, PUBLIC",
    ),
    "Calls a function of the neighbour's that runs with its owner's rights, which PUBLIC may call by default.",
)
.by_name();
pub(super) static READ_OBJECT: Question = there(
    Class::Read,
    "postgres.read-foreign-large-object",
    "SELECT convert_from(lo_get({lo:read}), 'UTF8')",
    Ask::Rows,
    Fix::Say("REVOKE ALL ON LARGE OBJECT {lo:read} FROM {mine}, PUBLIC"),
    "Reads a large object of the neighbour's.",
)
.beyond_slices();
pub(super) static TEMP: Question = there(
    Class::Write,
    "postgres.make-foreign-temp-table",
    "CREATE TEMP TABLE bulkhead_scratch (number int)",
    Ask::Undone,
    Fix::Say("REVOKE TEMP ON DATABASE {database} FROM {mine}, PUBLIC"),
    "Makes a temporary table in the neighbour's database.",
)
.own(MAKE_TABLE.0, MAKE_TABLE.1)
.by_name();
pub(super) static MAKE_OBJECT: Question = there(
    Class::Write,
    "postgres.make-foreign-large-object",
    "PERFORM lo_create(0)",
    Ask::Undone,
    Fix::Say("REVOKE CONNECT ON DATABASE {database} FROM {mine}, PUBLIC"),
    "Makes a large object in the neighbour's database.",
)
.by_name()
.together(
    "large objects lie in no schema, so whoever may connect to a database may make some, in every version; \
     `REVOKE EXECUTE ON FUNCTION lo_create(oid), lo_creat(integer), lo_from_bytea(oid, bytea) FROM PUBLIC` takes them \
     from everybody, the database's own apps included; a database for each tenant closes it",
);
pub(super) static MAKE_IN_PUBLIC: Question = there(
    Class::Write,
    "postgres.make-table-in-public",
    "CREATE TABLE public.bulkhead_made ()",
    Ask::Undone,
    Fix::Say("REVOKE CREATE ON SCHEMA public FROM {mine}, PUBLIC"),
    "Makes a table in the schema `public` of the neighbour's database, where unqualified names look.",
)
.own(MAKE_TABLE.0, MAKE_TABLE.1)
.by_name();
pub(super) static MAKE_IN_SCHEMA: Question = there(
    Class::Write,
    "postgres.make-table-in-foreign-schema",
    "CREATE TABLE {schema}.bulkhead_made ()",
    Ask::Undone,
    Fix::Say("REVOKE CREATE ON SCHEMA {schema} FROM {mine}, PUBLIC"),
    "Makes a table in the neighbour's schema.",
)
.by_name();
pub(super) static TRUNCATE: Question = there(
    Class::Delete,
    "postgres.truncate-foreign-table",
    "TRUNCATE {schema}.bulkhead_emptied",
    Ask::Undone,
    Fix::Tables("TRUNCATE"),
    "Empties a table of the neighbour's at once.",
)
.by_name();
pub(super) static DROP_TABLE: Question = there(
    Class::Delete,
    "postgres.drop-foreign-table",
    "DROP TABLE {schema}.bulkhead_dropped",
    Ask::Undone,
    Fix::Say("ALTER TABLE {schema}.bulkhead_dropped OWNER TO {role}"),
    "Drops a table of the neighbour's.",
);
pub(super) static DROP_SCHEMA: Question = there(
    Class::Delete,
    "postgres.drop-foreign-schema",
    "DROP SCHEMA {schema} CASCADE",
    Ask::Undone,
    Fix::Say("ALTER SCHEMA {schema} OWNER TO {role}"),
    "Drops the neighbour's schema with all that is in it.",
)
.own("CREATE TABLE {home}.bulkhead_made (); DROP TABLE {home}.bulkhead_made CASCADE", Ask::Undone)
.alone();
pub(super) static ALTER: Question = there(
    Class::Administer,
    "postgres.alter-foreign-table",
    "ALTER TABLE {schema}.bulkhead_altered ADD COLUMN more int",
    Ask::Undone,
    Fix::Say("ALTER TABLE {schema}.bulkhead_altered OWNER TO {role}"),
    "Adds a column to a table of the neighbour's, as its owner may.",
);
pub(super) static HOOK: Question = there(
    Class::Administer,
    "postgres.hook-foreign-table",
    "CREATE TRIGGER bulkhead_hook BEFORE UPDATE ON {schema}.bulkhead_hooked \
     FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()",
    Ask::Undone,
    Fix::Tables("TRIGGER"),
    "Puts a trigger on a table of the neighbour's, whose function then runs with the neighbour's rights.",
)
.by_name();
pub(super) static SHARE: Question = there(
    Class::Administer,
    "postgres.share-foreign-table",
    "GRANT SELECT ON {schema}.bulkhead_shared TO PUBLIC",
    Ask::Undone,
    Fix::Tables("GRANT OPTION FOR ALL"),
    "Grants everybody a right on a table of the neighbour's.",
)
.by_name();
pub(super) static MAKE_SCHEMA: Question = there(
    Class::Administer,
    "postgres.make-foreign-schema",
    "CREATE SCHEMA bulkhead_made",
    Ask::Undone,
    Fix::Say("REVOKE CREATE ON DATABASE {database} FROM {mine}, PUBLIC"),
    "Makes a schema in the neighbour's database; one named as the neighbour's role comes first in its search path.",
)
.own(MAKE_TABLE.0, MAKE_TABLE.1)
.by_name();
pub(super) static REPLACE_BUILTIN: Question = there(
    Class::Administer,
    "postgres.make-function-in-pg-catalog",
    "CREATE FUNCTION pg_catalog.bulkhead_made() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    Ask::Undone,
    Fix::Say("REVOKE CREATE ON SCHEMA pg_catalog FROM {mine}, PUBLIC"),
    "Makes a function in `pg_catalog` of the neighbour's database, where all names look first.",
)
.own("CREATE FUNCTION {home}.bulkhead_made() RETURNS int LANGUAGE sql AS 'SELECT 1'", Ask::Undone)
.by_name();
pub(super) static SEQUENCE: Question = there(
    Class::Enumerate,
    "postgres.read-foreign-sequence",
    "SELECT last_value FROM {schema}.bulkhead_numbers",
    Ask::Rows,
    Fix::Say("REVOKE ALL ON ALL SEQUENCES IN SCHEMA {schema} FROM {mine}, PUBLIC"),
    "Reads how far a sequence of the neighbour's is, which counts its orders.",
)
.by_name();
pub(super) static REFER: Question = there(
    Class::Enumerate,
    "postgres.refer-to-foreign-rows",
    "CREATE TABLE {home}.bulkhead_made (number int REFERENCES {schema}.bulkhead_referred)",
    Ask::Undone,
    Fix::Tables("REFERENCES"),
    "Refers to rows of the neighbour's by a foreign key, which tells whether they exist and holds them fast.",
)
.by_name();
pub(super) static ENTER: Question = there(
    Class::Enumerate,
    "postgres.enter-foreign-slice",
    "SELECT FROM {schema}.bulkhead_no_such_table",
    Ask::Until("42P01"),
    Fix::Tables("ALL"),
    "Gets into the neighbour's database and there into its schema, where it is told what exists.",
)
.by_name();
pub(super) static LOCK: Question = there(
    Class::Exhaust,
    "postgres.lock-foreign-table",
    "LOCK TABLE {schema}.bulkhead_locked IN ACCESS EXCLUSIVE MODE NOWAIT",
    Ask::Undone,
    Fix::Tables("UPDATE, DELETE, TRUNCATE"),
    "Locks a table of the neighbour's, so that nobody can use it.",
)
.by_name();
