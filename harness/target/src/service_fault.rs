//! Service faults: what a managed service does to its clients in trouble of its own, its processes being well.

use bulkhead_model::{Service, report::ServerReport};
use serde::{Deserialize, Serialize};

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ServiceFault {
    /// The tenant's connections are ended by the administrator, once.
    Terminate,
    /// No connection is left for the tenant.
    Exhaust,
    /// The tenant can write nothing.
    ReadOnly,
    /// The server has no memory left for anybody's writes.
    OutOfMemory,
    /// The server has no memory left, and evicts whatever keys there are, anybody's.
    Evict,
    /// The broker has too little memory and reads from nobody who publishes.
    MemoryAlarm,
    /// The broker has too little disk and reads from nobody who publishes.
    DiskAlarm,
    /// The tenant's queues are full and refuse what is published.
    QueueLimit,
    /// The tenant's requests are throttled.
    SlowDown,
    /// The tenant's requests meet an error of the server's, every second one after it was done.
    InternalError,
    /// The bodies that answer the tenant's requests end early.
    Truncated,
    /// The tenant's password is another one, and its connections are ended.
    RevokedPassword,
}

impl ServiceFault {
    /// The services that it can befall.
    pub const fn services(self) -> &'static [Service] {
        match self {
            Self::Terminate => &[Service::Postgres, Service::Redis, Service::Rabbitmq],
            Self::Exhaust | Self::ReadOnly => &[Service::Postgres],
            Self::OutOfMemory | Self::Evict => &[Service::Redis],
            Self::MemoryAlarm | Self::DiskAlarm | Self::QueueLimit => &[Service::Rabbitmq],
            Self::SlowDown | Self::InternalError | Self::Truncated => &[Service::S3],
            Self::RevokedPassword => &Service::ALL,
        }
    }

    /// Whether it may meet everybody on that service, so that the case has it alone.
    pub fn needs_alone(self, on: Service) -> bool {
        match self {
            // By convention tenants share one login there, and one's connections cannot be told from another's.
            Self::Terminate | Self::RevokedPassword => on == Service::Redis,
            Self::OutOfMemory | Self::Evict | Self::MemoryAlarm | Self::DiskAlarm => true,
            Self::Exhaust
            | Self::ReadOnly
            | Self::QueueLimit
            | Self::SlowDown
            | Self::InternalError
            | Self::Truncated => false,
        }
    }

    /// Whether that server can be put into it.
    pub fn befalls(self, server: &ServerReport) -> bool {
        // No other S3 server can be told to answer wrongly.
        let told = server.service != Service::S3 || server.product == "embedded";
        self.services().contains(&server.service) && told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_cannot_be_told_to_fail_is_known() {
        let server = |service, product: &str| ServerReport {
            service,
            product: product.into(),
            version: String::new(),
            startup_ms: 0,
        };
        assert!(ServiceFault::SlowDown.befalls(&server(Service::S3, "embedded")));
        for other in ["minio", "rustfs", "seaweedfs", "garage"] {
            assert!(!ServiceFault::SlowDown.befalls(&server(Service::S3, other)), "{other}");
        }
        assert!(!ServiceFault::SlowDown.befalls(&server(Service::Redis, "valkey")));
    }
}
