//! Who shares what: the tenants, their slices, and what is promised about each service.
//!
//! A layout comes from `bulkhead.toml` or is the built-in one. A value of [`Topology`] has passed every check: no two
//! tenants' slices meet. What is on the servers it does not know.

use std::{env, fmt, fs, path::Path};

use serde::{Deserialize, Serialize};

use crate::{
    Enforcement, PostgresSlice, Problem, Problems, RabbitmqSlice, RedisSlice, S3Slice, Scope, Service,
    Slices, TenantName,
};

mod find;
mod names;
mod overlap;
mod parse;
mod shape;

/// Whether a tenant has a container of a service for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sharing {
    /// A database, vhost or bucket of its own.
    Separate,
    /// A schema or a prefix in a container that others use too.
    Shared,
}

impl fmt::Display for Sharing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Separate => "separate",
            Self::Shared => "shared",
        })
    }
}

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

    /// The file that [`Topology::load`] looks for in the current folder and in those above it.
    pub const FILE: &'static str = "bulkhead.toml";

    /// The layout of [`Topology::DEFAULT`].
    pub fn builtin() -> Self {
        // The text is a constant, and a test below shows that it parses. The other arm, never taken, has no tenants:
        // a run on it judges nothing, which is `unknown` and never `pass`.
        Self::parse(Self::DEFAULT, "built-in layout")
            .unwrap_or(Self { tenants: Vec::new(), enforcement: [Enforcement::Enforced; 4] })
    }

    /// The layout in that file; without a path the one in the nearest [`Topology::FILE`] from the current folder
    /// upwards, or where there is none the built-in one.
    ///
    /// # Errors
    /// A file that cannot be read, or every problem in it.
    pub fn load(path: Option<&Path>) -> Result<Self, Problems> {
        if let Some(file) = path {
            return Self::read(file, file, "name a readable file, or none for the one that applies here");
        }
        let here = env::current_dir()
            .map_err(|error| Problem::new("", format!("cannot tell which folder this is: {error}")))?;
        let Some(file) = Self::file_near(&here) else { return Ok(Self::builtin()) };
        // A file of this folder is named as it would be typed, one further up with its folder.
        let shown = file.strip_prefix(&here).unwrap_or(&file);
        Self::read(&file, shown, "make it readable, or name another with `--topology`")
    }

    fn read(file: &Path, shown: &Path, hint: &str) -> Result<Self, Problems> {
        let shown = shown.display().to_string();
        match fs::read_to_string(file) {
            Ok(text) => Self::parse(&text, &shown),
            Err(error) => {
                Err(Problem::new(shown, format!("cannot read the topology: {error}")).hint(hint).into())
            }
        }
    }

    /// Whether the tenant has a container of that service for itself. On Redis nobody has.
    pub fn sharing(service: Service, tenant: &Tenant) -> Sharing {
        let part = match service {
            Service::Postgres => tenant.slices.postgres.schema.is_some(),
            Service::Redis => true,
            Service::Rabbitmq => tenant.slices.rabbitmq.queues.is_some(),
            Service::S3 => tenant.slices.s3.prefix.is_some(),
        };
        if part { Sharing::Shared } else { Sharing::Separate }
    }

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
        self.tenants
            .iter()
            .flat_map(|a| self.tenants.iter().filter(move |b| b.name != a.name).map(move |b| (a, b)))
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

#[cfg(test)]
mod tests {
    use super::{Sharing, Topology};
    use crate::{Enforcement, Service};

    #[test]
    fn the_built_in_layout_is_the_documents() {
        let topology = Topology::parse(Topology::DEFAULT, "default.toml").unwrap();
        assert_eq!(topology, Topology::builtin());
        let [engine, plane] = topology.tenants.as_slice() else { panic!("not two tenants: {topology:?}") };
        assert_eq!((engine.name.as_str(), engine.env.as_str()), ("engine", ""));
        assert_eq!((plane.name.as_str(), plane.env.as_str()), ("plane", "PLANE_"));
        assert_eq!(engine.slices.rabbitmq.vhost, "/engine");
        assert_eq!(plane.slices.postgres.database, "neondb");
        let promised = Service::ALL.map(|service| topology.enforcement(service));
        assert_eq!(promised.map(Enforcement::name), ["enforced", "convention", "enforced", "enforced"]);
        let sharing = Service::ALL.map(|service| Topology::sharing(service, engine));
        assert_eq!(sharing, [Sharing::Separate, Sharing::Shared, Sharing::Separate, Sharing::Separate]);
    }
}
