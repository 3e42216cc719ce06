//! Rows of what a server tells about all its tenants: each command is asked as it is, since it changes nothing.

use bulkhead_model::Class;

use super::server_wide::{
    Ask::{Asked, Barred, Queued},
    ServerWide, whole,
};

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
)
.beyond_slices();
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
    Asked,
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
pub(super) static GET_SETTING: ServerWide = whole(
    Class::Administer,
    "redis.read-settings",
    &["CONFIG", "GET", "maxmemory"],
    Asked,
    "Reads the server's settings.",
);
pub(super) static SHARD_CHANNELS: ServerWide = whole(
    Class::Enumerate,
    "redis.list-shard-channels",
    &["PUBSUB", "SHARDCHANNELS", "^"],
    Asked,
    "Lists the shard channels on which the neighbour listens.",
);
pub(super) static SHARD_NUMSUB: ServerWide = whole(
    Class::Enumerate,
    "redis.count-shard-listeners",
    &["PUBSUB", "SHARDNUMSUB", "~news"],
    Asked,
    "Counts who listens on a shard channel of the neighbour's.",
);
pub(super) static SORT_RO: ServerWide = whole(
    Class::Read,
    "redis.sort-unwritten-by-foreign-keys",
    &["SORT_RO", "=list", "BY", "nosort", "GET", "~*"],
    Asked,
    "Reads keys of the neighbour's through the `GET` pattern of a `SORT_RO`, which writes nothing.",
);
pub(super) static DUMP_FUNCTIONS: ServerWide = whole(
    Class::Read,
    "redis.dump-functions",
    &["FUNCTION", "DUMP"],
    Asked,
    "Takes the code of everybody's functions in its stored form.",
);
pub(super) static REPLICATE: ServerWide = whole(
    Class::Read,
    "redis.copy-all-data",
    &["PSYNC", "no-such-id", "no-number"],
    Barred,
    "Becomes a replica, which is sent every key and every later write.",
);
pub(super) static REFUSALS: ServerWide = whole(
    Class::Read,
    "redis.read-refused-commands",
    &["ACL", "LOG", "1"],
    Asked,
    "Reads which commands, keys and logins of anybody's were refused.",
);
pub(super) static RUNNING: ServerWide = whole(
    Class::Enumerate,
    "redis.read-running-function",
    &["FUNCTION", "STATS"],
    Asked,
    "Reads which function runs at the moment, and how many there are.",
);
pub(super) static USER: ServerWide = whole(
    Class::Enumerate,
    "redis.read-a-login",
    &["ACL", "GETUSER", "default"],
    Asked,
    "Reads what a login that is not its own may do.",
);
pub(super) static DRYRUN: ServerWide = whole(
    Class::Enumerate,
    "redis.try-as-another-login",
    &["ACL", "DRYRUN", "default", "GET", "~canary"],
    Asked,
    "Asks what another login would be allowed.",
);
pub(super) static ROLE: ServerWide = whole(
    Class::Enumerate,
    "redis.read-replication",
    &["ROLE"],
    Asked,
    "Reads where the server's replicas are and how much has been written.",
);
pub(super) static LASTSAVE: ServerWide = whole(
    Class::Enumerate,
    "redis.read-last-save",
    &["LASTSAVE"],
    Asked,
    "Reads when the server last saved all data.",
);
pub(super) static HISTOGRAM: ServerWide = whole(
    Class::Enumerate,
    "redis.count-all-commands",
    &["LATENCY", "HISTOGRAM"],
    Asked,
    "Reads how often each command was run by anybody, and how long it took.",
);
pub(super) static NODES: ServerWide = whole(
    Class::Enumerate,
    "redis.read-cluster-map",
    &["CLUSTER", "NODES"],
    Queued,
    "Reads which servers a cluster has.",
);
pub(super) static MODULES: ServerWide = whole(
    Class::Enumerate,
    "redis.list-modules",
    &["MODULE", "LIST"],
    Asked,
    "Lists the modules that the server has loaded.",
);
