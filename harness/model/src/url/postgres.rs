//! `DATABASE_URL`: read with what it demands of TLS, and written back.

use std::fmt;

use super::{PostgresUrl, text};
use crate::Secret;

const LIKE: &str = "`postgresql://role:password@host:5432/database?sslmode=verify-full`";

/// What must not stand among the parameters, since the URL says it elsewhere.
const ELSEWHERE: [&str; 7] = ["user", "host", "hostaddr", "port", "dbname", "service", "passfile"];

/// The parameters that `Display` shows.
const SHOWN: [&str; 5] = ["sslmode", "sslrootcert", "channel_binding", "application_name", "connect_timeout"];

/// Every strength of `sslmode`.
const MODES: [&str; 6] = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"];

/// The strengths of `sslmode` that use TLS whatever the server says.
const WITH_TLS: [&str; 3] = ["require", "verify-ca", "verify-full"];

impl PostgresUrl {
    /// Reads a URL. Parameters that carry a secret (`password`, `sslpassword`) are refused.
    ///
    /// # Errors
    /// What is wrong, as the end of a sentence that begins with the variable's name; never any part of the text.
    pub fn parse(text: &str) -> Result<Self, String> {
        let parts = text::split(text, &["postgresql", "postgres"], LIKE)?;
        let database = text::segment(parts.path.unwrap_or(""), "database")?;
        if parts.user.is_empty() {
            return Err("has no role before the password".into());
        }
        if database.is_empty() {
            return Err(format!("has no database in its path: write {LIKE}"));
        }
        Ok(Self {
            host: parts.host,
            port: parts.port.unwrap_or(5432),
            user: parts.user,
            password: parts.password,
            database,
            parameters: parameters(parts.query.unwrap_or(""))?,
        })
    }

    /// The URL with its password, for a client library or a child's environment.
    pub fn expose(&self) -> String {
        self.render(&text::encode(self.password.expose()), parameter)
    }

    /// The value of a parameter.
    pub fn parameter(&self, key: &str) -> Option<&str> {
        self.parameters.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    /// The file of the authority that it names; `system` names none.
    pub fn authority(&self) -> Option<&str> {
        self.parameter("sslrootcert").filter(|path| *path != "system")
    }

    /// Whether `sslmode` demands TLS. The default, `prefer`, does not.
    pub fn tls(&self) -> bool {
        self.parameter("sslmode").is_some_and(|mode| WITH_TLS.contains(&mode))
    }

    fn render(&self, password: &str, parameter: impl Fn(&str, &str) -> String) -> String {
        let user = text::encode(&self.user);
        let host = text::bracketed(&self.host);
        let mut url =
            format!("postgresql://{user}:{password}@{host}:{}/{}", self.port, text::encode(&self.database));
        for (index, (key, value)) in self.parameters.iter().enumerate() {
            url.push(if index == 0 { '?' } else { '&' });
            url.push_str(&parameter(key, value));
        }
        url
    }
}

impl fmt::Display for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A stranger's parameter may hold a secret, or be a piece of a password with an unescaped `?`.
        f.write_str(&self.render(Secret::MASK, |key, value| match SHOWN.contains(&key) {
            true => parameter(key, value),
            false => format!("{0}={0}", Secret::MASK),
        }))
    }
}

impl fmt::Debug for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PostgresUrl({self})")
    }
}

fn parameter(key: &str, value: &str) -> String {
    format!("{}={}", text::encode(key), text::encode_value(value))
}

fn secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    ["password", "secret", "token"].iter().any(|word| key.contains(word))
}

fn parameters(query: &str) -> Result<Vec<(String, String)>, String> {
    let mut parameters: Vec<(String, String)> = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').ok_or("has a parameter without `=` in its query")?;
        let (key, value) = (text::decode(key, "query")?, text::decode(value, "query")?);
        if key.is_empty() {
            return Err("has a parameter without a name in its query".into());
        }
        if secret(&key) {
            return Err("has a secret among its parameters: the password belongs before the `@`".into());
        }
        if ELSEWHERE.contains(&key.as_str()) {
            return Err(
                "names user, host, port, database, service or passfile again among its parameters".into()
            );
        }
        if key == "sslmode" && !MODES.contains(&value.as_str()) {
            return Err(format!("has an unknown `sslmode`: one of {}", MODES.join(", ")));
        }
        if parameters.iter().any(|(known, _)| *known == key) {
            return Err("has a parameter twice in its query".into());
        }
        parameters.push((key, value));
    }
    Ok(parameters)
}
