//! Probes of a neighbour's keys and channels, and of what a server has only one of. Most are rows of a table: `looks` at a
//! key, `changes` of one, `server_wide` commands.
//!
//! Stock servers allow much of the last kind even where every key is fenced: `SCAN` and `RANDOMKEY` return names, `DBSIZE`
//! and `PUBSUB CHANNELS` count them, scripts and functions are common to all. No key pattern closes these; not granting
//! the command does.

use super::Probe;

mod changes;
mod delete_foreign_key;
mod foreign_key_exists;
mod get_foreign_key;
pub(crate) mod ground;
mod looks;
mod server_wide;
mod set_foreign_key;
mod words;

pub(crate) use ground::Ground;

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
    &server_wide::SLOWLOG,
    &server_wide::MONITOR,
    &server_wide::FUNCTIONS,
    &server_wide::SORT,
    &set_foreign_key::SetForeignKey,
    &changes::APPEND,
    &changes::EXPIRE,
    &changes::LPUSH,
    &changes::XADD,
    &changes::HSET,
    &changes::MOVE_INTO,
    &server_wide::RESTORE,
    &delete_foreign_key::DeleteForeignKey,
    &changes::UNLINK,
    &changes::GETDEL,
    &changes::RENAME,
    &changes::XTRIM,
    &changes::LPOP,
    &server_wide::MOVE,
    &server_wide::MIGRATE,
    &server_wide::FLUSHDB,
    &server_wide::FLUSHALL,
    &server_wide::FLUSH_SCRIPTS,
    &server_wide::FLUSH_FUNCTIONS,
    &server_wide::LOAD_FUNCTION,
    &server_wide::GET_SETTING,
    &server_wide::SET_SETTING,
    &server_wide::SET_USER,
    &server_wide::KILL,
    &server_wide::SWAPDB,
    &server_wide::REPLICAOF,
    &server_wide::RESET_SLOWLOG,
    &foreign_key_exists::ForeignKeyExists,
    &looks::TYPE,
    &looks::TTL,
    &looks::STRLEN,
    &looks::TOUCH,
    &looks::ENCODING,
    &looks::MEMORY,
    &server_wide::SCAN,
    &server_wide::KEYS,
    &server_wide::RANDOMKEY,
    &server_wide::DBSIZE,
    &server_wide::CHANNELS,
    &server_wide::NUMSUB,
    &server_wide::NUMPAT,
    &server_wide::CLIENTS,
    &server_wide::INFO,
    &server_wide::STATS,
    &server_wide::USERS,
    &server_wide::RULES,
    &server_wide::LATENCY,
    &server_wide::PAUSE,
    &server_wide::NO_EVICT,
    &server_wide::SAVE,
    &server_wide::REWRITE,
];
