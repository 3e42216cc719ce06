//! The grammar that the three connection URLs share: `scheme://user:password@host:port/path?query`.
//!
//! Strict on purpose: what clients read in different ways is refused with the spelling that all of them read alike.
//! No error text quotes anything but fixed words, since a password with an unescaped `/` or `@` ends up in any part.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::Secret;

/// Everything but RFC 3986's unreserved characters.
const COMPONENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// In a query's values `/` and `:` may stand, which keeps file paths readable.
const VALUE: &AsciiSet = &COMPONENT.remove(b'/').remove(b':');

/// A URL taken apart. User and password are decoded, path and query are as written.
pub(super) struct Parts<'t> {
    pub(super) scheme: &'static str,
    pub(super) user: String,
    pub(super) password: Secret,
    pub(super) host: String,
    pub(super) port: Option<u16>,
    /// With its first `/`; `None` when nothing follows the port.
    pub(super) path: Option<&'t str>,
    pub(super) query: Option<&'t str>,
}

/// Takes a URL apart. `schemes` are what it may begin with; `like` shows a good one.
pub(super) fn split<'t>(text: &'t str, schemes: &[&'static str], like: &str) -> Result<Parts<'t>, String> {
    let (scheme, rest) = scheme(text, schemes, like)?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at_checked(end).unwrap_or((rest, ""));
    if tail.contains('@') {
        return Err(
            "has an `@` after the host: write `/`, `?`, `#` and `@` in a password as %2F, %3F, %23 and %40"
                .into(),
        );
    }
    if tail.contains('#') {
        return Err("has a `#`, which starts a fragment: write %23".into());
    }
    let (login, address) =
        authority.split_once('@').ok_or_else(|| format!("has no user and password: write {like}"))?;
    if address.contains('@') {
        return Err("has more than one `@`: write %40 for the one in the user or the password".into());
    }
    let (user, password) = login.split_once(':').ok_or("has a user but no password")?;
    let password = decode(password, "password")?;
    if password.is_empty() {
        return Err("has an empty password".into());
    }
    let (host, port) = host_and_port(address)?;
    let (path, query) = match tail.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (tail, None),
    };
    Ok(Parts {
        scheme,
        user: decode(user, "user")?,
        password: Secret::new(password),
        host,
        port,
        path: (!path.is_empty()).then_some(path),
        query,
    })
}

/// The scheme and what follows `://`.
pub(super) fn scheme<'t>(
    text: &'t str,
    schemes: &[&'static str],
    like: &str,
) -> Result<(&'static str, &'t str), String> {
    if text.starts_with(['"', '\'']) {
        return Err("begins with a quotation mark, which belongs to the shell and not to the value".into());
    }
    if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(
            "holds a space, a line break or a control character: percent-encode it or remove it".into()
        );
    }
    let (given, rest) = text.split_once("://").ok_or_else(|| format!("is not a URL: write {like}"))?;
    let scheme = schemes.iter().find(|scheme| given.eq_ignore_ascii_case(scheme));
    let scheme = scheme.ok_or_else(|| format!("does not begin with {}: write {like}", begins(schemes)))?;
    Ok((scheme, rest))
}

fn begins(schemes: &[&str]) -> String {
    schemes.iter().map(|scheme| format!("`{scheme}://`")).collect::<Vec<_>>().join(" or ")
}

/// `host`, `host:port`, `[::1]:port`.
pub(super) fn host_and_port(address: &str) -> Result<(String, Option<u16>), String> {
    let (host, port) = match address.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']').ok_or("has a `[` before the host but no `]` after it")?;
            let well_formed =
                host.contains(':') && host.chars().all(|c| c.is_ascii_hexdigit() || c == ':' || c == '.');
            if !well_formed {
                return Err("has no IPv6 address between `[` and `]`".into());
            }
            (host, port)
        }
        None => {
            let end = address.find(':').unwrap_or(address.len());
            let (host, port) = address.split_at_checked(end).unwrap_or((address, ""));
            if !host.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '.' || c == '_') {
                return Err("has a host with other characters than letters, digits, `-`, `.` and `_`".into());
            }
            (host, port)
        }
    };
    if host.is_empty() {
        return Err("has no host".into());
    }
    Ok((host.to_owned(), number(port)?))
}

fn number(port: &str) -> Result<Option<u16>, String> {
    let Some(digits) = port.strip_prefix(':') else {
        return if port.is_empty() {
            Ok(None)
        } else {
            Err("has something between the host and the port".into())
        };
    };
    let number = digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok()).flatten();
    match number {
        Some(port) if port > 0 => Ok(Some(port)),
        _ => Err("has a port that is not a number from 1 to 65535".into()),
    }
}

/// `host` or, for an IPv6 address, `[host]`.
pub(super) fn bracketed(host: &str) -> String {
    if host.contains(':') { format!("[{host}]") } else { host.to_owned() }
}

/// One path segment, decoded; more than one is refused.
pub(super) fn segment(path: &str, what: &str) -> Result<String, String> {
    let segment = path.strip_prefix('/').unwrap_or(path);
    if segment.contains('/') {
        return Err(format!("has more than one segment in its path: write %2F for a `/` in the {what}"));
    }
    if segment.contains(['=', '&']) {
        return Err(format!("has `=` or `&` in its path: a `?` is missing, or the {what} needs %3D and %26"));
    }
    decode(segment, what)
}

/// The percent-decoded text.
pub(super) fn decode(text: &str, what: &str) -> Result<String, String> {
    let mut rest = text;
    while let Some((_, after)) = rest.split_once('%') {
        if !after.bytes().take(2).all(|b| b.is_ascii_hexdigit()) || after.len() < 2 {
            return Err(format!(
                "has a `%` in its {what} that two hexadecimal digits do not follow: write %25"
            ));
        }
        rest = after;
    }
    let decoded =
        percent_decode_str(text).decode_utf8().map_err(|_| format!("has a {what} that is not UTF-8"))?;
    if decoded.contains('\0') {
        return Err(format!("has a NUL character in its {what}"));
    }
    Ok(decoded.into_owned())
}

/// The text, percent-encoded for any place in a URL.
pub(super) fn encode(text: &str) -> String {
    utf8_percent_encode(text, COMPONENT).to_string()
}

/// The text, percent-encoded for a query's value.
pub(super) fn encode_value(text: &str) -> String {
    utf8_percent_encode(text, VALUE).to_string()
}
