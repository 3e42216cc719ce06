//! Who shares what: the tenants, their slices, and what is promised about each service.

use crate::{
    Enforcement, PostgresSlice, RabbitmqSlice, RedisSlice, S3Slice, Scope, Service, Slices, TenantName,
};

/// One tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenant {
    /// Its name.
    pub name: TenantName,
    /// What its environment variables start with: empty for the primary tenant, `PLANE_` for `plane`.
    pub env: String,
    /// Its part of each service.
    pub slices: Slices,
}

/// The whole layout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topology {
    /// The tenants, in the file's order. Never empty, names unique.
    pub tenants: Vec<Tenant>,
    /// What is promised about each service, in [`Service::ALL`]'s order.
    enforcement: [Enforcement; 4],
}

impl Topology {
    /// The layout of the documents, which `bulkhead.toml` declares when there is none.
    pub const DEFAULT: &'static str = include_str!("default.toml");

    /// What is promised about a service.
    pub fn enforcement(&self, service: Service) -> Enforcement {
        self.enforcement[service as usize]
    }

    /// The tenant of that name.
    pub fn tenant(&self, name: &str) -> Option<&Tenant> {
        self.tenants.iter().find(|t| t.name.as_str() == name)
    }

    /// Every ordered pair of different tenants.
    pub fn pairs(&self) -> impl Iterator<Item = (&Tenant, &Tenant)> {
        self.tenants.iter().flat_map(|a| self.tenants.iter().filter(move |b| b.name != a.name).map(move |b| (a, b)))
    }

    /// The same layout under names of one case's own, so that cases on the same servers never meet.
    ///
    /// Containers are suffixed (`enginedb_k7`, `/engine.k7`, `tl-engine-k7`) and key prefixes preceded (`k7:engine:`);
    /// schemas, queue prefixes and path prefixes stay, being inside a container that was renamed. Equal names stay
    /// equal and different ones different, so what is shared stays shared.
    #[must_use]
    pub fn scoped(&self, scope: &Scope) -> Self {
        let tenants = self.tenants.iter().map(|tenant| {
            let Slices { postgres, redis, rabbitmq, s3 } = &tenant.slices;
            Tenant {
                slices: Slices {
                    postgres: PostgresSlice {
                        database: format!("{}_{scope}", postgres.database),
                        schema: postgres.schema.clone(),
                    },
                    redis: RedisSlice { prefix: format!("{scope}:{}", redis.prefix) },
                    rabbitmq: RabbitmqSlice {
                        vhost: format!("{}.{scope}", rabbitmq.vhost),
                        queues: rabbitmq.queues.clone(),
                    },
                    s3: S3Slice { bucket: format!("{}-{scope}", s3.bucket), prefix: s3.prefix.clone() },
                },
                ..tenant.clone()
            }
        });
        Self { tenants: tenants.collect(), enforcement: self.enforcement }
    }
}
