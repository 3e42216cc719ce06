//! Connection URLs, parsed once into typed parts whose secrets no rendering shows.
//!
//! `Debug` and `Display` mask the password; the URL with its password leaves through `expose()` alone, for a client
//! library or a child's environment.

use crate::Secret;

mod amqp;
mod connections;
mod postgres;
mod redis;
mod render;
mod s3;
mod text;

pub use render::{EnvFormat, render, shell_word};

/// `postgresql://role:password@host:port/database?sslmode=verify-full&sslrootcert=…`
#[derive(Clone, PartialEq, Eq)]
pub struct PostgresUrl {
    /// Host name or address.
    pub host: String,
    /// TCP port, 5432 unless said.
    pub port: u16,
    /// Role.
    pub user: String,
    /// Its password.
    pub password: Secret,
    /// Database.
    pub database: String,
    /// The query's parameters in their order, `sslmode` among them.
    pub parameters: Vec<(String, String)>,
}

/// `rediss://user:password@host:port/0`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisUrl {
    /// Host name or address.
    pub host: String,
    /// TCP port, 6379 unless said.
    pub port: u16,
    /// `default` unless said.
    pub user: String,
    /// Its password.
    pub password: Secret,
    /// Logical database.
    pub database: u32,
    /// Whether the scheme was `rediss`.
    pub tls: bool,
}

/// `amqps://user:password@host:port/vhost`, the vhost percent-encoded (RabbitMQ URI specification).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AmqpUrl {
    /// Host name or address.
    pub host: String,
    /// TCP port: 5671 for `amqps`, 5672 for `amqp` unless said.
    pub port: u16,
    /// User.
    pub user: String,
    /// Its password.
    pub password: Secret,
    /// The vhost as the broker knows it: path `/engine` is `engine`, `/%2Fengine` is `/engine`, no path is `/`.
    pub vhost: String,
    /// Whether the scheme was `amqps`.
    pub tls: bool,
}

/// The four `AWS_*` variables of one tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct S3Access {
    /// `https://host:port`, no path.
    pub endpoint: String,
    /// Key id.
    pub access_key_id: String,
    /// Secret key.
    pub secret_access_key: Secret,
    /// Bucket.
    pub bucket: String,
}

/// Everything one tenant needs to reach its slices: what its environment variables say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connections {
    /// `DATABASE_URL`
    pub postgres: PostgresUrl,
    /// `REDIS_URL`
    pub redis: RedisUrl,
    /// `AMQP_URL`
    pub rabbitmq: AmqpUrl,
    /// `AWS_S3_ENDPOINT_URL`, `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_S3_BUCKET_NAME`
    pub s3: S3Access,
}
