//! Tenants for unit tests, which reach nothing.

use bulkhead_model::{
    PostgresSlice, RabbitmqSlice, RedisSlice, S3Slice, Secret, Slices, Tenant, TenantName,
    url::{AmqpUrl, Connections, PostgresUrl, RedisUrl, S3Access},
};
use bulkhead_target::{Detours, TenantAccess};

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
