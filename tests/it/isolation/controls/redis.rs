//! Over-grants on Redis: selectors and commands that an `ACL SETUSER` adds to the probing tenant's user.

use bulkhead_target::TenantAccess;

use super::super::{Control, Grant, Rig, Shared, shut::Shut};

/// Adds a rule to the probing tenant's user, its own keys being `~a:*` in it and the neighbour's `~b:*`.
async fn add(rig: &mut Rig, from: &TenantAccess, to: &TenantAccess, rule: &str) {
    let (own, other) = (&from.tenant.slices.redis.prefix, &to.tenant.slices.redis.prefix);
    let rule = rule.replace("a:*", &format!("{own}*")).replace("b:*", &format!("{other}*"));
    rig.administer(&format!("ACL SETUSER {} {rule}", from.connections.redis.user)).await;
}

const fn rule(probe: &'static str, grant: &'static str, apply: Grant) -> Control {
    Control { probe, grant, also: &[], sharing: &[Shared], apply, undo: None }
}

/// The same on a server whose settings, in [`SETTINGS`], open it, with what else they open.
const fn opened(
    probe: &'static str,
    grant: &'static str,
    also: &'static [&'static str],
    apply: Grant,
) -> Control {
    Control { also, ..rule(probe, grant, apply) }
}

async fn administer(rig: &mut Rig, statement: &str) {
    rig.administer(statement).await;
}

/// The probe and the rules of the selector that opens it.
macro_rules! by_selector {
    ($probe:literal, $rules:literal) => {
        rule($probe, concat!("ACL SETUSER a (", $rules, ")"), |rig, from, to| {
            Box::pin(add(rig, from, to, concat!("(", $rules, ")")))
        })
    };
}

/// The probe and the command that opens it.
macro_rules! by_command {
    ($probe:literal, $command:literal) => {
        rule($probe, concat!("ACL SETUSER a ", $command), |rig, from, to| {
            Box::pin(add(rig, from, to, $command))
        })
    };
}

/// Servers that were opened too far by their own settings, which no administrator changes while they run: the probe, and
/// what its server is started with.
pub(super) const SETTINGS: &[(&str, &[&str])] = &[
    ("redis.write-in-another-database", &["--databases", "2"]),
    ("redis.copy-into-another-database", &["--databases", "2"]),
    ("redis.move-foreign-key", &["--databases", "2"]),
    ("redis.debug-server", &["--enable-debug-command", "yes"]),
    ("redis.load-module", &["--enable-module-command", "yes"]),
];

/// What a server of several logical databases opens by itself.
const DATABASES: &[&str] = &["redis.write-in-another-database", "redis.copy-into-another-database"];

pub(super) const CONTROLS: &[Control] = &[
    by_selector!("redis.get-foreign-key", "+get ~b:*"),
    by_selector!("redis.read-among-several", "+mget ~b:*"),
    by_selector!("redis.dump-foreign-key", "+dump ~b:*"),
    by_selector!("redis.read-foreign-hash", "+hgetall ~b:*"),
    by_selector!("redis.read-foreign-list", "+lrange ~b:*"),
    by_selector!("redis.read-foreign-stream", "+xread ~b:*"),
    by_selector!("redis.read-by-script", "+getrange ~b:*"),
    by_selector!("redis.read-in-transaction", "+hget ~b:*"),
    by_selector!("redis.copy-foreign-key", "+copy ~b:* ~a:*"),
    by_selector!("redis.sort-by-foreign-keys", "+sort ~*"),
    by_selector!("redis.sort-unwritten-by-foreign-keys", "+sort_ro ~*"),
    by_selector!("redis.listen-to-foreign-channel", "+subscribe &b:*"),
    by_selector!("redis.listen-by-pattern", "+psubscribe &b:*"),
    by_selector!("redis.listen-to-foreign-shard-channel", "+ssubscribe &b:*"),
    // Protected mode closes what has no password to all but loopback, whence nobody comes into a container.
    Control {
        undo: Some(|rig, _, _| {
            Box::pin(async move {
                administer(rig, "CONFIG SET protected-mode yes").await;
                administer(rig, "ACL SETUSER default off resetpass").await;
            })
        }),
        ..rule(
            "redis.read-without-login",
            "CONFIG SET protected-mode no, ACL SETUSER default on nopass",
            |rig, _, _| {
                Box::pin(async move {
                    administer(rig, "CONFIG SET protected-mode no").await;
                    administer(rig, "ACL SETUSER default on nopass").await;
                })
            },
        )
    },
    by_selector!("redis.set-foreign-key", "+set ~b:*"),
    by_selector!("redis.append-to-foreign-key", "+append ~b:*"),
    by_selector!("redis.expire-foreign-key", "+expire ~b:*"),
    by_selector!("redis.push-to-foreign-list", "+lpush ~b:*"),
    by_selector!("redis.add-to-foreign-stream", "+xadd ~b:*"),
    by_selector!("redis.set-foreign-field", "+hset ~b:*"),
    by_selector!("redis.move-into-foreign-list", "+lmove ~a:* ~b:*"),
    by_selector!("redis.restore-into-foreign-key", "+restore ~b:*"),
    by_selector!("redis.write-by-script", "+setrange ~b:*"),
    by_selector!("redis.publish-into-foreign-channel", "+publish &b:*"),
    by_selector!("redis.publish-into-foreign-shard-channel", "+spublish &b:*"),
    opened(
        "redis.write-in-another-database",
        "databases 2 in redis.conf",
        &["redis.copy-into-another-database"],
        |_, _, _| Box::pin(async {}),
    ),
    opened(
        "redis.copy-into-another-database",
        "databases 2 in redis.conf",
        &["redis.write-in-another-database"],
        |_, _, _| Box::pin(async {}),
    ),
    by_command!("redis.restore-functions", "+function|restore"),
    by_selector!("redis.delete-foreign-key", "+del ~b:*"),
    by_selector!("redis.unlink-foreign-key", "+unlink ~b:*"),
    by_selector!("redis.take-foreign-key", "+getdel ~b:*"),
    by_selector!("redis.rename-foreign-key", "+rename ~b:* ~a:*"),
    by_selector!("redis.trim-foreign-stream", "+xtrim ~b:*"),
    by_selector!("redis.pop-foreign-list", "+lpop ~b:*"),
    by_selector!("redis.take-from-foreign-group", "+xreadgroup ~b:*"),
    opened(
        "redis.move-foreign-key",
        "databases 2 in redis.conf, ACL SETUSER a (+move ~b:*)",
        DATABASES,
        |rig, from, to| Box::pin(add(rig, from, to, "(+move ~b:*)")),
    ),
    by_selector!("redis.migrate-foreign-key", "+migrate ~b:*"),
    by_selector!("redis.foreign-key-exists", "+exists ~b:*"),
    by_selector!("redis.type-of-foreign-key", "+type ~b:*"),
    by_selector!("redis.ttl-of-foreign-key", "+ttl ~b:*"),
    by_selector!("redis.length-of-foreign-key", "+strlen ~b:*"),
    by_selector!("redis.touch-foreign-key", "+touch ~b:*"),
    by_selector!("redis.encoding-of-foreign-key", "+object|encoding ~b:*"),
    by_selector!("redis.memory-of-foreign-key", "+memory|usage ~b:*"),
    by_command!("redis.scan-key-names", "+scan"),
    by_command!("redis.list-foreign-keys", "+keys"),
    by_command!("redis.draw-a-key-name", "+randomkey"),
    by_command!("redis.count-all-keys", "+dbsize"),
    by_command!("redis.list-channels", "+pubsub|channels"),
    by_command!("redis.list-shard-channels", "+pubsub|shardchannels"),
    by_command!("redis.count-shard-listeners", "+pubsub|shardnumsub"),
    by_command!("redis.track-foreign-keys", "+client|tracking"),
    rule(
        "redis.watch-foreign-keyspace",
        "CONFIG SET notify-keyspace-events KA, ACL SETUSER a (+psubscribe &__keyspace@0__:b:*)",
        |rig, from, to| {
            Box::pin(async move {
                administer(rig, "CONFIG SET notify-keyspace-events KA").await;
                add(rig, from, to, "(+psubscribe &__keyspace@0__:b:*)").await;
            })
        },
    ),
    rule(
        "redis.watch-write-events",
        "CONFIG SET notify-keyspace-events EA, ACL SETUSER a (+subscribe &__keyevent@0__:set)",
        |rig, from, to| {
            Box::pin(async move {
                administer(rig, "CONFIG SET notify-keyspace-events EA").await;
                add(rig, from, to, "(+subscribe &__keyevent@0__:set)").await;
            })
        },
    ),
    by_command!("redis.count-listeners", "+pubsub|numsub"),
    by_command!("redis.count-patterns", "+pubsub|numpat"),
    by_command!("redis.list-clients", "+client|list"),
    by_command!("redis.read-server-totals", "+info"),
    by_command!("redis.read-memory-totals", "+memory|stats"),
    by_command!("redis.list-logins", "+acl|users"),
    by_command!("redis.list-access-rules", "+acl|list"),
    by_command!("redis.read-latency-totals", "+latency|latest"),
    by_command!("redis.read-slow-commands", "+slowlog|get"),
    by_command!("redis.watch-all-commands", "+monitor"),
    by_command!("redis.read-functions", "+function|list"),
    by_command!("redis.flush-database", "+flushdb"),
    by_command!("redis.flush-server", "+flushall"),
    by_command!("redis.flush-scripts", "+script|flush"),
    by_command!("redis.flush-functions", "+function|flush"),
    by_command!("redis.load-function", "+function|load"),
    by_command!("redis.read-settings", "+config|get"),
    by_command!("redis.change-settings", "+config|set"),
    by_command!("redis.change-logins", "+acl|setuser"),
    by_command!("redis.end-connections", "+client|kill"),
    by_command!("redis.swap-databases", "+swapdb"),
    by_command!("redis.replace-all-data", "+replicaof"),
    by_command!("redis.reset-slow-log", "+slowlog|reset"),
    by_command!("redis.pause-clients", "+client|pause"),
    by_command!("redis.escape-eviction", "+client|no-evict"),
    by_command!("redis.fork-server", "+bgsave"),
    by_command!("redis.rewrite-journal", "+bgrewriteaof"),
    by_command!("redis.dump-functions", "+function|dump"),
    by_command!("redis.read-refused-commands", "+acl|log"),
    by_command!("redis.copy-all-data", "+psync"),
    by_command!("redis.read-running-function", "+function|stats"),
    by_command!("redis.read-a-login", "+acl|getuser"),
    by_command!("redis.try-as-another-login", "+acl|dryrun"),
    by_command!("redis.read-replication", "+role"),
    by_command!("redis.read-last-save", "+lastsave"),
    by_command!("redis.count-all-commands", "+latency|histogram"),
    by_command!("redis.read-cluster-map", "+cluster|nodes"),
    by_command!("redis.end-scripts", "+script|kill"),
    by_command!("redis.end-functions", "+function|kill"),
    by_command!("redis.call-function", "+fcall"),
    by_command!("redis.delete-function", "+function|delete"),
    by_command!("redis.delete-logins", "+acl|deluser"),
    by_command!("redis.save-logins", "+acl|save"),
    by_command!("redis.reload-logins", "+acl|load"),
    by_command!("redis.reset-statistics", "+config|resetstat"),
    by_command!("redis.rewrite-settings", "+config|rewrite"),
    by_command!("redis.reset-latency", "+latency|reset"),
    by_command!("redis.unblock-clients", "+client|unblock"),
    by_command!("redis.end-a-pause", "+client|unpause"),
    by_command!("redis.change-cluster", "+cluster|meet"),
    by_command!("redis.hand-over", "+failover"),
    by_command!("redis.stop-server", "+shutdown"),
    by_command!("redis.stop-to-save", "+save"),
    by_command!("redis.purge-memory", "+memory|purge"),
    rule("redis.log-in-as-neighbour", "ACL SETUSER b nopass", |rig, _, to| {
        Box::pin(async move {
            administer(rig, &format!("ACL SETUSER {} nopass", to.connections.redis.user)).await;
        })
    }),
    opened(
        "redis.debug-server",
        "enable-debug-command yes in redis.conf, ACL SETUSER a +debug",
        &[],
        |rig, from, to| Box::pin(add(rig, from, to, "+debug")),
    ),
    opened(
        "redis.load-module",
        "enable-module-command yes in redis.conf, ACL SETUSER a +module|load",
        &[],
        |rig, from, to| Box::pin(add(rig, from, to, "+module|load")),
    ),
    by_command!("redis.list-modules", "+module|list"),
];

/// The probe and the command without which it has nothing to ask.
macro_rules! withheld {
    ($probe:literal, $rules:literal) => {
        Shut {
            probe: concat!("redis.", $probe),
            by: concat!("ACL SETUSER a ", $rules),
            sharing: &[Shared],
            apply: |rig, from, to| Box::pin(add(rig, from, to, $rules)),
        }
    };
}

pub(super) const SHUT: &[Shut] = &[
    withheld!("script-known", "-script|exists"),
    withheld!("run-foreign-script", "-evalsha -evalsha_ro"),
    withheld!("keep-server-busy", "-@scripting"),
];
