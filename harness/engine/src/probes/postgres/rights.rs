//! Probes of what a role may do on the server as a whole: its attributes and memberships, the server's files and settings,
//! other roles, other sessions. What would change something is undone in the same statement, or is asked with an argument
//! that the server refuses only once it has asked for the right.
//!
//! Leaves out what is for superusers alone whatever is granted (event triggers, tablespaces, `CREATE EXTENSION` of what
//! is not trusted): who can do that is a superuser, which is asked.

use bulkhead_model::Class;

use super::{
    ground::{Ask, At},
    objects::MAKE_TABLE,
    question::{Fix, Question},
};

/// A statement about the server, run in the tenant's own database.
const fn whole(
    class: Class,
    name: &'static str,
    sql: &'static str,
    ask: Ask,
    fix: &'static str,
    sentence: &'static str,
) -> Question {
    Question::new(At::Home, class, name, sql, ask, Fix::Say(fix), sentence).own(HELLO.0, HELLO.1)
}

/// There is no slice of one's own on the server as a whole, so the control is what every login may ask.
pub(super) const HELLO: (&str, Ask) = ("SELECT current_user", Ask::Rows);

/// A table that does not exist, which is found out once the right to the file is there.
const NO_TABLE: (&str, Ask) = ("SELECT FROM bulkhead_no_such_table", Ask::Until("42P01"));

pub(super) static ROW_SECURITY: Question = whole(
    Class::Read,
    "postgres.escape-row-security",
    "SELECT token FROM {home}.bulkhead_sealed",
    Ask::Rows,
    "ALTER ROLE {mine} NOBYPASSRLS",
    "Reads a table whose row security lets nobody see a row, as BYPASSRLS does.",
)
.own("SELECT token FROM {home}.bulkhead_canary", Ask::Rows);
pub(super) static READ_FILE: Question = whole(
    Class::Read,
    "postgres.read-server-file",
    "SELECT pg_read_file('PG_VERSION')",
    Ask::Rows,
    "REVOKE EXECUTE ON FUNCTION pg_read_file(text) FROM {mine}, PUBLIC",
    "Reads a file of the server's, among which are all tenants' tables.",
)
.by_name();
pub(super) static COPY_FILE: Question = whole(
    Class::Read,
    "postgres.copy-server-file",
    "COPY bulkhead_no_such_table FROM 'PG_VERSION'",
    Ask::Until("42P01"),
    "REVOKE pg_read_server_files FROM {mine}",
    "Copies a file of the server's into a table.",
)
.own(NO_TABLE.0, NO_TABLE.1)
.by_name();
pub(super) static STATEMENT_TEXTS: Question = whole(
    Class::Read,
    "postgres.read-statement-texts",
    "SELECT left(query, 80) FROM pg_stat_statements \
     WHERE userid = (SELECT oid FROM pg_roles WHERE rolname = {'role'}) AND query <> '<insufficient privilege>'",
    Ask::Rows,
    "REVOKE pg_read_all_stats, pg_monitor FROM {mine}",
    "Reads the texts of the neighbour's statements where the server collects them (`pg_stat_statements`).",
);
pub(super) static CANCEL: Question = whole(
    Class::Administer,
    "postgres.end-foreign-session",
    "SELECT pg_cancel_backend({pid})",
    Ask::Rows,
    "REVOKE pg_signal_backend, {role} FROM {mine}",
    "Signals the neighbour's session while it does nothing, which takes the right to end it.",
)
.own("SELECT pg_cancel_backend(pg_backend_pid())", Ask::Until("57014"))
.alone();
pub(super) static SUPERUSER: Question = whole(
    Class::Administer,
    "postgres.be-superuser",
    "SELECT rolname FROM pg_roles WHERE rolsuper AND pg_has_role(oid, 'MEMBER')",
    Ask::Rows,
    "ALTER ROLE {mine} NOSUPERUSER, and take back what superuser's role it is a member of",
    "Asks whether the app's own login is a superuser or can become one.",
)
.by_name();
/// `pg_database_owner` has each owner of a database as a member, in that database.
pub(super) static SERVER_ROLES: Question = whole(
    Class::Administer,
    "postgres.hold-server-roles",
    "SELECT rolname FROM pg_roles WHERE rolname LIKE 'pg\\_%' AND rolname <> 'pg_database_owner' \
     AND NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) AND pg_has_role(oid, 'MEMBER')",
    Ask::Rows,
    "REVOKE pg_read_all_data, pg_write_all_data, pg_monitor, pg_checkpoint and every other pg_ role FROM {mine}",
    "Asks which of the server's own roles, such as `pg_read_all_data`, the app's login is a member of.",
)
.by_name();
pub(super) static SET_ROLE: Question = whole(
    Class::Administer,
    "postgres.become-neighbour",
    "SET LOCAL ROLE {role}",
    Ask::Done,
    "REVOKE {role} FROM {mine}",
    "Takes the neighbour's role on.",
)
.own("SET LOCAL ROLE {mine}", Ask::Done);
pub(super) static GIVE_AWAY: Question = whole(
    Class::Administer,
    "postgres.run-code-as-neighbour",
    "CREATE FUNCTION {home}.bulkhead_given() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'; \
     ALTER FUNCTION {home}.bulkhead_given() OWNER TO {role}",
    Ask::Undone,
    "REVOKE {role} FROM {mine}; REVOKE CREATE ON SCHEMA {home} FROM {role}, PUBLIC",
    "Makes the neighbour the owner of its own function, which then runs with the neighbour's rights.",
)
.own(
    "CREATE FUNCTION {home}.bulkhead_given() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'; \
     ALTER FUNCTION {home}.bulkhead_given() OWNER TO {mine}",
    Ask::Undone,
);
pub(super) static GRANT_ROLE: Question = whole(
    Class::Administer,
    "postgres.grant-itself-neighbours-role",
    "GRANT {role} TO {mine}",
    Ask::Undone,
    "ALTER ROLE {mine} NOCREATEROLE; REVOKE ADMIN OPTION FOR {role} FROM {mine}",
    "Makes itself a member of the neighbour's role.",
)
.own(MAKE_TABLE.0, MAKE_TABLE.1);
pub(super) static CHANGE_LOGIN: Question = whole(
    Class::Administer,
    "postgres.change-foreign-login",
    "ALTER ROLE {role} PASSWORD 'bulkhead-{token}'",
    Ask::Undone,
    "ALTER ROLE {mine} NOCREATEROLE; REVOKE ADMIN OPTION FOR {role} FROM {mine}",
    "Changes the password of the neighbour's login.",
)
.own(MAKE_TABLE.0, MAKE_TABLE.1);
pub(super) static CREATE_ROLE: Question = whole(
    Class::Administer,
    "postgres.make-login",
    "CREATE ROLE bulkhead_made",
    Ask::Undone,
    "ALTER ROLE {mine} NOCREATEROLE",
    "Makes a login.",
)
.own(MAKE_TABLE.0, MAKE_TABLE.1)
.by_name();
pub(super) static CREATE_DATABASE: Question = whole(
    Class::Administer,
    "postgres.make-database",
    "CREATE DATABASE bulkhead_made TEMPLATE bulkhead_no_such_database",
    Ask::Until("3D000"),
    "ALTER ROLE {mine} NOCREATEDB",
    "Makes a database.",
)
.by_name();
pub(super) static ALTER_DATABASE: Question = whole(
    Class::Administer,
    "postgres.alter-foreign-database",
    "ALTER DATABASE {database} CONNECTION LIMIT 1",
    Ask::Undone,
    "ALTER DATABASE {database} OWNER TO whoever administers the server, or to {role} if it is that tenant's alone",
    "Takes the neighbour's database out of use, as its owner may, who may drop it too.",
)
.own(MAKE_TABLE.0, MAKE_TABLE.1)
.by_name();
pub(super) static ALTER_SYSTEM: Question = whole(
    Class::Administer,
    "postgres.change-server-settings",
    "ALTER SYSTEM SET work_mem = 'no such value'",
    Ask::Until("22023"),
    "REVOKE ALTER SYSTEM ON PARAMETER work_mem FROM {mine}, PUBLIC",
    "Changes the server's settings.",
)
.own("SET work_mem = 'no such value'", Ask::Until("22023"))
.by_name();
pub(super) static READ_SETTINGS: Question = whole(
    Class::Administer,
    "postgres.read-server-settings",
    "SHOW data_directory",
    Ask::Rows,
    "REVOKE pg_read_all_settings, pg_monitor FROM {mine}",
    "Reads the server's settings that are not for everybody.",
)
.own("SHOW server_version", Ask::Rows)
.by_name();
pub(super) static RUN_PROGRAM: Question = whole(
    Class::Administer,
    "postgres.run-server-program",
    "COPY bulkhead_no_such_table FROM PROGRAM 'true'",
    Ask::Until("42P01"),
    "REVOKE pg_execute_server_program FROM {mine}",
    "Runs a program on the server's machine.",
)
.own(NO_TABLE.0, NO_TABLE.1)
.by_name();
pub(super) static WRITE_FILE: Question = whole(
    Class::Administer,
    "postgres.write-server-file",
    "COPY bulkhead_no_such_table TO '/dev/null'",
    Ask::Until("42P01"),
    "REVOKE pg_write_server_files FROM {mine}",
    "Writes a file on the server's machine.",
)
.own(NO_TABLE.0, NO_TABLE.1)
.by_name();
pub(super) static SERVER_FUNCTIONS: Question = whole(
    Class::Administer,
    "postgres.call-server-functions",
    "SELECT name FROM unnest(ARRAY['pg_reload_conf()', 'pg_rotate_logfile()', 'pg_switch_wal()', \
     'pg_create_restore_point(text)', 'pg_promote(boolean,integer)', 'pg_stat_reset()', \
     'pg_stat_reset_shared(text)', 'lo_import(text)', 'lo_export(oid,text)']) name \
     WHERE to_regprocedure(name) IS NOT NULL AND has_function_privilege(name, 'EXECUTE')",
    Ask::Rows,
    "REVOKE EXECUTE ON FUNCTION pg_reload_conf() (or whichever the evidence names) FROM {mine}, PUBLIC",
    "Asks which functions that act on the whole server it may call: to load settings anew, to promote, to reset statistics.",
)
.by_name();
pub(super) static NATIVE_CODE: Question = whole(
    Class::Administer,
    "postgres.load-native-code",
    "CREATE FUNCTION {home}.bulkhead_native() RETURNS int LANGUAGE c AS 'bulkhead-no-such-library', 'none'",
    Ask::Until("58P01"),
    "UPDATE pg_language SET lanpltrusted = false WHERE lanname = 'c'",
    "Makes a function of a library on the server's machine, which would do anything as the server.",
)
.by_name();
pub(super) static FOREIGN_SERVER: Question = whole(
    Class::Administer,
    "postgres.dial-out-by-fdw",
    "CREATE SERVER bulkhead_made FOREIGN DATA WRAPPER postgres_fdw",
    Ask::Undone,
    "REVOKE USAGE ON FOREIGN DATA WRAPPER postgres_fdw FROM {mine}, PUBLIC",
    "Makes a foreign server, through which the server dials where the tenant says.",
)
.own(MAKE_TABLE.0, MAKE_TABLE.1)
.by_name();
pub(super) static DBLINK: Question = whole(
    Class::Administer,
    "postgres.dial-out-by-dblink",
    "SELECT dblink_connect('host=127.0.0.1 port=1 user=nobody password=none')",
    Ask::Until("08001"),
    "DROP EXTENSION dblink, or REVOKE EXECUTE ON FUNCTION dblink_connect(text) FROM {mine}, PUBLIC",
    "Has the server dial an address of the tenant's choice, where it may be trusted more than the tenant.",
)
.by_name();
pub(super) static LIST_FILES: Question = whole(
    Class::Enumerate,
    "postgres.list-server-files",
    "SELECT count(*) || ' files' FROM pg_ls_dir('.')",
    Ask::Rows,
    "REVOKE EXECUTE ON FUNCTION pg_ls_dir(text) FROM {mine}, PUBLIC",
    "Lists the server's files, of which each database has a folder and each table a file.",
)
.by_name();
pub(super) static LOGIN_RULES: Question = whole(
    Class::Enumerate,
    "postgres.read-login-rules",
    "SELECT count(*) || ' rules' FROM pg_hba_file_rules",
    Ask::Rows,
    "REVOKE EXECUTE ON FUNCTION pg_hba_file_rules() FROM {mine}, PUBLIC; REVOKE ALL ON pg_hba_file_rules FROM {mine}",
    "Reads from where which login may enter which database.",
)
.by_name();
