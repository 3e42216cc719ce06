//! The four services and what a topology promises about each.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A managed service that tenants share.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Service {
    /// PostgreSQL: databases, or schemas in one database.
    Postgres,
    /// Redis: key prefixes.
    Redis,
    /// RabbitMQ: vhosts, or queue-name prefixes in one vhost.
    Rabbitmq,
    /// S3: buckets, or path prefixes in one bucket.
    S3,
}

impl Service {
    /// Every service, in the order in which reports list them.
    pub const ALL: [Self; 4] = [Self::Postgres, Self::Redis, Self::Rabbitmq, Self::S3];

    /// The name in code, files, flags and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Redis => "redis",
            Self::Rabbitmq => "rabbitmq",
            Self::S3 => "s3",
        }
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Service {
    type Err = UnknownService;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|s| s.name() == text).ok_or_else(|| UnknownService(text.to_owned()))
    }
}

/// A name that is none of the four services.
#[derive(Debug, thiserror::Error)]
#[error("unknown service `{0}`: one of postgres, redis, rabbitmq, s3")]
pub struct UnknownService(String);

/// What the topology promises about a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Enforcement {
    /// The server refuses what a tenant may not do.
    Enforced,
    /// The server refuses nothing: the apps keep to their slices (one `default` login on Redis, say).
    Convention,
}

impl Enforcement {
    /// The word in files and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Enforced => "enforced",
            Self::Convention => "convention",
        }
    }
}

impl fmt::Display for Enforcement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
