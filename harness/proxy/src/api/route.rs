//! Which route a path is. Paths are decoded whole and then split, so a name with a slash cannot be addressed; that is
//! Toxiproxy's rule.

use hyper::Method;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// What a path means before the method is looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// `/version`
    Version,
    /// `/proxies`
    Proxies,
    /// `/populate`
    Populate,
    /// `/reset`
    Reset,
    /// `/proxies/{proxy}`
    Proxy(String),
    /// `/proxies/{proxy}/toxics`
    Toxics(String),
    /// `/proxies/{proxy}/toxics/{toxic}`
    Toxic(String, String),
    /// `/metrics`
    Metrics,
    /// Under `/x/`.
    Extension(Extension),
}

/// What Toxiproxy does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extension {
    /// `/x/health`
    Health,
    /// `/x/seed`
    Seed,
    /// `/x/connections`
    Connections,
    /// `/x/tape`
    Tape,
    /// `/x/events`
    Events,
}

/// Where a path leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// To a route.
    Place(Place),
    /// To the same path written properly.
    Moved(String),
    /// Nowhere.
    Nothing,
    /// It is no path.
    Malformed,
}

/// As Go writes a path.
const PATH: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b',')
    .remove(b'/')
    .remove(b':')
    .remove(b';')
    .remove(b'=')
    .remove(b'@');

/// Where a path leads; the query is only carried along.
pub(crate) fn find(path: &str, query: Option<&str>) -> Found {
    if !is_encoded(path) {
        return Found::Malformed;
    }
    let decoded = percent_decode_str(path).decode_utf8_lossy();
    let cleaned = clean(&decoded);
    if cleaned != decoded {
        let query = query.map(|query| format!("?{query}")).unwrap_or_default();
        return Found::Moved(format!("{}{query}", utf8_percent_encode(&cleaned, PATH)));
    }
    let segments: Vec<&str> = cleaned.split('/').skip(1).collect();
    let place = match segments.as_slice() {
        ["version"] => Place::Version,
        ["proxies"] => Place::Proxies,
        ["populate"] => Place::Populate,
        ["reset"] => Place::Reset,
        ["metrics"] => Place::Metrics,
        ["x", "health"] => Place::Extension(Extension::Health),
        ["x", "seed"] => Place::Extension(Extension::Seed),
        ["x", "connections"] => Place::Extension(Extension::Connections),
        ["x", "tape"] => Place::Extension(Extension::Tape),
        ["x", "events"] => Place::Extension(Extension::Events),
        ["proxies", proxy] if !proxy.is_empty() => Place::Proxy((*proxy).to_owned()),
        ["proxies", proxy, "toxics"] => Place::Toxics((*proxy).to_owned()),
        ["proxies", proxy, "toxics", toxic] if !toxic.is_empty() => {
            Place::Toxic((*proxy).to_owned(), (*toxic).to_owned())
        }
        _ => return Found::Nothing,
    };
    Found::Place(place)
}

impl Place {
    /// Whether it answers to a method.
    pub(crate) fn takes(&self, method: &Method) -> bool {
        let (get, post) = (method == Method::GET, method == Method::POST);
        match self {
            Self::Metrics => true,
            Self::Extension(Extension::Seed) => get || post || method == Method::PUT,
            Self::Version | Self::Extension(_) => get,
            Self::Populate | Self::Reset => post,
            Self::Proxies | Self::Toxics(_) => get || post,
            Self::Proxy(_) | Self::Toxic(..) => {
                get || post || method == Method::PATCH || method == Method::DELETE
            }
        }
    }
}

/// Whether every `%` begins two hexadecimal digits.
fn is_encoded(path: &str) -> bool {
    path.split('%')
        .skip(1)
        .all(|after| after.as_bytes().get(..2).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)))
}

/// Without doubled slashes and dots; a slash at the end stays.
fn clean(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                kept.pop();
            }
            other => kept.push(other),
        }
    }
    let end = if path.ends_with('/') && !kept.is_empty() { "/" } else { "" };
    format!("/{}{end}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_paths_of_the_contract_lead_somewhere() {
        let proxy = |name: &str| Found::Place(Place::Proxy(name.into()));
        assert_eq!(find("/proxies/a%20b", None), proxy("a b"));
        assert_eq!(find("/proxies/a%2Fb", None), Found::Nothing);
        assert_eq!(find("/proxies/", None), Found::Nothing);
        assert_eq!(find("/proxies/a/", None), Found::Nothing);
        assert_eq!(find("/proxies/a/toxics/", None), Found::Nothing);
        assert_eq!(find("/", None), Found::Nothing);
        assert_eq!(find("/Proxies", None), Found::Nothing);
        assert_eq!(find("/proxies/%zz", None), Found::Malformed);
        assert_eq!(find("//proxies", Some("q=1")), Found::Moved("/proxies?q=1".into()));
        assert_eq!(find("/proxies//x/../y%20z", None), Found::Moved("/proxies/y%20z".into()));
        assert_eq!(
            find("/proxies/toxics/toxics/toxics", None),
            Found::Place(Place::Toxic("toxics".into(), "toxics".into()))
        );
    }
}
