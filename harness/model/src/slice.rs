//! A tenant's part of each service.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A database, or a schema in a database that tenants share.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PostgresSlice {
    /// The database's name.
    pub database: String,
    /// In shared mode, the tenant's schema inside it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
}

/// A key prefix, separator included (`engine:`). Redis is always shared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RedisSlice {
    /// What every key and channel of the tenant starts with.
    pub prefix: String,
}

/// A vhost, or a queue-name prefix in a vhost that tenants share.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RabbitmqSlice {
    /// The vhost's name as the broker knows it (`/engine` with its slash, where it has one).
    pub vhost: String,
    /// In shared mode, what every queue and exchange of the tenant starts with (`engine:`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queues: Option<String>,
}

/// A bucket, or a path prefix in a bucket that tenants share.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct S3Slice {
    /// The bucket's name.
    pub bucket: String,
    /// In shared mode, what every key of the tenant starts with, final `/` included (`engine/`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
}

/// One tenant's four slices.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slices {
    /// On PostgreSQL.
    pub postgres: PostgresSlice,
    /// On Redis.
    pub redis: RedisSlice,
    /// On RabbitMQ.
    pub rabbitmq: RabbitmqSlice,
    /// On S3.
    pub s3: S3Slice,
}

impl PostgresSlice {
    /// The schema that unqualified names mean: the tenant's own, or `public`.
    pub fn schema_or_public(&self) -> &str {
        self.schema.as_deref().unwrap_or("public")
    }
}

impl RedisSlice {
    /// A key or channel inside the slice.
    pub fn key(&self, rest: &str) -> String {
        format!("{}{rest}", self.prefix)
    }
}

impl RabbitmqSlice {
    /// A queue or exchange name inside the slice: prefixed in shared mode, plain in a vhost of the tenant's own.
    pub fn queue(&self, rest: &str) -> String {
        format!("{}{rest}", self.queues.as_deref().unwrap_or(""))
    }

    /// The regex of what the tenant may use, as `rabbitmqctl set_permissions` takes it: the broker searches, so it is
    /// anchored, and what a regex would read otherwise is escaped.
    pub fn pattern(&self) -> String {
        let Some(prefix) = &self.queues else { return String::from(".*") };
        let mut pattern = String::from("^");
        for c in prefix.chars() {
            if "\\.+*?()|[]{}^$#".contains(c) {
                pattern.push('\\');
            }
            pattern.push(c);
        }
        pattern
    }
}

impl S3Slice {
    /// An object key inside the slice.
    pub fn key(&self, rest: &str) -> String {
        format!("{}{rest}", self.prefix.as_deref().unwrap_or(""))
    }
}

impl fmt::Display for PostgresSlice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.schema {
            Some(schema) => write!(f, "database `{}`, schema `{schema}`", self.database),
            None => write!(f, "database `{}`", self.database),
        }
    }
}

impl fmt::Display for RedisSlice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "keys `{}*`", self.prefix)
    }
}

impl fmt::Display for RabbitmqSlice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.queues {
            Some(queues) => write!(f, "vhost `{}`, queues `{queues}*`", self.vhost),
            None => write!(f, "vhost `{}`", self.vhost),
        }
    }
}

impl fmt::Display for S3Slice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.prefix {
            Some(prefix) => write!(f, "bucket `{}`, keys `{prefix}*`", self.bucket),
            None => write!(f, "bucket `{}`", self.bucket),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::RabbitmqSlice;

    #[test]
    fn a_pattern_covers_the_prefix_and_nothing_that_looks_like_it() {
        let pattern = |queues: Option<&str>| {
            RabbitmqSlice { vhost: String::from("v"), queues: queues.map(String::from) }.pattern()
        };
        assert_eq!(pattern(None), ".*");
        assert_eq!(pattern(Some("engine:")), "^engine:");
        assert_eq!(pattern(Some("a.b|c$d\\-")), r"^a\.b\|c\$d\\-");
    }
}
