//! The server's configuration file.

use std::{
    fmt::Write as _,
    io::Write as _,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use bulkhead_model::Secret;

use super::acl;
use crate::{Error, Identity};

/// Whether data outlives the process. Nothing does: a fresh server costs a few milliseconds and its data is thrown
/// away. This is the one place to change that, `appendonly yes` with `appendfsync always` being what a restart needs.
const DURABILITY: &str = "save \"\"\nappendonly no\n";

/// Writes `redis.conf`, mode 0600, into the server's folder.
pub(super) fn write(dir: &Path, port: u16, identity: &Identity, admin: &Secret) -> Result<PathBuf, Error> {
    let path = dir.join("redis.conf");
    let file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path);
    let text = text(dir, port, identity, admin);
    file.and_then(|mut file| file.write_all(text.as_bytes())).map_err(Error::disk("write", &path))?;
    Ok(path)
}

fn text(dir: &Path, port: u16, identity: &Identity, admin: &Secret) -> String {
    let mut text = String::from("daemonize no\nlogfile \"\"\nbind 127.0.0.1\nport 0\ntls-auth-clients no\n");
    // Upstash serves logical database 0 only; with one database, SELECT cannot leave it.
    text.push_str("databases 1\n");
    // A process title would be written over the environment, and with it over the mark by which strays are found.
    text.push_str("set-proc-title no\n");
    text.push_str(DURABILITY);
    let mut line = |key: &str, value: &str| {
        // Writing to a string cannot fail.
        let _written = writeln!(text, "{key} {value}");
    };
    line("tls-port", &port.to_string());
    line("dir", &quoted(dir));
    line("tls-cert-file", &quoted(&identity.cert));
    line("tls-key-file", &quoted(&identity.key));
    line("tls-ca-cert-file", &quoted(&identity.ca));
    line("user", &format!("{} on {} ~* &* +@all", acl::ADMIN, acl::digest(admin)));
    line("user", &format!("{} off {}", acl::DEFAULT, acl::DEFAULT_RIGHTS.join(" ")));
    text
}

/// A path as the configuration's quoted string.
fn quoted(path: &Path) -> String {
    format!("\"{}\"", path.display().to_string().replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use bulkhead_model::Secret;

    use crate::Identity;

    #[test]
    fn holds_no_password_and_opens_no_plain_port() {
        let identity = Identity {
            ca: "/r u\"n/ca.pem".into(),
            cert: "/run/cert.pem".into(),
            key: "/run/key.pem".into(),
        };
        let text = super::text(Path::new("/run"), 4711, &identity, &Secret::new("hunter2"));
        assert!(!text.contains("hunter2"), "{text}");
        assert!(text.contains("\nport 0\n") && text.contains("\ntls-port 4711\n"), "{text}");
        assert!(text.contains(r#"tls-ca-cert-file "/r u\"n/ca.pem""#), "{text}");
    }
}
