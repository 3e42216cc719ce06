//! What to bring up.

use std::{path::PathBuf, time::Duration};

/// Which program plays S3.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum S3Kind {
    /// The server inside this binary.
    #[default]
    Embedded,
    /// A `minio` binary from PATH.
    Minio,
}

/// A request for stand-ins. Two processes that ask for the same thing share one set of servers.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct TargetSpec {
    /// Which program plays S3.
    pub s3: S3Kind,
    /// Where to look for servers first; from `BULKHEAD_POSTGRES_BIN`, `BULKHEAD_REDIS_BIN`, `BULKHEAD_RABBITMQ_HOME`.
    pub places: Places,
    /// The set's name. Processes with different names never share servers; `None` is the common set.
    pub name: Option<String>,
    /// How long the servers outlive the last lease. Zero for one-shot commands, seconds for test processes.
    pub linger: Duration,
    /// The longest that one server may take from start to ready.
    pub start_deadline: Duration,
    /// The executable that can act as keeper, janitor and embedded S3: `bulkhead` itself.
    pub executable: PathBuf,
}

/// Folders that people name themselves.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Places {
    /// Folder that holds `postgres` and `initdb`.
    pub postgres_bin: Option<PathBuf>,
    /// Folder that holds `redis-server` or `valkey-server`.
    pub redis_bin: Option<PathBuf>,
    /// RabbitMQ's home: the folder with `sbin/` and `plugins/`.
    pub rabbitmq_home: Option<PathBuf>,
}
