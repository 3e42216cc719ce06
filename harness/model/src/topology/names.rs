//! Which names each service accepts for a tenant's part of it. One rule a function; no rule looks at other tenants.
//!
//! [`Topology::scoped`](super::Topology::scoped) adds up to [`SCOPE`] characters to a container's name, so the limits
//! here are the services' own less that much.

use crate::document::Shown;

/// What `scoped` may add: a separator and the longest [`crate::Scope`].
pub(super) const SCOPE: usize = 13;

const POSTGRES_MAX: usize = 63;
const VHOST_MAX: usize = 127;
const BUCKET_MAX: usize = 63;
const BUCKET_MIN: usize = 6;
/// Keys go up to 1,024 bytes on S3; a prefix must leave room for what follows it.
const PREFIX_MAX: usize = 200;

/// A broken rule and what to do instead.
pub(super) struct Fault {
    pub(super) what: String,
    pub(super) hint: String,
}

type Checked = Result<(), Fault>;

fn fault(what: impl Into<String>, hint: impl Into<String>) -> Checked {
    Err(Fault { what: what.into(), hint: hint.into() })
}

/// What holds for every name: something is there, and nothing in it is invisible.
fn visible(kind: &str, name: &str) -> Checked {
    if name.is_empty() {
        return fault(format!("the {kind} is empty"), format!("give the {kind} a name"));
    }
    if name.chars().any(char::is_control) {
        return fault(format!("the {kind} `{}` holds a control character", Shown(name)), "remove it");
    }
    if name == "." || name == ".." {
        return fault(
            format!("the {kind} is `{name}`, which URL parsers drop"),
            "choose a name with letters",
        );
    }
    Ok(())
}

fn fits(kind: &str, name: &str, own: usize, added: usize) -> Checked {
    let most = own - added;
    if name.len() <= most {
        return Ok(());
    }
    let why = match added {
        0 => format!("at most {own} are possible"),
        _ => format!("at most {most} are possible: {own} less {added} that a case's own copy adds"),
    };
    fault(format!("the {kind} `{}` has {} bytes; {why}", Shown(name), name.len()), "shorten it")
}

/// A PostgreSQL database.
pub(super) fn database(name: &str) -> Checked {
    visible("database", name)?;
    fits("database", name, POSTGRES_MAX, SCOPE)?;
    if ["postgres", "template0", "template1"].contains(&name) {
        return fault(
            format!("the database `{name}` belongs to the server itself"),
            "give the tenant a database of its own",
        );
    }
    Ok(())
}

/// A PostgreSQL schema in a database that tenants share.
pub(super) fn schema(name: &str) -> Checked {
    visible("schema", name)?;
    fits("schema", name, POSTGRES_MAX, 0)?;
    if name.starts_with("pg_") || name == "information_schema" {
        return fault(
            format!("the schema `{}` is reserved by PostgreSQL", Shown(name)),
            "choose another name",
        );
    }
    if name == "public" {
        return fault(
            "the schema `public` is every tenant's: all roles of a database find it in their search path",
            "give the tenant a schema of its own",
        );
    }
    Ok(())
}

/// A RabbitMQ vhost.
pub(super) fn vhost(name: &str) -> Checked {
    visible("vhost", name)?;
    fits("vhost", name, VHOST_MAX, SCOPE)
}

/// An S3 bucket, by the narrower of S3's and B2's rules.
pub(super) fn bucket(name: &str) -> Checked {
    visible("bucket", name)?;
    fits("bucket", name, BUCKET_MAX, SCOPE)?;
    if name.len() < BUCKET_MIN {
        return fault(
            format!(
                "the bucket `{}` has {} characters, B2 wants at least {BUCKET_MIN}",
                Shown(name),
                name.len()
            ),
            "lengthen it",
        );
    }
    if let Some(c) = name.chars().find(|c| !(c.is_ascii_lowercase() || c.is_ascii_digit() || *c == '-')) {
        let hint =
            if c.is_ascii_uppercase() { "write it in lower case" } else { "use only a-z, 0-9 and `-`" };
        return fault(format!("the bucket `{}` holds `{}`", Shown(name), Shown(&c.to_string())), hint);
    }
    if name.starts_with('-') || name.ends_with('-') {
        return fault(
            format!("the bucket `{name}` starts or ends with `-`"),
            "begin and end with a letter or digit",
        );
    }
    if name.starts_with("b2-") {
        return fault(
            format!("the bucket `{name}` starts with `b2-`, which B2 keeps for itself"),
            "rename it",
        );
    }
    Ok(())
}

/// A Redis key prefix.
pub(super) fn key_prefix(prefix: &str) -> Checked {
    separated("prefix", prefix)?;
    // Redis reads these as patterns or as separators in ACL rules and in SCAN.
    match prefix.chars().find(|c| "*?[]\\^".contains(*c) || c.is_whitespace()) {
        Some(c) => fault(
            format!(
                "the prefix `{}` holds `{}`, which Redis reads as a pattern",
                Shown(prefix),
                Shown(&c.to_string())
            ),
            "use letters, digits and separators such as `:`",
        ),
        None => Ok(()),
    }
}

/// A queue-name prefix in a vhost that tenants share.
pub(super) fn queue_prefix(prefix: &str) -> Checked {
    separated("queue prefix", prefix)?;
    match prefix.strip_prefix("amq.") {
        Some(_) => fault(
            format!(
                "the queue prefix `{}` is RabbitMQ's own: it refuses queues called `amq.…`",
                Shown(prefix)
            ),
            "choose another prefix",
        ),
        None => Ok(()),
    }
}

/// A prefix that ends in a letter or digit also covers its longer neighbours' names.
fn separated(kind: &str, prefix: &str) -> Checked {
    visible(kind, prefix)?;
    fits(kind, prefix, PREFIX_MAX, 0)?;
    match prefix.chars().next_back() {
        Some(last) if last.is_alphanumeric() => fault(
            format!("the {kind} `{0}` ends in `{last}`, so that `{0}` also covers `{0}x:`", Shown(prefix)),
            format!("end it with a separator: `{}:`", Shown(prefix)),
        ),
        _ => Ok(()),
    }
}

/// A path prefix in a bucket that tenants share.
pub(super) fn path_prefix(prefix: &str) -> Checked {
    visible("path prefix", prefix)?;
    fits("path prefix", prefix, PREFIX_MAX, 0)?;
    if !prefix.ends_with('/') {
        return fault(
            format!("the path prefix `{0}` has no final `/`, so that it also covers `{0}x/`", Shown(prefix)),
            format!("write `{}/`", Shown(prefix)),
        );
    }
    let mut segments = prefix.trim_end_matches('/').split('/');
    if prefix.ends_with("//") || segments.any(|segment| matches!(segment, "" | "." | "..")) {
        return fault(
            format!(
                "the path prefix `{}` has an empty, `.` or `..` segment, which many clients drop",
                Shown(prefix)
            ),
            "write plain segments, `engine/` for one",
        );
    }
    Ok(())
}

/// What a tenant's environment variables start with.
pub(super) fn env_prefix(prefix: &str) -> Checked {
    let bytes = prefix.as_bytes();
    let formed = bytes.first().is_some_and(u8::is_ascii_uppercase)
        && bytes.last() == Some(&b'_')
        && bytes.iter().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || *b == b'_');
    if prefix.is_empty() || formed {
        return Ok(());
    }
    fault(
        format!(
            "`env` is `{}`; it must be empty or upper-case letters, digits and `_`, ending in `_`",
            Shown(prefix)
        ),
        "`env = \"PLANE_\"` makes the variables PLANE_DATABASE_URL and so on",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(checked: Checked, part: &str) {
        match checked {
            Ok(()) => panic!("accepted, expected `{part}`"),
            Err(fault) => assert!(fault.what.contains(part), "`{}` lacks `{part}`", fault.what),
        }
    }

    fn accepted(checked: Checked) {
        if let Err(fault) = checked {
            panic!("refused: {}", fault.what);
        }
    }

    #[test]
    fn databases_and_schemas() {
        accepted(database("enginedb"));
        accepted(database(&"d".repeat(50)));
        refused(database(&"d".repeat(51)), "at most 50 are possible: 63 less 13");
        refused(database(&"é".repeat(26)), "52 bytes");
        refused(database(""), "empty");
        refused(database("a\0b"), "control character");
        refused(database("postgres"), "the server itself");
        refused(database("template1"), "the server itself");
        accepted(schema(&"s".repeat(63)));
        refused(schema(&"s".repeat(64)), "at most 63");
        refused(schema("pg_mine"), "reserved");
        refused(schema("public"), "search path");
        refused(schema(""), "empty");
    }

    #[test]
    fn vhosts() {
        accepted(vhost("/"));
        accepted(vhost("/engine"));
        accepted(vhost(&"v".repeat(114)));
        refused(vhost(&"v".repeat(115)), "at most 114");
        refused(vhost(""), "empty");
        refused(vhost("a\nb"), "control character");
        refused(vhost(".."), "URL parsers drop");
    }

    #[test]
    fn buckets() {
        accepted(bucket("tl-engine"));
        accepted(bucket(&"b".repeat(50)));
        refused(bucket(&"b".repeat(51)), "at most 50");
        refused(bucket("short"), "at least 6");
        refused(bucket("TL-engine"), "holds `T`");
        refused(bucket("tl_engine"), "holds `_`");
        refused(bucket("tl.engine"), "holds `.`");
        refused(bucket("-engine"), "starts or ends");
        refused(bucket("engine-"), "starts or ends");
        refused(bucket("b2-engine"), "B2 keeps");
    }

    #[test]
    fn prefixes() {
        accepted(key_prefix("engine:"));
        accepted(key_prefix("{engine}:"));
        refused(key_prefix("engine"), "also covers `enginex:`");
        refused(key_prefix("eng*:"), "pattern");
        refused(key_prefix("eng :"), "pattern");
        refused(key_prefix(""), "empty");
        accepted(queue_prefix("engine."));
        refused(queue_prefix("engine"), "also covers");
        refused(queue_prefix("amq."), "RabbitMQ's own");
        accepted(path_prefix("engine/"));
        accepted(path_prefix("apps/engine/"));
        refused(path_prefix("engine"), "no final `/`");
        refused(path_prefix("/engine/"), "segment");
        refused(path_prefix("engine//"), "segment");
        refused(path_prefix("a/../b/"), "segment");
    }

    #[test]
    fn env_prefixes() {
        accepted(env_prefix(""));
        accepted(env_prefix("PLANE_"));
        accepted(env_prefix("P2_X_"));
        for bad in ["PLANE", "plane_", "_", "2P_", "PL-ANE_", "É_"] {
            refused(env_prefix(bad), "must be empty or");
        }
    }
}
