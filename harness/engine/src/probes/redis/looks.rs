//! Probes that look at a key of the neighbour's by one command each, a row a command. Leaves out commands that take the
//! same permission in the same way as one that is here.

use bulkhead_model::{Class, Service};

use super::{ground::limit, words::command};
use crate::probes::{About, Attempt, Attempting, Pair, Probe, Side};

pub(super) struct Look {
    about: About,
    /// The command on a key that is planted, as [`command`] reads it.
    words: &'static [&'static str],
    /// Whether it is sent inside `MULTI` and `EXEC`.
    in_transaction: bool,
}

const fn look(
    class: Class,
    name: &'static str,
    words: &'static [&'static str],
    sentence: &'static str,
) -> Look {
    let about = About::new(Service::Redis, name, class, sentence).by_name();
    Look { about, words, in_transaction: false }
}

const UNDECLARED: &str = "return redis.call('GETRANGE', ARGV[1], 0, -1)";

pub(super) static MGET: Look = look(
    Class::Read,
    "redis.read-among-several",
    &["MGET", "~canary"],
    "Reads a key that the neighbour wrote through `MGET`.",
);
pub(super) static DUMP: Look = look(
    Class::Read,
    "redis.dump-foreign-key",
    &["DUMP", "~canary"],
    "Takes a key of the neighbour's in its stored form.",
);
pub(super) static HASH: Look = look(
    Class::Read,
    "redis.read-foreign-hash",
    &["HGETALL", "~hash"],
    "Reads all fields of a hash of the neighbour's.",
);
pub(super) static LIST: Look = look(
    Class::Read,
    "redis.read-foreign-list",
    &["LRANGE", "~list", "0", "-1"],
    "Reads a list of the neighbour's, as a job queue is one.",
);
pub(super) static STREAM: Look = look(
    Class::Read,
    "redis.read-foreign-stream",
    &["XREAD", "COUNT", "1", "STREAMS", "~stream", "0"],
    "Reads the entries of a stream of the neighbour's.",
);
pub(super) static SCRIPT: Look = look(
    Class::Read,
    "redis.read-by-script",
    &["EVAL", UNDECLARED, "0", "~canary"],
    "Reads a key of the neighbour's inside a script that does not declare it.",
);
pub(super) static TRANSACTION: Look = Look {
    in_transaction: true,
    ..look(
        Class::Read,
        "redis.read-in-transaction",
        &["HGET", "~hash", "field"],
        "Reads a hash of the neighbour's between `MULTI` and `EXEC`.",
    )
};
pub(super) static COPY: Look = look(
    Class::Read,
    "redis.copy-foreign-key",
    &["COPY", "~canary", "=copied", "REPLACE"],
    "Copies a key of the neighbour's into its own slice.",
);
pub(super) static TYPE: Look = look(
    Class::Enumerate,
    "redis.type-of-foreign-key",
    &["TYPE", "~canary"],
    "Asks what kind of key the neighbour has under a name.",
);
pub(super) static TTL: Look = look(
    Class::Enumerate,
    "redis.ttl-of-foreign-key",
    &["TTL", "~canary"],
    "Asks when a key of the neighbour's ends.",
);
pub(super) static STRLEN: Look = look(
    Class::Enumerate,
    "redis.length-of-foreign-key",
    &["STRLEN", "~canary"],
    "Asks how long a value of the neighbour's is.",
);
pub(super) static TOUCH: Look = look(
    Class::Enumerate,
    "redis.touch-foreign-key",
    &["TOUCH", "~canary"],
    "Touches a key of the neighbour's, which tells whether it exists and keeps it from eviction.",
);
pub(super) static ENCODING: Look = look(
    Class::Enumerate,
    "redis.encoding-of-foreign-key",
    &["OBJECT", "ENCODING", "~canary"],
    "Asks how the server stores a key of the neighbour's.",
);
pub(super) static MEMORY: Look = look(
    Class::Enumerate,
    "redis.memory-of-foreign-key",
    &["MEMORY", "USAGE", "~canary"],
    "Asks how much memory a key of the neighbour's takes.",
);

impl Probe for Look {
    fn about(&self) -> &About {
        &self.about
    }

    fn fix(&self, pair: &Pair<'_>) -> String {
        limit(pair)
    }

    fn attempt<'a>(&'a self, pair: &'a Pair<'a>, side: Side) -> Attempting<'a> {
        Box::pin(async move {
            let ground = pair.redis().await?;
            let command = command(pair, side, self.about.name, self.words);
            if self.in_transaction {
                return Ok(Attempt::Seen(ground.ask_in_transaction(pair, command).await));
            }
            Ok(ground.ask_or_show_client(pair, side, command).await)
        })
    }
}
