//! What the server obeys: `postgresql.conf`, `pg_hba.conf` and `pg_ident.conf`, written whole over the cloned ones.

use std::{io::Write as _, net::Ipv4Addr, os::unix::fs::OpenOptionsExt, path::Path};

use bulkhead_model::Service;

use super::account::Account;
use crate::{Error, Identity};

/// Our superuser, who has no password and is let in over the private socket alone.
pub(super) const ADMIN: &str = "bulkhead";

/// The database that admin connections use when they are about no other.
pub(super) const ADMIN_DATABASE: &str = "postgres";

/// Whether data outlives the process. It survives the server's death by any signal, because a commit has reached the
/// kernel before it is acknowledged; it would not survive the machine's, and is not meant to. With
/// `synchronous_commit = off` it would not survive the server's either: what is written a fifth of a second later dies
/// with the process that was to write it.
const DURABILITY: [(&str, &str); 2] = [("fsync", "off"), ("full_page_writes", "off")];

/// As on the smallest Neon compute, whose limits are the ones that apps meet first.
const NEON: [(&str, &str); 3] = [
    ("max_connections", "104"),
    ("superuser_reserved_connections", "7"),
    ("idle_in_transaction_session_timeout", "300000"),
];

/// What makes a server that comes and goes cheap and clean.
const STAND_IN: [(&str, &str); 8] = [
    ("unix_socket_permissions", "0700"),
    // Not in /dev/shm, where a killed server would leave its segments for good.
    ("dynamic_shared_memory_type", "mmap"),
    ("shared_buffers", "32MB"),
    ("max_wal_size", "128MB"),
    ("logging_collector", "off"),
    ("log_line_prefix", "%m [%p] %q%u@%d "),
    ("timezone", "UTC"),
    ("log_timezone", "UTC"),
];

/// The longest path that a Unix socket's address holds on Linux; other systems allow a few bytes less.
const SOCKET_PATH: usize = 107;

/// Writes the three files; the socket will lie in `sockets`, which only the server's user may enter.
pub(super) fn write(
    data: &Path,
    sockets: &Path,
    port: u16,
    identity: &Identity,
    account: &Account,
) -> Result<(), Error> {
    let socket = sockets.join(format!(".s.PGSQL.{port}"));
    if socket.as_os_str().len() > SOCKET_PATH {
        let why = format!("the path is longer than {SOCKET_PATH} bytes; set TMPDIR to a shorter folder");
        return Err(Error::serve(Service::Postgres, format!("use the socket `{}`", socket.display()))(why));
    }
    let hba = format!(
        "local     all {ADMIN} peer map=ours\n\
         local     all all     reject\n\
         hostnossl all all     all reject\n\
         hostssl   all {ADMIN} all reject\n\
         hostssl   all all     127.0.0.1/32 scram-sha-256\n"
    );
    let files = [
        ("postgresql.conf", throw_away(&sockets.display().to_string(), Ipv4Addr::LOCALHOST, port, identity)),
        ("pg_hba.conf", hba),
        ("pg_ident.conf", format!("ours \"{}\" {ADMIN}\n", account.ours)),
    ];
    for (name, text) in files {
        let path = data.join(name);
        let file =
            std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path);
        file.and_then(|mut file| file.write_all(text.as_bytes())).map_err(Error::disk("write", &path))?;
        account.give(&path)?;
    }
    Ok(())
}

/// `postgresql.conf` of a server that listens there and whose data nobody wants after it.
pub(super) fn throw_away(sockets: &str, listens: Ipv4Addr, port: u16, identity: &Identity) -> String {
    lines(&DURABILITY).fold(settings(sockets, listens, port, identity), |text, line| text + &line)
}

/// `postgresql.conf` of a server that listens there.
pub(super) fn settings(sockets: &str, listens: Ipv4Addr, port: u16, identity: &Identity) -> String {
    let (listens, port) = (listens.to_string(), port.to_string());
    let file = |path: &Path| path.display().to_string();
    let (ca, cert, key) = (file(&identity.ca), file(&identity.cert), file(&identity.key));
    let own = [
        ("port", port.as_str()),
        ("listen_addresses", &listens),
        ("unix_socket_directories", sockets),
        ("ssl", "on"),
        ("ssl_ca_file", &ca),
        ("ssl_cert_file", &cert),
        ("ssl_key_file", &key),
    ];
    lines(&own).chain(lines(&STAND_IN)).chain(lines(&NEON)).collect()
}

/// Settings as the file's lines.
pub(super) fn lines(settings: &[(&str, &str)]) -> impl Iterator<Item = String> {
    let quoted = |value: &str| value.replace('\\', "\\\\").replace('\'', "''");
    settings.iter().map(move |(name, value)| format!("{name} = '{}'\n", quoted(value)))
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use crate::Identity;

    #[test]
    fn values_are_quoted() {
        let identity =
            Identity { ca: "/r'n/ca.pem".into(), cert: "/run/c.pem".into(), key: "/run/k.pem".into() };
        let text = super::settings("/run", Ipv4Addr::LOCALHOST, 4711, &identity);
        assert!(
            text.contains("ssl_ca_file = '/r''n/ca.pem'\n") && text.contains("port = '4711'\n"),
            "{text}"
        );
        assert!(text.contains("ssl = 'on'\n") && text.contains("listen_addresses = '127.0.0.1'\n"), "{text}");
    }
}
