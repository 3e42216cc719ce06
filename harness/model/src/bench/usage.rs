//! What the processes of a bench use: readings, as histories have them, and what they come to.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Service;

/// Whose processor time and memory it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// The process that plays the workloads: their clients, the journal, and the fault proxy that their connections go
    /// through.
    Client,
    /// The process that started the servers.
    Keeper,
    /// PostgreSQL, all of its processes.
    Postgres,
    /// Redis.
    Redis,
    /// RabbitMQ: the Erlang node and what it started.
    Rabbitmq,
    /// The S3 server.
    S3,
}

impl Part {
    /// Every one, in the order of reports.
    pub const ALL: [Self; 6] =
        [Self::Client, Self::Keeper, Self::Postgres, Self::Redis, Self::Rabbitmq, Self::S3];

    /// As the document spells it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Keeper => "keeper",
            Self::Postgres => "postgres",
            Self::Redis => "redis",
            Self::Rabbitmq => "rabbitmq",
            Self::S3 => "s3",
        }
    }

    /// Whether it is a server with all of its processes.
    pub fn is_server(self) -> bool {
        !matches!(self, Self::Client | Self::Keeper)
    }
}

impl From<Service> for Part {
    fn from(service: Service) -> Self {
        match service {
            Service::Postgres => Self::Postgres,
            Service::Redis => Self::Redis,
            Service::Rabbitmq => Self::Rabbitmq,
            Service::S3 => Self::S3,
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One look at a part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsageRecord {
    /// Whose.
    pub part: Part,
    /// What was read.
    pub reading: Reading,
}

/// What a look at a part came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reading {
    /// It could be read.
    Used {
        /// Processor time of all its processes since it was first looked at, in nanoseconds.
        cpu_ns: u64,
        /// Its memory at that moment, in bytes.
        memory: u64,
        /// How that is counted.
        counted: Counted,
    },
    /// Why it could not.
    NotMeasured(String),
}

/// How memory is counted (proc_pid_smaps(5)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Counted {
    /// The proportional set size: what several processes share counts in parts.
    Pss,
    /// The resident set size: what they share counts for each of them.
    Rss,
}

impl Counted {
    /// As people spell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pss => "PSS",
            Self::Rss => "RSS",
        }
    }
}

/// What a part used in the measured part of a case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    /// Whose.
    pub part: Part,
    /// How much; none where it could not be read.
    pub figures: Option<Figures>,
    /// Why it could not; empty where it could.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub not_measured: String,
}

/// How much a part used.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// Processor time, in nanoseconds. Linux counts it in hundredths of a second.
    pub cpu_ns: u64,
    /// How much of one core that is: 1.0 is one that does nothing else.
    pub cores: f64,
    /// Processor time for each operation of the case that succeeded, in nanoseconds; none where none did.
    pub per_ok_ns: Option<u64>,
    /// The mean of its memory, in bytes.
    pub memory_mean: u64,
    /// The most of it that was seen, in bytes.
    pub memory_peak: u64,
    /// How memory is counted.
    pub counted: Counted,
}
