//! Probes of what a server has only one of: its names, its settings, its scripts, its memory. A row a command; what would
//! touch others is queued in a transaction that is then discarded, which shows whether the server would carry it out.
//!
//! Leaves out what no transaction may hold (`SHUTDOWN`, `SAVE`), what Redis refuses to everybody unless its configuration
//! says otherwise (`DEBUG`, `MODULE LOAD`), and `SELECT`: a login's key patterns hold in each logical database.

use bulkhead_model::{Class, Outcome, Service};
use redis::cmd;

use super::words::{command, rule};
use crate::probes::{About, Attempt, Attempting, Pair, Probe, Side, answer::Answer};

pub(super) struct ServerWide {
    about: About,
    /// The command, as [`command`] reads it.
    words: &'static [&'static str],
    ask: Ask,
}

/// How it is asked.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ask {
    /// As it is: it changes nothing.
    Asked,
    /// Queued and discarded.
    Queued,
}

use Ask::{Asked, Queued};

const fn whole(
    class: Class,
    name: &'static str,
    words: &'static [&'static str],
    ask: Ask,
    sentence: &'static str,
) -> ServerWide {
    ServerWide { about: About::new(Service::Redis, name, class, sentence).by_name(), words, ask }
}

pub(super) static SCAN: ServerWide = whole(
    Class::Enumerate,
    "redis.scan-key-names",
    &["SCAN", "0", "MATCH", "^"],
    Asked,
    "Walks through all keys of the server by `SCAN`, whose pattern is a filter and no fence.",
);
pub(super) static KEYS: ServerWide = whole(
    Class::Enumerate,
    "redis.list-foreign-keys",
    &["KEYS", "^"],
    Asked,
    "Lists the neighbour's keys by `KEYS`.",
);
pub(super) static RANDOMKEY: ServerWide = whole(
    Class::Enumerate,
    "redis.draw-a-key-name",
    &["RANDOMKEY"],
    Asked,
    "Draws the name of any key on the server.",
);
pub(super) static DBSIZE: ServerWide =
    whole(Class::Enumerate, "redis.count-all-keys", &["DBSIZE"], Asked, "Counts the keys of all tenants.");
pub(super) static CHANNELS: ServerWide = whole(
    Class::Enumerate,
    "redis.list-channels",
    &["PUBSUB", "CHANNELS", "^"],
    Asked,
    "Lists the channels on which the neighbour listens.",
);
pub(super) static NUMSUB: ServerWide = whole(
    Class::Enumerate,
    "redis.count-listeners",
    &["PUBSUB", "NUMSUB", "~news"],
    Asked,
    "Counts who listens on a channel of the neighbour's.",
);
pub(super) static NUMPAT: ServerWide = whole(
    Class::Enumerate,
    "redis.count-patterns",
    &["PUBSUB", "NUMPAT"],
    Asked,
    "Counts the patterns to which anybody listens.",
);
pub(super) static CLIENTS: ServerWide = whole(
    Class::Enumerate,
    "redis.list-clients",
    &["CLIENT", "LIST"],
    Asked,
    "Lists everybody's connections, with addresses, logins and last commands.",
);
pub(super) static INFO: ServerWide = whole(
    Class::Enumerate,
    "redis.read-server-totals",
    &["INFO", "keyspace"],
    Asked,
    "Reads the whole server's counts of keys.",
);
pub(super) static STATS: ServerWide = whole(
    Class::Enumerate,
    "redis.read-memory-totals",
    &["MEMORY", "STATS"],
    Asked,
    "Reads the whole server's memory and counts of keys.",
);
pub(super) static USERS: ServerWide = whole(
    Class::Enumerate,
    "redis.list-logins",
    &["ACL", "USERS"],
    Asked,
    "Lists the logins of all tenants.",
);
pub(super) static RULES: ServerWide = whole(
    Class::Enumerate,
    "redis.list-access-rules",
    &["ACL", "LIST"],
    Queued,
    "Lists what each login may do, with the digests of all passwords.",
);
pub(super) static LATENCY: ServerWide = whole(
    Class::Enumerate,
    "redis.read-latency-totals",
    &["LATENCY", "LATEST"],
    Asked,
    "Reads which of anybody's commands were slow.",
);
pub(super) static SLOWLOG: ServerWide = whole(
    Class::Read,
    "redis.read-slow-commands",
    &["SLOWLOG", "GET", "1"],
    Asked,
    "Reads the slow log, which holds anybody's commands with their values.",
);
pub(super) static MONITOR: ServerWide = whole(
    Class::Read,
    "redis.watch-all-commands",
    &["MONITOR"],
    Queued,
    "Watches every command of every tenant.",
);
pub(super) static FUNCTIONS: ServerWide = whole(
    Class::Read,
    "redis.read-functions",
    &["FUNCTION", "LIST", "WITHCODE"],
    Asked,
    "Reads the code of everybody's functions.",
);
pub(super) static SORT: ServerWide = whole(
    Class::Read,
    "redis.sort-by-foreign-keys",
    &["SORT", "=list", "BY", "nosort", "GET", "~*"],
    Asked,
    "Reads keys of the neighbour's through the `GET` pattern of a `SORT` of its own list.",
);
pub(super) static RESTORE: ServerWide = whole(
    Class::Write,
    "redis.restore-into-foreign-key",
    &["RESTORE", "~restored", "0", "no payload"],
    Queued,
    "Loads a payload of its own making under a key of the neighbour's.",
);
pub(super) static MOVE: ServerWide = whole(
    Class::Delete,
    "redis.move-foreign-key",
    &["MOVE", "~canary", "1"],
    Queued,
    "Moves a key of the neighbour's to another logical database.",
);
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
pub(super) static GET_SETTING: ServerWide = whole(
    Class::Administer,
    "redis.read-settings",
    &["CONFIG", "GET", "maxmemory"],
    Queued,
    "Reads the server's settings.",
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
pub(super) static KILL: ServerWide = whole(
    Class::Administer,
    "redis.end-connections",
    &["CLIENT", "KILL", "ID", "0"],
    Queued,
    "Ends other tenants' connections.",
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

impl Probe for ServerWide {
    fn about(&self) -> &About {
        &self.about
    }

    fn fix(&self, pair: &Pair<'_>) -> String {
        let (user, rule) = (&pair.from.connections.redis.user, rule(self.words));
        if user == "default" {
            let name = &pair.from.tenant.name;
            return format!("give each tenant a user of its own without it: ACL SETUSER {name} … -{rule}");
        }
        format!("ACL SETUSER {user} -{rule}")
    }

    /// There is no slice of one's own, so the control is a call that every login may make, in the same form.
    fn attempt<'a>(&'a self, pair: &'a Pair<'a>, side: Side) -> Attempting<'a> {
        Box::pin(async move {
            let ground = pair.redis().await?;
            let command = match side {
                Side::Own => cmd("PING"),
                Side::Foreign => command(pair, side, self.about.name, self.words),
            };
            let answer = match self.ask {
                Asked => ground.ask(pair, command).await,
                Queued => ground.ask_queued(pair, command).await,
            };
            Ok(Attempt::Seen(match side {
                Side::Own => answer,
                Side::Foreign => only_ours(pair, answer),
            }))
        })
    }
}

/// The answer with what it says about the neighbour, and without what it says about anybody else on the server.
fn only_ours(pair: &Pair<'_>, answer: Answer) -> Answer {
    if matches!(answer.outcome, Outcome::Denied | Outcome::Unknown) {
        return answer;
    }
    // Whatever it says, and be it that there is nothing, is about all tenants.
    let mut received = String::from("an answer that is not about its own slice only");
    for told in [pair.to.slices.redis.prefix.clone(), pair.canary()] {
        if answer.received.contains(&told) {
            received.push_str(&format!(", with `{told}` in it"));
        }
    }
    Answer { outcome: Outcome::Allowed, received, ..answer }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{seed::Seed, testing::tenant};

    #[test]
    fn an_answer_is_a_leak_and_shows_nothing_of_third_parties() {
        let (from, to) = (tenant("engine"), tenant("plane"));
        let pair = Pair::new(&from, &to, &Seed::new(1));
        let answer = |outcome, received: &str| Answer {
            call: String::from("KEYS"),
            outcome,
            received: received.to_owned(),
        };
        let leak = only_ours(&pair, answer(Outcome::Invisible, "[plane:x, third:y]"));
        assert_eq!(leak.outcome, Outcome::Allowed);
        assert!(leak.received.contains("plane:") && !leak.received.contains("third"), "{}", leak.received);
        let refused = only_ours(&pair, answer(Outcome::Denied, "NOPERM"));
        assert_eq!((refused.outcome, refused.received.as_str()), (Outcome::Denied, "NOPERM"));
    }
}
