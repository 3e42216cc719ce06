//! `AMQP_URL`. The vhost is the one trap: `/engine` means `engine`, and `/%2Fengine` means `/engine`.

use std::fmt;

use super::{AmqpUrl, text};
use crate::Secret;

const LIKE: &str = "`amqps://user:password@host:5671/vhost`";

impl AmqpUrl {
    /// Reads a URL by RabbitMQ's URI specification: no path is the vhost `/`, a bare `/` the vhost with the empty
    /// name, and a `/` inside a name is written `%2F`.
    ///
    /// # Errors
    /// What is wrong, as the end of a sentence that begins with the variable's name; never any part of the text.
    pub fn parse(text: &str) -> Result<Self, String> {
        let parts = text::split(text, &["amqps", "amqp"], LIKE)?;
        if parts.query.is_some() {
            return Err(
                "has a query, which clients read in different ways: remove what follows the `?`".into()
            );
        }
        if parts.user.is_empty() {
            return Err("has no user before the password".into());
        }
        let tls = parts.scheme == "amqps";
        Ok(Self {
            tls,
            host: parts.host,
            port: parts.port.unwrap_or(if tls { 5671 } else { 5672 }),
            user: parts.user,
            password: parts.password,
            vhost: vhost(parts.path)?,
        })
    }

    /// The URL with its password, for a client library or a child's environment.
    pub fn expose(&self) -> String {
        self.render(&text::encode(self.password.expose()))
    }

    fn render(&self, password: &str) -> String {
        let scheme = if self.tls { "amqps" } else { "amqp" };
        let (user, host) = (text::encode(&self.user), text::bracketed(&self.host));
        format!("{scheme}://{user}:{password}@{host}:{}/{}", self.port, text::encode(&self.vhost))
    }
}

impl fmt::Display for AmqpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(Secret::MASK))
    }
}

fn vhost(path: Option<&str>) -> Result<String, String> {
    let Some(path) = path else { return Ok("/".to_owned()) };
    if path.starts_with("//") {
        return Err("has two `/` before the vhost: write `/%2Fengine` for the vhost `/engine`, `/engine` for `engine`".into());
    }
    text::segment(path, "vhost")
}
