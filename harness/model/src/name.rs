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
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Scope(String);

impl Scope {
    /// Takes the text when it keeps to the alphabet and length.
    pub fn new(text: &str) -> Option<Self> {
        let fits = (1..=12).contains(&text.len());
        (fits && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())).then(|| Self(text.to_owned()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}
