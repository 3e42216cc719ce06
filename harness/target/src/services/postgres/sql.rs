//! The statements that make and remove slices, as text.
//!
//! Names come from a topology that was checked, and are quoted all the same. Passwords are hexadecimal digits that we
//! made ourselves, sent over the private socket in sessions whose statements the server does not log.

use bulkhead_model::{Secret, Tenant};
use sha2::{Digest, Sha256};

/// PostgreSQL cuts longer names off without a word, which would make two names one.
pub(super) const LONGEST_NAME: usize = 63;

/// A name as SQL.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A tenant's role: unique on a server that many topologies share, because the database's name is.
pub(super) fn role(tenant: &Tenant) -> String {
    let mark = Sha256::digest(format!("{}\0{}", tenant.slices.postgres.database, tenant.name));
    format!("{}_{}", tenant.name, hex::encode(&mark[..6]))
}

/// How many of the server's connections one tenant may hold, so that two leave room for others.
pub(super) const CONNECTIONS: u32 = 40;

/// How much of the disk one statement of a tenant's may take for sorting and joining.
const TEMP_FILES: &str = "1GB";

/// A role that may log in and nothing else, and that cannot take for itself what all share, where PostgreSQL has a limit.
pub(super) fn create_role(role: &str, password: &Secret) -> String {
    format!(
        "CREATE ROLE {role} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS \
         CONNECTION LIMIT {CONNECTIONS} PASSWORD '{password}'; \
         ALTER ROLE {role} SET temp_file_limit = '{TEMP_FILES}'",
        role = quoted(role),
        password = password.expose()
    )
}

/// How many connections a role may hold from now on.
pub(super) fn limit_connections(role: &str, connections: u32) -> String {
    format!("ALTER ROLE {} CONNECTION LIMIT {connections}", quoted(role))
}

/// Gives a role a password, or what the server kept of one.
pub(super) fn set_password(role: &str, password: &Secret) -> String {
    format!("ALTER ROLE {} PASSWORD '{}'", quoted(role), password.expose())
}

/// A database of ours that nobody can connect to yet. Copying files is two to three times as fast as logging every
/// page, which is the default from version 15 on; before that there was no choice.
pub(super) fn create_database(database: &str, version: u32) -> String {
    let strategy = if version >= 15 { " STRATEGY file_copy" } else { "" };
    format!("CREATE DATABASE {} TEMPLATE template0 ALLOW_CONNECTIONS false{strategy}", quoted(database))
}

/// Takes away what every role has on a new database: CONNECT and TEMP.
pub(super) fn close_database(database: &str) -> String {
    format!("REVOKE ALL ON DATABASE {} FROM PUBLIC", quoted(database))
}

/// Closes the databases that are nobody's to everybody.
pub(super) const CLOSE_MAINTENANCE: &str = "REVOKE ALL ON DATABASE postgres, template1 FROM PUBLIC";

/// Makes a spare database the one that is wanted.
pub(super) fn take_over(spare: &str, database: &str, holders: &Holders<'_>) -> String {
    format!(
        "ALTER DATABASE {} RENAME TO {}; {}",
        quoted(spare),
        quoted(database),
        hand_over(database, holders)
    )
}

/// Lets those into a database who use it.
///
/// With a single role of its own that role owns it; else it stays ours and the roles may connect and nothing more.
pub(super) fn hand_over(database: &str, holders: &Holders<'_>) -> String {
    let name = quoted(database);
    let mut text = match holders {
        Holders::Owner(role) => format!("ALTER DATABASE {name} OWNER TO {}; ", quoted(role)),
        Holders::Guests(roles) => {
            let grant = |role: &String| format!("GRANT CONNECT ON DATABASE {name} TO {}; ", quoted(role));
            roles.iter().map(grant).collect()
        }
    };
    text.push_str(&format!("ALTER DATABASE {name} ALLOW_CONNECTIONS true"));
    text
}

/// Who uses a database.
pub(super) enum Holders<'a> {
    /// One tenant alone.
    Owner(&'a str),
    /// Tenants with a schema each.
    Guests(&'a [String]),
}

/// Inside a database of the tenant's own: what versions before 15 leave open.
pub(super) const CLOSE_PUBLIC: &str =
    "REVOKE ALL ON SCHEMA public FROM PUBLIC; ALTER SCHEMA public OWNER TO pg_database_owner";

/// Inside a shared database: nobody has anything in `public`.
pub(super) const EMPTY_PUBLIC: &str = "REVOKE ALL ON SCHEMA public FROM PUBLIC";

/// Inside a shared database: a schema of the tenant's own, which unqualified names mean.
pub(super) fn create_schema(schema: &str, role: &str, database: &str) -> String {
    format!(
        "CREATE SCHEMA {schema} AUTHORIZATION {role}; ALTER ROLE {role} IN DATABASE {} SET search_path = {schema}",
        quoted(database),
        schema = quoted(schema),
        role = quoted(role),
    )
}

/// Removes a database, ending the connections to it.
pub(super) fn drop_database(database: &str) -> String {
    format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", quoted(database))
}

/// Removes a role that owns nothing any more.
pub(super) fn drop_role(role: &str) -> String {
    format!("DROP ROLE IF EXISTS {}", quoted(role))
}

/// Inside a shared database that stays: ends the role's connections and removes what it owns.
pub(super) fn drop_owned(role: &str) -> String {
    format!(
        "ALTER ROLE {role} NOLOGIN; \
         SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = '{text}'; \
         DROP OWNED BY {role} CASCADE",
        text = role.replace('\'', "''"),
        role = quoted(role),
    )
}
