//! Where a bench works: servers of its own, one tenant's slice, and the same slice through the fault proxy.

use std::time::Duration;

use anyhow::{Context as _, Result};
use bulkhead_engine::{links::Links, seed::Seed};
use bulkhead_model::{Service, Topology};
use bulkhead_target::{Session, TargetSpec, TenantAccess};

const ONE_TENANT: &str = r#"
[tenants.engine]
postgres = { database = "enginedb" }
redis    = { prefix = "engine:" }
rabbitmq = { vhost = "/engine" }
s3       = { bucket = "tl-engine" }
"#;

/// A slice, and the two ways to it.
pub(crate) struct Place {
    /// Straight to the server, over TLS.
    pub(crate) direct: TenantAccess,
    /// Through the fault proxy, with no fault on.
    pub(crate) proxied: TenantAccess,
    session: Session,
    made: Vec<TenantAccess>,
    links: Links,
}

impl Place {
    /// Starts servers and makes the slice.
    pub(super) async fn open(service: Service) -> Result<Self> {
        let mut spec = TargetSpec::from_env(env!("CARGO_BIN_EXE_bulkhead"))?;
        spec.name = Some(format!("bench {}", std::process::id()));
        spec.linger = Duration::ZERO;
        let session = Session::open(&spec, &|_| ()).await?;
        let topology = Topology::parse(ONE_TENANT, "bench")?;
        let made = session.slices_on(&topology, &[service], &[]).await?;
        let direct = made.first().context("no tenant")?.clone();
        let links = Links::new(&Seed::new(1))?;
        let proxied = links.through(&direct, &[service]).await?;
        Ok(Self { direct, proxied, session, made, links })
    }

    /// Ends the links, removes the slice and lets go of the servers, which end.
    pub(super) async fn close(self) -> Result<()> {
        let Self { session, made, links, .. } = self;
        links.close().await?;
        session.release(made).await?;
        session.close().await?;
        Ok(())
    }
}
