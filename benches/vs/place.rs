//! Servers of the bench's own, and one tenant's slices on them.

use std::time::Duration;

use anyhow::{Context as _, Result};
use bulkhead_model::Topology;
use bulkhead_target::{Session, TargetSpec, TenantAccess};
use tokio::runtime::Runtime;

const ONE_TENANT: &str = r#"
[tenants.engine]
postgres = { database = "enginedb" }
redis    = { prefix = "engine:" }
rabbitmq = { vhost = "/engine" }
s3       = { bucket = "tl-engine" }
"#;

/// What is measured on, with a runtime of its own so that nothing of it runs where the load is made.
pub(crate) struct Place {
    pub(crate) access: TenantAccess,
    runtime: Runtime,
    session: Session,
    made: Vec<TenantAccess>,
}

impl Place {
    /// Starts servers, which inherit this thread's cores, and makes the slices.
    pub(crate) fn open() -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
        let runtime = runtime.context("cannot start the runtime")?;
        let (session, made) = runtime.block_on(async {
            let mut spec = TargetSpec::from_env(env!("CARGO_BIN_EXE_bulkhead"))?;
            spec.name = Some(format!("bench {}", std::process::id()));
            spec.linger = Duration::ZERO;
            let session = Session::open(&spec, &|_| ()).await?;
            let made = session.slices(&Topology::parse(ONE_TENANT, "bench")?).await?;
            Ok::<_, anyhow::Error>((session, made))
        })?;
        let access = made.first().context("no tenant")?.clone();
        Ok(Self { access, runtime, session, made })
    }

    /// Removes the slices and lets go of the servers, which end.
    pub(crate) fn close(self) -> Result<()> {
        let Self { runtime, session, made, .. } = self;
        runtime.block_on(async {
            session.release(made).await?;
            session.close().await?;
            Ok(())
        })
    }
}
