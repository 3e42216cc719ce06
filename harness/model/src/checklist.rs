//! The integration checklist: six items, for each tenant.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Service, TenantName};

/// One item of the documents' checklist.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Item {
    /// PostgreSQL database created.
    DatabaseCreated,
    /// Redis URL configured and prefix used.
    RedisPrefixUsed,
    /// RabbitMQ vhost created.
    VhostCreated,
    /// S3 bucket created.
    BucketCreated,
    /// Environment variables configured.
    EnvConfigured,
    /// Connections tested, as the API and as the worker connect, at the same time.
    ConnectionsTested,
}

impl Item {
    /// All six, in the documents' order.
    pub const ALL: [Self; 6] = [
        Self::DatabaseCreated,
        Self::RedisPrefixUsed,
        Self::VhostCreated,
        Self::BucketCreated,
        Self::EnvConfigured,
        Self::ConnectionsTested,
    ];

    /// The name in scenario files and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::DatabaseCreated => "database-created",
            Self::RedisPrefixUsed => "redis-prefix-used",
            Self::VhostCreated => "vhost-created",
            Self::BucketCreated => "bucket-created",
            Self::EnvConfigured => "env-configured",
            Self::ConnectionsTested => "connections-tested",
        }
    }

    /// The item as the documents word it.
    pub const fn title(self) -> &'static str {
        match self {
            Self::DatabaseCreated => "PostgreSQL database created",
            Self::RedisPrefixUsed => "Redis URL configured and prefix used",
            Self::VhostCreated => "RabbitMQ vhost created",
            Self::BucketCreated => "S3 bucket created",
            Self::EnvConfigured => "Environment variables configured",
            Self::ConnectionsTested => "Connections tested",
        }
    }

    /// The service it is about; none for the two that are about all four.
    pub const fn service(self) -> Option<Service> {
        match self {
            Self::DatabaseCreated => Some(Service::Postgres),
            Self::RedisPrefixUsed => Some(Service::Redis),
            Self::VhostCreated => Some(Service::Rabbitmq),
            Self::BucketCreated => Some(Service::S3),
            Self::EnvConfigured | Self::ConnectionsTested => None,
        }
    }
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What came of one item for one tenant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemRecord {
    /// Whose.
    pub tenant: TenantName,
    /// Which.
    pub item: Item,
    /// Whether it holds.
    pub done: bool,
    /// What shows it (server version, TLS version and peer name, round-trip median, object read back), or why it
    /// does not hold.
    pub evidence: String,
    /// What to do when it does not hold; empty when it does.
    pub fix: String,
}
