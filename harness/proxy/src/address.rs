//! Addresses to listen on and to dial, read, resolved and refused as Go does it, since Toxiproxy's clients see what comes
//! of it.

use std::{
    fmt, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use tokio::net::{TcpListener, TcpStream, lookup_host};

use crate::error::Error;

mod services;
mod zone;

/// An address once its host has been looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Resolved {
    /// None when no host was given.
    host: Option<IpAddr>,
    /// Empty where there is none.
    zone: String,
    port: u16,
}

impl fmt::Display for Resolved {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host {
            Some(host) if !self.zone.is_empty() => write!(out, "[{host}%{}]:{}", self.zone, self.port),
            Some(host) => SocketAddr::new(host, self.port).fmt(out),
            None => write!(out, ":{}", self.port),
        }
    }
}

/// Looks an address up.
///
/// # Errors
/// Why it means nothing, in Go's words.
pub(crate) async fn resolve(address: &str) -> Result<Resolved, String> {
    let at = |host, zone: &str, port| Resolved { host, zone: zone.to_owned(), port };
    if address.is_empty() {
        return Ok(at(None, "", 0));
    }
    let (host, port) = taken_apart(address)?;
    if host.is_empty() {
        return Ok(at(None, "", port));
    }
    if let Ok(host) = host.parse() {
        return Ok(at(Some(host), "", port));
    }
    if let Some((host, zone)) = zone::zoned(host) {
        return Ok(at(Some(host.into()), zone, port));
    }
    let found = look_up(host, port).await?;
    let first = found.iter().find(|address| address.is_ipv4()).or(found.first());
    match first {
        Some(first) => Ok(at(Some(first.ip()), "", port)),
        None => Err(format!("lookup {host}: no such host")),
    }
}

/// Connects to an address; without a host, to this machine. Where the host has several, the first that answers.
///
/// # Errors
/// When it means nothing, cannot be found, or nobody answers there.
pub(crate) async fn dial(address: &str) -> io::Result<TcpStream> {
    if let Ok(plain) = address.parse::<SocketAddr>() {
        return TcpStream::connect(plain).await;
    }
    let meaningless = |reason| io::Error::new(io::ErrorKind::InvalidInput, reason);
    let (host, port) = taken_apart(address).map_err(meaningless)?;
    if let Some((host, zone)) = zone::zoned(host) {
        return TcpStream::connect(zone::socket_address(host.into(), port, zone)).await;
    }
    let found = match host {
        "" => [Ipv4Addr::LOCALHOST.into(), IpAddr::from(Ipv6Addr::LOCALHOST)]
            .map(|host| SocketAddr::new(host, port))
            .to_vec(),
        host => look_up(host, port).await.map_err(meaningless)?,
    };
    TcpStream::connect(found.as_slice()).await
}

/// An address that was bound, in the words of Go.
pub(crate) fn shown(bound: SocketAddr) -> String {
    zone::shown(bound)
}

async fn look_up(host: &str, port: u16) -> Result<Vec<SocketAddr>, String> {
    let found = lookup_host((host, port)).await;
    Ok(found.map_err(|error| format!("lookup {host}: {}", unknown(&error)))?.collect())
}

fn taken_apart(address: &str) -> Result<(&str, u16), String> {
    let (host, port) = split(address).map_err(|reason| format!("address {address}: {reason}"))?;
    Ok((host, self::port(port)?))
}

/// Listens on an address. No host, or one that stands for all, is every interface over IPv6 and IPv4.
///
/// # Errors
/// When it means nothing or the system refuses it.
pub(crate) async fn listen(address: &str) -> Result<TcpListener, Error> {
    let resolved = resolve(address).await.map_err(|reason| Error::Listen { at: None, reason })?;
    let refused = |error: io::Error| Error::Listen { at: Some(resolved.to_string()), reason: cause(&error) };
    let all = resolved.host.is_none_or(|host| host.is_unspecified());
    let Some(host) = resolved.host.filter(|_| !all) else {
        let both = SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), resolved.port);
        return match TcpListener::bind(both).await {
            Err(error) if no_ipv6(&error) => {
                let old = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), resolved.port);
                TcpListener::bind(old).await.map_err(refused)
            }
            bound => bound.map_err(refused),
        };
    };
    TcpListener::bind(zone::socket_address(host, resolved.port, &resolved.zone)).await.map_err(refused)
}

fn no_ipv6(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::Unsupported | io::ErrorKind::AddrNotAvailable)
        || error.raw_os_error() == Some(97)
}

/// The operating system's text as Go has it, after the call that failed.
fn cause(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut letters = text.chars();
    let lower = letters.next().map(|first| first.to_ascii_lowercase()).into_iter().chain(letters);
    let call = if matches!(error.raw_os_error(), Some(23 | 24)) { "socket" } else { "bind" };
    format!("{call}: {}", lower.collect::<String>())
}

fn unknown(error: &io::Error) -> String {
    let text = error.to_string();
    match text.strip_prefix("failed to lookup address information: ") {
        Some("Temporary failure in name resolution") => "server misbehaving".to_owned(),
        Some(_) => "no such host".to_owned(),
        None => text,
    }
}

/// Host and port, as Go takes them apart.
fn split(address: &str) -> Result<(&str, &str), &'static str> {
    const MISSING: &str = "missing port in address";
    const MANY: &str = "too many colons in address";
    let (before, port) = address.rsplit_once(':').ok_or(MISSING)?;
    let host = match address.strip_prefix('[') {
        Some(inner) => {
            let (host, rest) = inner.split_once(']').ok_or("missing ']' in address")?;
            match rest.strip_prefix(':') {
                Some(rest) if rest.contains(':') => return Err(MANY),
                Some(_) => host,
                None => return Err(MISSING),
            }
        }
        None if before.contains(':') => return Err(MANY),
        None => before,
    };
    match (host.contains('[') || port.contains('['), host.contains(']') || port.contains(']')) {
        (true, _) => Err("unexpected '[' in address"),
        (_, true) => Err("unexpected ']' in address"),
        _ => Ok((host, port)),
    }
}

fn port(text: &str) -> Result<u16, String> {
    if text.is_empty() {
        return Ok(0);
    }
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return services::port(text).ok_or_else(|| format!("lookup tcp/{text}: unknown port"));
    }
    // A sign alone is 0.
    let port = if digits.is_empty() { Some(0) } else { text.parse().ok().and_then(small) };
    port.ok_or_else(|| format!("address {text}: invalid port"))
}

fn small(port: i64) -> Option<u16> {
    u16::try_from(port).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn told(address: &str) -> String {
        resolve(address).await.map_or_else(|error| error, |resolved| resolved.to_string())
    }

    #[tokio::test]
    async fn addresses_resolve_to_what_go_prints() {
        for (given, wanted) in [
            ("", ":0"),
            (":8080", ":8080"),
            ("127.0.0.1:", "127.0.0.1:0"),
            ("127.0.0.1:+80", "127.0.0.1:80"),
            ("[::1]:80", "[::1]:80"),
            ("localhost:0", "127.0.0.1:0"),
            ("foo", "address foo: missing port in address"),
            ("a:b:c", "address a:b:c: too many colons in address"),
            ("[::1", "address [::1: missing ']' in address"),
            ("[::1]", "address [::1]: missing port in address"),
            ("[::1]x:1", "address [::1]x:1: missing port in address"),
            ("[::1]:1:2", "address [::1]:1:2: too many colons in address"),
            ("[]:0", ":0"),
            ("a[b:1", "address a[b:1: unexpected '[' in address"),
            ("127.0.0.1:70000", "address 70000: invalid port"),
            ("127.0.0.1:-1", "address -1: invalid port"),
            ("127.0.0.1:1x", "lookup tcp/1x: unknown port"),
            ("127.0.0.1:+", "127.0.0.1:0"),
            (":http", ":80"),
            ("localhost:HTTPS", "127.0.0.1:443"),
            (":", ":0"),
            ("[::1%lo]:80", "[::1%lo]:80"),
            ("[::1%no such zone]:http", "[::1%no such zone]:80"),
        ] {
            assert_eq!(told(given).await, wanted, "{given:?}");
        }
    }

    #[tokio::test]
    async fn a_taken_port_is_refused_in_the_words_of_go() {
        let taken = listen("127.0.0.1:0").await.unwrap();
        let address = taken.local_addr().unwrap().to_string();
        let refused = listen(&address).await.unwrap_err().to_string();
        assert_eq!(refused, format!("listen tcp {address}: bind: address already in use"));
        drop(taken);
        listen(&address).await.unwrap();
    }
}
