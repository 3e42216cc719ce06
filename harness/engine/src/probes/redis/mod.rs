//! Probes of a neighbour's keys and channels, and of what a server has only one of. Most are rows of a table: `looks` at a
//! key, `changes` of one, `listening` and `publishing`, what the whole server `tells` and `does`, the `budgets` that all
//! draw on.
//!
//! Stock servers allow much of the last kind even where every key is fenced: `SCAN` and `RANDOMKEY` return names, `DBSIZE`
//! and `PUBSUB CHANNELS` count them, scripts and functions are common to all. No key pattern closes these; not granting
//! the command does.

use super::Probe;

mod budgets;
mod changes;
mod databases;
mod delete_foreign_key;
mod does;
mod ear;
mod foreign_key_exists;
mod get_foreign_key;
pub(crate) mod ground;
mod listening;
mod logins;
mod looks;
mod publishing;
mod reading;
mod scripts;
mod server_wide;
mod set_foreign_key;
mod tells;
mod words;

pub(crate) use ground::Ground;

/// Why a probe tells nothing over a link.
pub(super) fn untold(probe: &str, linked: bool) -> Option<String> {
    let unshown = linked && probe == "redis.watch-all-commands";
    unshown.then(|| format!("`{probe}` is shown commands by a client that takes no link"))
}

/// All of them, in the order of the matrix.
pub const ALL: &[&dyn Probe] = &[
    &get_foreign_key::GetForeignKey,
    &looks::MGET,
    &looks::DUMP,
    &looks::HASH,
    &looks::LIST,
    &looks::STREAM,
    &looks::SCRIPT,
    &looks::TRANSACTION,
    &looks::COPY,
    &tells::SLOWLOG,
    &listening::Monitor,
    &tells::FUNCTIONS,
    &tells::DUMP_FUNCTIONS,
    &tells::REFUSALS,
    &tells::REPLICATE,
    &tells::SORT,
    &tells::SORT_RO,
    &listening::SUBSCRIBE,
    &listening::PSUBSCRIBE,
    &listening::SSUBSCRIBE,
    &logins::LoggedOut,
    &set_foreign_key::SetForeignKey,
    &changes::APPEND,
    &changes::EXPIRE,
    &changes::LPUSH,
    &changes::XADD,
    &changes::HSET,
    &changes::MOVE_INTO,
    &changes::RESTORE,
    &changes::SCRIPT,
    &publishing::PUBLISH,
    &publishing::SPUBLISH,
    &databases::Select,
    &databases::Copy,
    &does::RESTORE_FUNCTIONS,
    &delete_foreign_key::DeleteForeignKey,
    &changes::UNLINK,
    &changes::GETDEL,
    &changes::RENAME,
    &changes::XTRIM,
    &changes::LPOP,
    &changes::XREADGROUP,
    &changes::MOVE,
    &does::MIGRATE,
    &does::FLUSHDB,
    &does::FLUSHALL,
    &does::FLUSH_SCRIPTS,
    &does::FLUSH_FUNCTIONS,
    &does::DELETE_FUNCTION,
    &does::DELETE_USER,
    &does::LOAD_FUNCTION,
    &tells::GET_SETTING,
    &does::SET_SETTING,
    &does::SET_USER,
    &logins::Kill,
    &does::SWAPDB,
    &does::REPLICAOF,
    &does::RESET_SLOWLOG,
    &does::RESET_LATENCY,
    &does::RESET_STATS,
    &does::WRITE_SETTINGS,
    &does::SAVE_USERS,
    &does::LOAD_USERS,
    &logins::AnyPassword,
    &does::CALL_FUNCTION,
    &does::END_SCRIPT,
    &does::END_FUNCTION,
    &does::UNBLOCK,
    &does::UNPAUSE,
    &does::MEET,
    &does::FAILOVER,
    &does::DEBUG,
    &does::LOAD_MODULE,
    &does::SHUTDOWN,
    &foreign_key_exists::ForeignKeyExists,
    &looks::TYPE,
    &looks::TTL,
    &looks::STRLEN,
    &looks::TOUCH,
    &looks::ENCODING,
    &looks::MEMORY,
    &tells::SCAN,
    &tells::KEYS,
    &tells::RANDOMKEY,
    &tells::DBSIZE,
    &tells::CHANNELS,
    &tells::NUMSUB,
    &tells::NUMPAT,
    &tells::SHARD_CHANNELS,
    &tells::SHARD_NUMSUB,
    &listening::TRACKING,
    &listening::KEYSPACE,
    &listening::KEYEVENT,
    &scripts::EXISTS,
    &scripts::EVALSHA,
    &tells::CLIENTS,
    &tells::INFO,
    &tells::STATS,
    &tells::USERS,
    &tells::RULES,
    &tells::USER,
    &tells::DRYRUN,
    &tells::LATENCY,
    &tells::HISTOGRAM,
    &tells::RUNNING,
    &tells::ROLE,
    &tells::LASTSAVE,
    &tells::NODES,
    &tells::MODULES,
    &does::PAUSE,
    &does::NO_EVICT,
    &does::SAVE,
    &does::REWRITE,
    &does::SAVE_NOW,
    &does::PURGE,
    &budgets::MEMORY,
    &budgets::TIME,
    &budgets::CONNECTED,
    &budgets::UNREAD,
];
