//! Tenants and targets for unit tests, which reach nothing.

use async_trait::async_trait;
use bulkhead_model::{
    PostgresSlice, RabbitmqSlice, RedisSlice, S3Slice, Secret, Service, Slices, Tenant, TenantName, Topology,
    report::{LogTail, ServerReport},
    url::{AmqpUrl, Connections, PostgresUrl, RedisUrl, S3Access},
};
use bulkhead_target::{Detours, Disturbance, Error, Lot, ServiceFault, Target, TenantAccess};

/// A tenant with a slice of its own on each service, on ports where nothing listens.
pub(crate) fn tenant(name: &str) -> TenantAccess {
    let (host, port, user) = (String::from("127.0.0.1"), 1, name.to_owned());
    let password = |service: &str| Secret::new(format!("{service}-password-of-{name}"));
    let slices = Slices {
        postgres: PostgresSlice { database: format!("{name}db"), schema: None },
        redis: RedisSlice { prefix: format!("{name}:") },
        rabbitmq: RabbitmqSlice { vhost: format!("/{name}"), queues: None },
        s3: S3Slice { bucket: format!("tl-{name}"), prefix: None },
    };
    let connections = Connections {
        postgres: PostgresUrl {
            host: host.clone(),
            port,
            user: user.clone(),
            password: password("postgres"),
            database: slices.postgres.database.clone(),
            parameters: vec![(String::from("sslmode"), String::from("verify-full"))],
        },
        redis: RedisUrl {
            host: host.clone(),
            port,
            user: user.clone(),
            password: password("redis"),
            database: 0,
            tls: true,
        },
        rabbitmq: AmqpUrl {
            host,
            port,
            user,
            password: password("rabbitmq"),
            vhost: slices.rabbitmq.vhost.clone(),
            tls: true,
        },
        s3: S3Access {
            endpoint: String::from("https://127.0.0.1:1"),
            access_key_id: format!("key-{name}"),
            secret_access_key: password("s3"),
            bucket: slices.s3.bucket.clone(),
        },
    };
    let env = if name == "engine" { String::new() } else { format!("{}_", name.to_uppercase()) };
    let tenant = Tenant { name: TenantName::new(name).unwrap(), env, slices };
    TenantAccess { tenant, connections, ca: None, detours: Detours::default() }
}

/// Servers that no fault of a link asks for anything.
pub(crate) struct Nowhere;

fn nothing<T>() -> Result<T, Error> {
    Err(Error::Reported(String::from("nothing is here")))
}

#[async_trait]
impl Target for Nowhere {
    fn servers(&self) -> &[ServerReport] {
        &[]
    }

    fn is_ours(&self) -> bool {
        true
    }

    async fn lots(&self, _: &Topology, _: &[Service], _: &[Service]) -> Result<Vec<Lot>, Error> {
        nothing()
    }

    async fn disturb(&self, _: Service, _: Disturbance) -> Result<(), Error> {
        nothing()
    }

    async fn inflict(&self, _: Service, _: ServiceFault, _: &Tenant, _: bool) -> Result<u64, Error> {
        nothing()
    }

    async fn release(&self, _: Vec<Lot>) -> Result<(), Error> {
        nothing()
    }

    async fn management(&self, _: Service) -> Result<Option<String>, Error> {
        nothing()
    }

    async fn names(&self, _: Service, _: &Tenant) -> Result<Option<Vec<String>>, Error> {
        nothing()
    }

    async fn logs(&self, _: usize) -> Result<Vec<LogTail>, Error> {
        nothing()
    }

    async fn close(self: Box<Self>) -> Result<(), Error> {
        Ok(())
    }
}
