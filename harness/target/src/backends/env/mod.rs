//! The real services, as the environment's variables name them. Nothing is started, stopped or configured; a run works
//! within names of its own (`space.rs`) and removes them.
//!
//! A tenant's schema for a case is made before any other name of the case and goes after all of them, so it is the
//! record from which [`clean`] finishes what a killed run left, from any machine that has the variables. Tenants whose
//! variables are not there are known by name only.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bulkhead_model::{
    Service, Tenant, Topology,
    report::{LogTail, ServerReport},
};
use tokio::time::timeout;

use crate::{Disturbance, Error, Lot, ServiceFault, Target, TenantAccess, clients};

mod clean;
mod ledger;
mod space;
mod wipe;

pub use clean::{Cleaned, clean};
use ledger::Ledger;
use space::Space;
pub use space::{RunId, is_of_a_run};
pub use wipe::SCANS;

/// The longest that removing one tenant's names from one service may take.
const WIPED: Duration = Duration::from_secs(25);

/// Every name that a case may make below a slice's prefix on the services that cannot be asked which there are.
#[derive(Clone, Copy, Debug)]
pub struct Leavings {
    /// Redis keys.
    pub keys: &'static [&'static str],
    /// The Redis key that says that there are more, which nobody can name and all of which expire.
    pub more: &'static str,
    /// What the first tenant can remove in the second's vhost when all of these are in the case: whole names of RabbitMQ
    /// queues and exchanges. Both go under every name.
    pub broker: fn(&Tenant, &Tenant, &[Tenant]) -> Vec<String>,
}

/// A tenant, and how to get at its services where that is known.
#[derive(Clone, Debug)]
pub struct Seat {
    /// The tenant as the topology has it.
    pub tenant: Tenant,
    /// Its connections; `None` where its variables are not set.
    pub access: Option<TenantAccess>,
}

/// An open run on real services.
pub struct Env {
    run: RunId,
    seats: Vec<Seat>,
    ledgers: Vec<Ledger>,
    servers: Vec<ServerReport>,
    leavings: Leavings,
    count: AtomicU64,
    /// The cases that have names, and on which services.
    open: Mutex<BTreeMap<u64, Vec<Service>>>,
}

impl Env {
    /// Reaches every service of every seat that has access, and takes the run's lock. Nothing is made yet.
    ///
    /// # Errors
    /// Which service does not answer, or that a role may not make the run's schemas.
    pub async fn open(seats: Vec<Seat>, leavings: Leavings) -> Result<Self, Error> {
        let run = RunId::fresh();
        let mut ledgers = Vec::new();
        let mut servers = Vec::new();
        for access in seats.iter().filter_map(|seat| seat.access.as_ref()) {
            let ledger = Ledger::new(access.clone(), Some(run.clone()));
            if !ledger.may_make().await? {
                let url = &access.connections.postgres;
                let grant = format!("GRANT CREATE ON DATABASE \"{}\" TO \"{}\"", url.database, url.user);
                let why = format!("the role may not make the run's own schema; {grant}");
                return Err(Error::serve(Service::Postgres, format!("work as `{}`", ledger.tenant()))(why));
            }
            if servers.is_empty() {
                servers = reports(access, ledger.version().await?).await?;
            }
            ledgers.push(ledger);
        }
        let (count, open) = (AtomicU64::new(0), Mutex::default());
        Ok(Self { run, seats, ledgers, servers, leavings, count, open })
    }

    /// The run's id, which all its names bear.
    pub fn run(&self) -> &RunId {
        &self.run
    }

    fn lot(&self, space: &Space, tenant: &Tenant) -> Lot {
        let narrow = space.narrow(tenant);
        let seat = self.seats.iter().find(|seat| seat.tenant.name == tenant.name);
        let access = seat.and_then(|seat| seat.access.clone());
        let access = access.map(|access| TenantAccess { tenant: narrow.clone(), ..access });
        Lot { tenant: narrow, granted: tenant.slices.clone(), access }
    }

    async fn remove(&self, case: u64, services: &[Service]) -> Result<(), Error> {
        let space = Space { run: self.run.clone(), case };
        remove(&space, &self.seats, &self.ledgers, services, &self.leavings).await?;
        self.open.lock().unwrap_or_else(PoisonError::into_inner).remove(&case);
        Ok(())
    }
}

#[async_trait]
impl Target for Env {
    fn servers(&self) -> &[ServerReport] {
        &self.servers
    }

    fn is_ours(&self) -> bool {
        false
    }

    fn seats(&self) -> Option<(&RunId, &[Seat])> {
        Some((&self.run, &self.seats))
    }

    async fn disturb(&self, service: Service, _: Disturbance) -> Result<(), Error> {
        Err(Error::serve(service, "disturb the server")("others use it"))
    }

    async fn inflict(&self, service: Service, _: ServiceFault, _: &Tenant, _: bool) -> Result<u64, Error> {
        Err(Error::serve(service, "begin a service fault")("others use the server"))
    }

    async fn lots(&self, layout: &Topology, services: &[Service], _: &[Service]) -> Result<Vec<Lot>, Error> {
        let case = self.count.fetch_add(1, Ordering::Relaxed);
        let space = Space { run: self.run.clone(), case };
        // Noted before anything is made, so that whatever happens from here on is removed in the end.
        self.open.lock().unwrap_or_else(PoisonError::into_inner).insert(case, services.to_vec());
        for ledger in &self.ledgers {
            if layout.tenant(ledger.tenant().as_str()).is_some()
                && let Err(error) = ledger.enter(&space).await
            {
                // The first error says more than one from the clearing up, which is tried again at the end.
                let _again = self.remove(case, &[]).await;
                return Err(error);
            }
        }
        Ok(layout.tenants.iter().map(|tenant| self.lot(&space, tenant)).collect())
    }

    async fn release(&self, lots: Vec<Lot>) -> Result<(), Error> {
        let named = lots.iter().find_map(|lot| {
            Space::of_schema(lot.tenant.slices.postgres.schema.as_deref()?, &lot.tenant.name)
        });
        let Some(space) = named.filter(|space| space.run == self.run) else { return Ok(()) };
        let services = self.open.lock().unwrap_or_else(PoisonError::into_inner).get(&space.case).cloned();
        self.remove(space.case, &services.unwrap_or_default()).await
    }

    /// No variable says where it is.
    async fn management(&self, _service: Service) -> Result<Option<String>, Error> {
        Ok(None)
    }

    /// The variables are tenants', none of them an administrator's.
    async fn names(&self, _service: Service, _tenant: &Tenant) -> Result<Option<Vec<String>>, Error> {
        Ok(None)
    }

    async fn logs(&self, _lines: usize) -> Result<Vec<LogTail>, Error> {
        Ok(Vec::new())
    }

    async fn close(self: Box<Self>) -> Result<(), Error> {
        let open = std::mem::take(&mut *self.open.lock().unwrap_or_else(PoisonError::into_inner));
        let removing = open.iter().map(|(case, services)| self.remove(*case, services));
        let removed = futures::future::join_all(removing).await;
        for ledger in &self.ledgers {
            ledger.close().await;
        }
        removed.into_iter().collect()
    }
}

/// Removes what a case may have left of every seat; the schemas last.
async fn remove(
    space: &Space,
    seats: &[Seat],
    ledgers: &[Ledger],
    services: &[Service],
    leavings: &Leavings,
) -> Result<(), Error> {
    let narrowed: Vec<_> = seats.iter().map(|seat| space.narrow(&seat.tenant)).collect();
    let mut tasks = Vec::new();
    for (by, mine) in seats.iter().zip(&narrowed) {
        let Some(access) = &by.access else { continue };
        for (on, theirs) in seats.iter().zip(&narrowed) {
            let (own, alone) = (by.tenant.name == on.tenant.name, on.access.is_none());
            tasks.extend(services.iter().filter_map(|service| match service {
                // Its schema goes at the end.
                Service::Postgres => None,
                // What it made there under its own name, its neighbour may be unable to remove.
                Service::Rabbitmq => {
                    let mut names = (leavings.broker)(mine, theirs, &narrowed);
                    if !own && alone {
                        names.extend((leavings.broker)(theirs, theirs, &narrowed));
                    }
                    Some((*service, own, access, theirs, names))
                }
                // Whoever has access removes its own names, and those of neighbours that nobody else here can reach.
                Service::Redis | Service::S3 => {
                    (own || alone).then(|| (*service, own, access, theirs, Vec::new()))
                }
            }));
        }
    }
    let removing = tasks.iter().map(|(service, own, access, tenant, names)| async move {
        let removed = timeout(WIPED, async {
            match service {
                Service::Postgres => Ok(()),
                Service::Redis => wipe::redis(access, tenant, leavings).await,
                Service::Rabbitmq => wipe::rabbitmq(access, &tenant.slices.rabbitmq, names, *own).await,
                Service::S3 => wipe::s3(access, tenant).await,
            }
        });
        let removed = removed.await.unwrap_or_else(|late| {
            Err(Error::serve(*service, format!("remove the run's names within {WIPED:?}"))(late))
        });
        // Who is refused by a neighbour's slice has left nothing there.
        if *own || *service == Service::Rabbitmq { removed } else { Ok(()) }
    });
    let removed: Result<(), Error> = futures::future::join_all(removing).await.into_iter().collect();
    removed?;
    for ledger in ledgers {
        ledger.strike(space).await?;
    }
    Ok(())
}

/// What answers, as one tenant sees it.
async fn reports(access: &TenantAccess, postgres: String) -> Result<Vec<ServerReport>, Error> {
    let mut connection = clients::redis::connect(access).await?;
    // Not every provider's server says what it is; that it answers was seen.
    let redis = clients::redis::server_facts(&mut connection).await;
    let (redis, redis_version) =
        redis.map_or(("redis", String::new()), |facts| (facts.product, facts.version));
    let rabbitmq = clients::rabbitmq::server_facts(access).await?;
    // Some probes read the answers of B2 and its like, which MinIO's are not.
    let named = clients::s3::server_name(access).await?;
    let s3 = if named.as_deref() == Some("minio") { "minio" } else { "s3" };
    let endpoint = &access.connections.s3.endpoint;
    let host = endpoint.split_once("://").map_or(endpoint.as_str(), |(_, host)| host);
    let all = [
        (Service::Postgres, "postgres", postgres),
        (Service::Redis, redis, redis_version),
        (Service::Rabbitmq, &rabbitmq.product.to_lowercase(), rabbitmq.version),
        (Service::S3, s3, host.to_owned()),
    ];
    let report = |(service, product, version): (Service, &str, String)| ServerReport {
        service,
        product: product.to_owned(),
        version,
        startup_ms: 0,
    };
    Ok(all.map(report).into())
}
