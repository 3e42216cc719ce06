//! The server's configuration file.

use std::{fmt::Write as _, io::Write as _, net::Ipv4Addr, os::unix::fs::OpenOptionsExt, path::PathBuf};

use crate::{Error, Identity};

/// Whether data outlives the process. It survives the server's death by any signal, because every write has reached the
/// kernel before it is answered; it would not survive the machine's, and is not meant to. The file is never rewritten:
/// that forks.
pub(super) const THROW_AWAY: &str =
    "save \"\"\nappendonly yes\nappendfsync no\nauto-aof-rewrite-percentage 0\n";

/// What a server listens on, and whom it lets in.
#[derive(Clone, Debug)]
pub(super) struct Config {
    /// The server's folder.
    pub(super) dir: PathBuf,
    /// Where its data lie.
    pub(super) data: PathBuf,
    /// The address that it listens on.
    pub(super) bind: Ipv4Addr,
    pub(super) port: u16,
    pub(super) identity: Identity,
    /// What becomes of data: lines of the file.
    pub(super) durability: &'static str,
}

/// Writes `redis.conf`, mode 0600, into the server's folder. It lets these users in, each with its rules.
pub(super) fn write(config: &Config, users: &[(String, Vec<String>)]) -> Result<PathBuf, Error> {
    let dir = &config.dir;
    let path = dir.join("redis.conf");
    let file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path);
    let text = text(config, users);
    file.and_then(|mut file| file.write_all(text.as_bytes())).map_err(Error::disk("write", &path))?;
    Ok(path)
}

pub(super) fn text(config: &Config, users: &[(String, Vec<String>)]) -> String {
    let Config { dir: _, data, bind, port, identity, durability } = config;
    let mut text = String::from("daemonize no\nlogfile \"\"\nport 0\ntls-auth-clients no\n");
    // Upstash serves logical database 0 only; with one database, SELECT cannot leave it.
    text.push_str("databases 1\n");
    // A process title would be written over the environment, and with it over the mark by which strays are found.
    text.push_str("set-proc-title no\n");
    text.push_str(durability);
    let mut line = |key: &str, value: &str| {
        // Writing to a string cannot fail.
        let _written = writeln!(text, "{key} {value}");
    };
    line("bind", &bind.to_string());
    line("tls-port", &port.to_string());
    line("dir", &quoted(&data.display().to_string()));
    line("tls-cert-file", &quoted(&identity.cert.display().to_string()));
    line("tls-key-file", &quoted(&identity.key.display().to_string()));
    line("tls-ca-cert-file", &quoted(&identity.ca.display().to_string()));
    for (user, rules) in users {
        let rules: Vec<_> = rules.iter().map(|rule| quoted(rule)).collect();
        line("user", &format!("{} {}", quoted(user), rules.join(" ")));
    }
    text
}

/// A text as the configuration's quoted string.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use bulkhead_model::Secret;

    use super::Config;
    use crate::{Identity, services::redis::acl};

    #[test]
    fn holds_no_password_and_opens_no_plain_port() {
        let identity = Identity {
            ca: "/r u\"n/ca.pem".into(),
            cert: "/run/cert.pem".into(),
            key: "/run/key.pem".into(),
        };
        let (dir, data, durability) = ("/run".into(), "/run".into(), super::THROW_AWAY);
        let bind = std::net::Ipv4Addr::LOCALHOST;
        let odd = (String::from("default"), vec![String::from("off"), String::from(r#"~a"b\c *"#)]);
        let users = [acl::admin(&Secret::new("hunter2")), odd];
        let text = super::text(&Config { dir, data, bind, port: 4711, identity, durability }, &users);
        assert!(!text.contains("hunter2"), "{text}");
        assert!(
            text.contains("\nport 0\n")
                && text.contains("\nbind 127.0.0.1\n")
                && text.contains("\ntls-port 4711\n"),
            "{text}"
        );
        assert!(text.contains(r#"tls-ca-cert-file "/r u\"n/ca.pem""#), "{text}");
        assert!(text.contains(r#"user "default" "off" "~a\"b\\c *""#), "{text}");
    }
}
