//! Probes of a neighbour's database, or of its schema in a database that both use. Most are rows of a table: `objects` that
//! the neighbour owns, `changes` of its content, what `catalogues` tell, `rights` on the server, `budgets` that all share,
//! and `channels`.
//!
//! A stock server lets every role connect to every database, and whoever is in sees the whole catalogue there. CONNECT
//! closes that; tenants that share a database have it in common, with its advisory locks, channels and large objects.

use super::Probe;

mod budgets;
mod catalogues;
mod changes;
mod channels;
mod ground;
mod objects;
mod question;
mod rights;
pub(crate) mod words;

pub(crate) use ground::Ground;

/// All of them, in the order of the matrix.
pub const ALL: &[&dyn Probe] = &[
    &objects::SELECT,
    &objects::VIEW,
    &objects::FUNCTION,
    &objects::READ_OBJECT,
    &channels::LISTEN,
    &catalogues::CODE,
    &catalogues::SAMPLES,
    &catalogues::MAPPINGS,
    &catalogues::STATEMENTS,
    &catalogues::ROLE_SETTINGS,
    &catalogues::DIGESTS,
    &rights::STATEMENT_TEXTS,
    &rights::ROW_SECURITY,
    &rights::READ_FILE,
    &rights::COPY_FILE,
    &changes::INSERT,
    &changes::UPDATE,
    &changes::ADVANCE,
    &changes::WRITE_OBJECT,
    &changes::CAPTURE,
    &objects::TEMP,
    &objects::MAKE_OBJECT,
    &objects::MAKE_IN_PUBLIC,
    &objects::MAKE_IN_SCHEMA,
    &channels::NOTIFY,
    &changes::DELETE,
    &changes::UNLINK,
    &objects::TRUNCATE,
    &objects::DROP_TABLE,
    &objects::DROP_SCHEMA,
    &objects::ALTER,
    &objects::HOOK,
    &objects::SHARE,
    &objects::MAKE_SCHEMA,
    &objects::REPLACE_BUILTIN,
    &rights::SUPERUSER,
    &rights::SERVER_ROLES,
    &rights::SET_ROLE,
    &rights::GIVE_AWAY,
    &rights::GRANT_ROLE,
    &rights::CHANGE_LOGIN,
    &rights::CREATE_ROLE,
    &rights::CREATE_DATABASE,
    &rights::ALTER_DATABASE,
    &rights::CANCEL,
    &rights::ALTER_SYSTEM,
    &rights::READ_SETTINGS,
    &rights::RUN_PROGRAM,
    &rights::WRITE_FILE,
    &rights::SERVER_FUNCTIONS,
    &rights::NATIVE_CODE,
    &rights::FOREIGN_SERVER,
    &rights::DBLINK,
    &catalogues::TABLES,
    &catalogues::CLASSES,
    &catalogues::COLUMNS,
    &catalogues::ROW_COUNTS,
    &catalogues::SIZES,
    &catalogues::OBJECTS,
    &catalogues::DATABASES,
    &catalogues::LOGINS,
    &catalogues::SESSIONS,
    &catalogues::COUNTERS,
    &catalogues::DATABASE_SIZE,
    &catalogues::OTHERS,
    &objects::SEQUENCE,
    &objects::REFER,
    &objects::ENTER,
    &rights::LIST_FILES,
    &rights::LOGIN_RULES,
    &budgets::CONNECTIONS,
    &budgets::TEMP_FILES,
    &budgets::MEMORY,
    &budgets::TIME,
    &budgets::REPLICATION_SLOT,
    &objects::LOCK,
    &changes::ADVISE,
];
