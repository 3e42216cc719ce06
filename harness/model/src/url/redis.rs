//! `REDIS_URL`: `rediss` is TLS, and the path is the logical database.

use std::fmt;

use super::{RedisUrl, text};
use crate::Secret;

const LIKE: &str = "`rediss://default:password@host:6379`";

impl RedisUrl {
    /// Reads a URL.
    ///
    /// # Errors
    /// What is wrong, as the end of a sentence that begins with the variable's name; never any part of the text.
    pub fn parse(text: &str) -> Result<Self, String> {
        let parts = text::split(text, &["rediss", "redis"], LIKE)?;
        if parts.query.is_some() {
            return Err(
                "has a query, which clients read in different ways: remove what follows the `?`".into()
            );
        }
        Ok(Self {
            tls: parts.scheme == "rediss",
            host: parts.host,
            port: parts.port.unwrap_or(6379),
            user: if parts.user.is_empty() { "default".to_owned() } else { parts.user },
            password: parts.password,
            database: database(parts.path.unwrap_or(""))?,
        })
    }

    /// The URL with its password, for a client library or a child's environment.
    pub fn expose(&self) -> String {
        self.render(&text::encode(self.password.expose()))
    }

    fn render(&self, password: &str) -> String {
        let scheme = if self.tls { "rediss" } else { "redis" };
        let (user, host) = (text::encode(&self.user), text::bracketed(&self.host));
        format!("{scheme}://{user}:{password}@{host}:{}/{}", self.port, self.database)
    }
}

impl fmt::Display for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(Secret::MASK))
    }
}

fn database(path: &str) -> Result<u32, String> {
    let digits = path.strip_prefix('/').unwrap_or(path);
    if digits.is_empty() {
        return Ok(0);
    }
    let number = digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok()).flatten();
    number.ok_or_else(|| "has a path that is not the number of a logical database, `/0`".to_owned())
}
