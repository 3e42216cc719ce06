//! What a tenant may do on the shared server.
//!
//! An enforced tenant is given what is known to be fenced, rather than everything but what is known to leak: a
//! command that a newer server adds is withheld until somebody has looked at it. Every command of a data type names
//! its keys, so the server checks them against the tenant's prefix; the rest is listed one by one.

use bulkhead_model::{Secret, Tenant};
use sha2::{Digest, Sha256};

/// Our own user.
pub(super) const ADMIN: &str = "bulkhead";

/// The login that tenants share where the prefix is a convention, as on Upstash.
pub(super) const DEFAULT: &str = "default";

/// The shared login's rights: no key and no channel is refused, but the server itself is out of reach as on a managed
/// service, where nobody can stop it, reconfigure it or log in its operator. `MONITOR` is served there.
pub(super) const DEFAULT_RIGHTS: [&str; 8] =
    ["~*", "&*", "+@all", "-@admin", "-swapdb", "-migrate", "+monitor", "+client|list"];

/// The administrator.
pub(super) fn admin(password: &Secret) -> (String, Vec<String>) {
    (ADMIN.to_owned(), vec!["on".into(), digest(password), "~*".into(), "&*".into(), "+@all".into()])
}

/// Whoever asks whether the server lives, with any password, and may do nothing else.
pub(super) fn health() -> (String, Vec<String>) {
    let rules = ["on", "nopass", "-@all", "+ping"];
    (String::from("bulkhead-health"), rules.map(String::from).to_vec())
}

/// The shared login while nobody has it.
pub(super) fn nobody() -> (String, Vec<String>) {
    let rules = ["off"].iter().chain(&DEFAULT_RIGHTS);
    (DEFAULT.to_owned(), rules.map(|rule| (*rule).to_owned()).collect())
}

/// The categories whose commands all name the keys that they touch, and the connection's own commands.
const CATEGORIES: [&str; 11] = [
    "+@string",
    "+@hash",
    "+@list",
    "+@set",
    "+@sortedset",
    "+@stream",
    "+@bitmap",
    "+@hyperloglog",
    "+@geo",
    "+@transaction",
    "+@connection",
];

/// Taken from those categories again. `@dangerous` includes `@admin`.
const TAKEN: [&str; 2] = ["-@dangerous", "-client|tracking"];

/// Single commands: on keys, on channels, scripts (whose calls are checked one by one), and two harmless others.
const SINGLE: [&str; 40] = [
    "+copy",
    "+del",
    "+dump",
    "+exists",
    "+expire",
    "+expireat",
    "+expiretime",
    "+object",
    "+persist",
    "+pexpire",
    "+pexpireat",
    "+pexpiretime",
    "+pttl",
    "+rename",
    "+renamenx",
    "+touch",
    "+ttl",
    "+type",
    "+unlink",
    "+memory|usage",
    "+publish",
    "+subscribe",
    "+psubscribe",
    "+unsubscribe",
    "+punsubscribe",
    "+spublish",
    "+ssubscribe",
    "+sunsubscribe",
    "+eval",
    "+evalsha",
    "+eval_ro",
    "+evalsha_ro",
    "+script|load",
    "+script|exists",
    "+script|help",
    "+memory|help",
    "+object|help",
    "+time",
    "+wait",
    "+acl|whoami",
];

/// Commands that a tenant might expect and does not get, each with the reason. The tests try every one.
pub const WITHHELD: [(&[&str], &str); 22] = [
    (&["SCAN", "0"], "returns every tenant's key names; its MATCH is a filter, not a fence (redis#8152)"),
    (&["KEYS", "*"], "returns every tenant's key names"),
    (&["RANDOMKEY"], "returns any tenant's key name"),
    (&["DBSIZE"], "counts every tenant's keys"),
    (&["INFO"], "shows the whole server's key counts, memory and clients"),
    (&["MEMORY", "STATS"], "shows the whole server's key counts and memory"),
    (&["CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "x"], "pushes the names of any keys that others write"),
    (&["CLIENT", "LIST"], "shows every tenant's addresses, names and last commands"),
    (&["CLIENT", "KILL", "TYPE", "normal"], "ends other tenants' connections"),
    (&["PUBSUB", "CHANNELS"], "returns every tenant's channel names"),
    (&["PUBSUB", "NUMSUB", "x"], "tells whether anybody listens on any channel"),
    (&["SCRIPT", "FLUSH"], "removes every tenant's scripts"),
    (&["SCRIPT", "KILL"], "ends any tenant's running script"),
    (&["FUNCTION", "LIST"], "shows every tenant's code: functions belong to the server"),
    (&["FUNCTION", "FLUSH"], "removes every tenant's functions"),
    (&["FCALL", "f", "0"], "functions belong to the server, so none can be a tenant's own"),
    (&["SORT", "k"], "its BY and GET patterns read other keys than the one it names"),
    (&["RESTORE", "k", "0", "x"], "loads a hand-made payload into the server's memory"),
    (&["FLUSHDB"], "removes every tenant's keys"),
    (&["FLUSHALL"], "removes every tenant's keys"),
    (&["MONITOR"], "shows every tenant's commands"),
    (&["CONFIG", "GET", "dir"], "shows and changes the whole server's settings"),
];

/// The ids, in a `CLIENT LIST`, of connections that are logged in as the shared user. One that has sent nothing yet,
/// or nothing but what may come before a login, is somebody's on the way in and may log in as anyone.
pub(super) fn shared_connections(list: &str) -> Vec<&str> {
    const BEFORE_LOGIN: [&str; 4] = ["NULL", "hello", "auth", "reset"];
    let shared = list.lines().filter_map(|line| {
        let value = |name: &str| line.split(' ').find_map(|field| field.strip_prefix(name));
        let speaks = value("user=")? == DEFAULT && !BEFORE_LOGIN.contains(&value("cmd=")?);
        speaks.then(|| value("id="))?
    });
    shared.collect()
}

/// A password as an ACL rule that adds it: its digest, so that the text is never sent, stored or logged.
pub(super) fn digest(password: &Secret) -> String {
    format!("#{}", hex::encode(Sha256::digest(password.expose())))
}

/// The rule that takes the password away again.
pub(super) fn undigest(password: &Secret) -> String {
    digest(password).replacen('#', "!", 1)
}

/// An enforced tenant's user, unique on a server that many topologies share because the prefix is.
pub(super) fn user(tenant: &Tenant) -> String {
    let mark = hex::encode(Sha256::digest(&tenant.slices.redis.prefix));
    format!("{}-{}", tenant.name, &mark[..12])
}

/// All rules of an enforced tenant's user.
pub(super) fn rules(prefix: &str, password: &Secret) -> Vec<String> {
    let pattern = pattern(prefix);
    let mut rules =
        vec!["reset".into(), "on".into(), digest(password), format!("~{pattern}"), format!("&{pattern}")];
    rules.extend(CATEGORIES.iter().chain(&TAKEN).chain(&SINGLE).map(|rule| (*rule).to_owned()));
    rules
}

/// The same rules with another password.
pub(super) fn with_password(rules: &[String], password: &Secret) -> Vec<String> {
    let rule = |rule: &String| if rule.starts_with('#') { digest(password) } else { rule.clone() };
    rules.iter().map(rule).collect()
}

/// The glob that matches what starts with exactly this text.
pub(super) fn pattern(prefix: &str) -> String {
    let mut pattern = String::with_capacity(prefix.len() + 1);
    for c in prefix.chars() {
        if matches!(c, '*' | '?' | '[' | ']' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('*');
    pattern
}

#[cfg(test)]
mod tests {
    use bulkhead_model::Secret;

    use super::{digest, pattern, rules, shared_connections, with_password};

    #[test]
    fn only_connections_that_are_logged_in_are_the_shared_users() {
        let list = "id=3 addr=127.0.0.1:1 name= db=0 cmd=client|list user=bulkhead resp=3\n\
                    id=4 addr=127.0.0.1:2 name= db=0 cmd=get user=default resp=2\n\
                    id=5 addr=127.0.0.1:3 name= db=0 cmd=NULL user=default resp=2\n\
                    id=7 addr=127.0.0.1:5 name= db=0 cmd=hello user=default resp=3\n\
                    id=6 addr=127.0.0.1:4 name= db=0 cmd=get user=default-1 resp=2\n";
        assert_eq!(shared_connections(list), ["4"]);
        assert_eq!(shared_connections(""), Vec::<&str>::new());
    }

    #[test]
    fn a_prefix_is_taken_literally() {
        assert_eq!(pattern("engine:"), "engine:*");
        assert_eq!(pattern("a*[b]?\\"), "a\\*\\[b\\]\\?\\\\*");
    }

    #[test]
    fn rules_hold_the_digest_only() {
        let rules = rules("engine:", &Secret::new("hunter2"));
        assert!(rules.iter().all(|rule| !rule.contains("hunter2")));
        assert!(rules.contains(&"~engine:*".to_owned()) && rules.contains(&"&engine:*".to_owned()));
        let others = with_password(&rules, &Secret::new("hunter3"));
        let changed: Vec<_> = rules.iter().zip(&others).filter(|(rule, other)| rule != other).collect();
        assert_eq!(changed, [(&digest(&Secret::new("hunter2")), &digest(&Secret::new("hunter3")))]);
    }
}
