//! Rows of what changes the server for all its tenants. What a transaction may hold is queued and discarded; for the rest
//! a connection that may do nothing but listen shows whether the server would carry it out.
//!
//! Leaves out aliases (`SLAVEOF`, `SYNC`) and what cannot be told from what is here by its permission (`LATENCY GRAPH`).

use bulkhead_model::Class;

use super::server_wide::{
    Ask::{Barred, Queued},
    ServerWide, whole,
};

pub(super) static MIGRATE: ServerWide = whole(
    Class::Delete,
    "redis.migrate-foreign-key",
    &["MIGRATE", "127.0.0.1", "1", "~canary", "0", "1"],
    Queued,
    "Moves a key of the neighbour's to another server.",
);
pub(super) static FLUSHDB: ServerWide = whole(
    Class::Delete,
    "redis.flush-database",
    &["FLUSHDB", "no-such-mode"],
    Queued,
    "Deletes every tenant's keys in a logical database.",
);
pub(super) static FLUSHALL: ServerWide = whole(
    Class::Delete,
    "redis.flush-server",
    &["FLUSHALL", "no-such-mode"],
    Queued,
    "Deletes every tenant's keys on the server.",
);
pub(super) static FLUSH_SCRIPTS: ServerWide = whole(
    Class::Delete,
    "redis.flush-scripts",
    &["SCRIPT", "FLUSH", "no-such-mode"],
    Queued,
    "Deletes everybody's scripts.",
);
pub(super) static FLUSH_FUNCTIONS: ServerWide = whole(
    Class::Delete,
    "redis.flush-functions",
    &["FUNCTION", "FLUSH", "no-such-mode"],
    Queued,
    "Deletes everybody's functions.",
);
pub(super) static LOAD_FUNCTION: ServerWide = whole(
    Class::Administer,
    "redis.load-function",
    &["FUNCTION", "LOAD", "no library"],
    Queued,
    "Loads a function that every tenant can call, or replaces one that another calls.",
);
pub(super) static SET_SETTING: ServerWide = whole(
    Class::Administer,
    "redis.change-settings",
    &["CONFIG", "SET", "no-such-setting", "x"],
    Queued,
    "Changes the server's settings.",
);
pub(super) static SET_USER: ServerWide = whole(
    Class::Administer,
    "redis.change-logins",
    &["ACL", "SETUSER", "no-such-user", "no-such-rule"],
    Queued,
    "Changes what logins may do.",
);
pub(super) static SWAPDB: ServerWide = whole(
    Class::Administer,
    "redis.swap-databases",
    &["SWAPDB", "0", "0"],
    Queued,
    "Swaps two logical databases under everybody's feet.",
);
pub(super) static REPLICAOF: ServerWide = whole(
    Class::Administer,
    "redis.replace-all-data",
    &["REPLICAOF", "no-such-host", "no-port"],
    Queued,
    "Makes the server a replica, which replaces every tenant's data.",
);
pub(super) static RESET_SLOWLOG: ServerWide = whole(
    Class::Administer,
    "redis.reset-slow-log",
    &["SLOWLOG", "RESET"],
    Queued,
    "Empties the slow log, in which operators look.",
);
pub(super) static PAUSE: ServerWide = whole(
    Class::Exhaust,
    "redis.pause-clients",
    &["CLIENT", "PAUSE", "0"],
    Queued,
    "Makes the server stop answering anybody for as long as it says.",
);
pub(super) static NO_EVICT: ServerWide = whole(
    Class::Exhaust,
    "redis.escape-eviction",
    &["CLIENT", "NO-EVICT", "ON"],
    Queued,
    "Exempts its own connections when the server is short of memory, at the others' cost.",
);
pub(super) static SAVE: ServerWide = whole(
    Class::Exhaust,
    "redis.fork-server",
    &["BGSAVE", "no-such-mode"],
    Queued,
    "Makes the server fork, which may double the memory that it takes.",
);
pub(super) static REWRITE: ServerWide = whole(
    Class::Exhaust,
    "redis.rewrite-journal",
    &["BGREWRITEAOF"],
    Queued,
    "Makes the server rewrite its journal, as often as it likes.",
);
pub(super) static END_SCRIPT: ServerWide = whole(
    Class::Administer,
    "redis.end-scripts",
    &["SCRIPT", "KILL"],
    Queued,
    "Ends whichever script runs, whoever runs it.",
);
pub(super) static END_FUNCTION: ServerWide = whole(
    Class::Administer,
    "redis.end-functions",
    &["FUNCTION", "KILL"],
    Queued,
    "Ends whichever function runs, whoever runs it.",
);
pub(super) static CALL_FUNCTION: ServerWide = whole(
    Class::Administer,
    "redis.call-function",
    &["FCALL", "no-such-function", "0"],
    Queued,
    "Calls a function, all of which are common to all tenants.",
);
pub(super) static RESTORE_FUNCTIONS: ServerWide = whole(
    Class::Write,
    "redis.restore-functions",
    &["FUNCTION", "RESTORE", "no-payload"],
    Queued,
    "Loads functions of its own making beside everybody's.",
);
pub(super) static DELETE_FUNCTION: ServerWide = whole(
    Class::Delete,
    "redis.delete-function",
    &["FUNCTION", "DELETE", "no-such-library"],
    Queued,
    "Deletes a library of functions.",
);
pub(super) static DELETE_USER: ServerWide = whole(
    Class::Delete,
    "redis.delete-logins",
    &["ACL", "DELUSER", "no-such-user"],
    Queued,
    "Deletes logins.",
);
pub(super) static SAVE_USERS: ServerWide = whole(
    Class::Administer,
    "redis.save-logins",
    &["ACL", "SAVE"],
    Queued,
    "Writes the logins over what an operator has in the file.",
);
pub(super) static LOAD_USERS: ServerWide = whole(
    Class::Administer,
    "redis.reload-logins",
    &["ACL", "LOAD"],
    Queued,
    "Replaces all logins by what the file holds.",
);
pub(super) static RESET_STATS: ServerWide = whole(
    Class::Administer,
    "redis.reset-statistics",
    &["CONFIG", "RESETSTAT"],
    Queued,
    "Empties the statistics, in which operators look.",
);
pub(super) static WRITE_SETTINGS: ServerWide = whole(
    Class::Administer,
    "redis.rewrite-settings",
    &["CONFIG", "REWRITE"],
    Queued,
    "Writes the settings over what an operator has in the file.",
);
pub(super) static RESET_LATENCY: ServerWide = whole(
    Class::Administer,
    "redis.reset-latency",
    &["LATENCY", "RESET", "no-such-event"],
    Queued,
    "Empties what is known of slow commands, in which operators look.",
);
pub(super) static UNBLOCK: ServerWide = whole(
    Class::Administer,
    "redis.unblock-clients",
    &["CLIENT", "UNBLOCK", "0"],
    Queued,
    "Wakes the neighbour's workers that wait for a job.",
);
pub(super) static UNPAUSE: ServerWide = whole(
    Class::Administer,
    "redis.end-a-pause",
    &["CLIENT", "UNPAUSE"],
    Queued,
    "Ends a pause in which an operator works.",
);
pub(super) static MEET: ServerWide = whole(
    Class::Administer,
    "redis.change-cluster",
    &["CLUSTER", "MEET", "no-such-host", "no-port"],
    Queued,
    "Changes which servers a cluster has.",
);
pub(super) static FAILOVER: ServerWide = whole(
    Class::Administer,
    "redis.hand-over",
    &["FAILOVER", "ABORT"],
    Queued,
    "Hands the server's work over to a replica.",
);
pub(super) static DEBUG: ServerWide = whole(
    Class::Administer,
    "redis.debug-server",
    &["DEBUG", "SLEEP", "0"],
    Queued,
    "Debugs the server, which can make it sleep, crash or reload all data.",
);
pub(super) static LOAD_MODULE: ServerWide = whole(
    Class::Administer,
    "redis.load-module",
    &["MODULE", "LOAD", "/no/such/module"],
    Queued,
    "Loads machine code into the server.",
);
pub(super) static SHUTDOWN: ServerWide = whole(
    Class::Administer,
    "redis.stop-server",
    &["SHUTDOWN", "no-such-mode"],
    Barred,
    "Stops the server for everybody.",
);
pub(super) static SAVE_NOW: ServerWide = whole(
    Class::Exhaust,
    "redis.stop-to-save",
    &["SAVE"],
    Barred,
    "Makes the server save all data, during which it answers nobody.",
);
pub(super) static PURGE: ServerWide = whole(
    Class::Exhaust,
    "redis.purge-memory",
    &["MEMORY", "PURGE"],
    Queued,
    "Makes the server give memory back, during which it answers nobody.",
);
