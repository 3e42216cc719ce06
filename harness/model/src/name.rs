//! Names: tenants, and the scope that keeps one case's slices apart from another's.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A tenant's name: 1 to 24 of `a-z`, `0-9`, `-` or `_`, starting with a letter.
///
/// It becomes part of role names, user names and environment variables, hence the narrow alphabet.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct TenantName(String);

impl TenantName {
    /// The longest name, in bytes.
    pub const MAX: usize = 24;

    /// Checks the text.
    ///
    /// # Errors
    /// The rule that the text breaks, as a sentence fragment.
    pub fn new(text: &str) -> Result<Self, &'static str> {
        if text.is_empty() {
            return Err("a tenant's name is empty");
        }
        if text.len() > Self::MAX {
            return Err("a tenant's name has at most 24 characters");
        }
        if !text.starts_with(|c: char| c.is_ascii_lowercase()) {
            return Err("a tenant's name starts with a lower-case letter");
        }
        if !text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_') {
            return Err("a tenant's name holds only a-z, 0-9, `-` and `_`");
        }
        Ok(Self(text.to_owned()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for TenantName {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::new(&text).map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for TenantName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Marks one case's slices on servers that many cases share: 1 to 12 of `a-z` and `0-9`.
///
/// [`crate::Topology::scoped`] renames every database, vhost, bucket and key prefix with it, so that two cases never
/// meet while everything the topology says about sharing stays as it was.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Scope(String);

impl Scope {
    /// Takes the text when it keeps to the alphabet and length.
    pub fn new(text: &str) -> Option<Self> {
        let fits = (1..=12).contains(&text.len());
        (fits && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()))
            .then(|| Self(text.to_owned()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Scope {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::new(&text).ok_or_else(|| serde::de::Error::custom("a scope is 1 to 12 of a-z and 0-9"))
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::{prop_assert, prop_assert_eq, proptest};

    use super::{Scope, TenantName};

    #[test]
    fn tenant_names_at_their_limits() {
        for good in ["e", "engine", "a-b_c9", &"e".repeat(24)] {
            assert_eq!(TenantName::new(good).unwrap().as_str(), good);
        }
        for (bad, rule) in [
            ("", "empty"),
            (&*"e".repeat(25), "at most 24"),
            ("9a", "starts with"),
            ("-a", "starts with"),
            ("Engine", "starts with"),
            ("a.b", "holds only"),
            ("a b", "holds only"),
            ("aé", "holds only"),
        ] {
            assert!(TenantName::new(bad).unwrap_err().contains(rule), "{bad}");
            assert!(serde_json::from_value::<TenantName>(bad.into()).is_err(), "{bad}");
        }
    }

    #[test]
    fn scopes_at_their_limits() {
        for good in ["k", "k7", "abcdefghijkl"] {
            assert_eq!(Scope::new(good).unwrap().as_str(), good);
        }
        for bad in ["", "abcdefghijklm", "K7", "k-7", "k 7", "é"] {
            assert!(Scope::new(bad).is_none(), "{bad}");
            assert!(serde_json::from_value::<Scope>(bad.into()).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_a_name_keeps_to_the_alphabet(text in ".{0,30}|[a-z0-9_-]{0,30}") {
            let expected = (1..=24).contains(&text.len())
                && text.starts_with(|c: char| c.is_ascii_lowercase())
                && text.chars().all(|c| matches!(c, 'a'..='z' | '0'..='9' | '-' | '_'));
            prop_assert_eq!(TenantName::new(&text).is_ok(), expected);
        }

        #[test]
        fn names_and_scopes_survive_serde(name in "[a-z][a-z0-9_-]{0,23}", scope in "[a-z0-9]{1,12}") {
            let name = TenantName::new(&name).unwrap();
            let scope = Scope::new(&scope).unwrap();
            let text = serde_json::to_string(&(&name, &scope)).unwrap();
            let back: (TenantName, Scope) = serde_json::from_str(&text).unwrap();
            prop_assert!(back == (name, scope));
        }
    }
}
