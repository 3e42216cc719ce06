//! One process's hold on a target: it lives as long as the value does.

use std::sync::atomic::{AtomicU64, Ordering};

use bulkhead_model::{
    RunEvent, Scope, Service, Tenant, Topology,
    bench::Part,
    report::{LogTail, ServerReport},
};

use crate::{
    Error, ServiceFault, TargetSpec, TenantAccess,
    deadlines::CLOSED,
    keeper::{
        self,
        join::join,
        link::Link,
        wire::{Answer, Disturbance, Granted, Infliction, Request, Wanted, WireAccess, WireTenant},
    },
};

/// A lease on running servers. Many tasks may use one at the same time.
///
/// Dropping it (or dying, by SIGKILL too) gives the lease back; when it was the last one the servers stop and their
/// folders vanish. [`Session::close`] does the same and waits until it is done.
#[derive(Debug)]
pub struct Session {
    link: Link,
    granted: Granted,
    scopes: AtomicU64,
}

impl Session {
    /// Joins the running servers that `spec` asks for, or starts them. `progress` is told of each server.
    ///
    /// # Errors
    /// [`Error::Missing`] before anything is started; else which server failed and how, after all were stopped again.
    pub async fn open(spec: &TargetSpec, progress: &(dyn Fn(RunEvent) + Send + Sync)) -> Result<Self, Error> {
        let (link, granted) = join(spec, progress).await?;
        Ok(Self { link, granted, scopes: AtomicU64::new(0) })
    }

    /// What answers, with versions.
    pub fn servers(&self) -> &[ServerReport] {
        &self.granted.servers
    }

    /// The run's id, which marks every process and path of these servers.
    pub fn run(&self) -> &str {
        &self.granted.run
    }

    /// The keeper's process.
    pub fn keeper(&self) -> u32 {
        self.granted.pid
    }

    /// Makes the topology's slices under names of their own (a fresh [`bulkhead_model::Scope`]).
    ///
    /// # Errors
    /// What the server refused.
    pub async fn slices(&self, topology: &Topology) -> Result<Vec<TenantAccess>, Error> {
        self.slices_on(topology, &Service::ALL, &[]).await
    }

    /// As [`Session::slices`], on these services only: on the others no slice is made, and the connections lead nowhere.
    /// On those of them in `alone` nobody else has slices meanwhile; this waits until that is so.
    ///
    /// # Errors
    /// As there.
    pub async fn slices_on(
        &self,
        topology: &Topology,
        services: &[Service],
        alone: &[Service],
    ) -> Result<Vec<TenantAccess>, Error> {
        let count = self.scopes.fetch_add(1, Ordering::Relaxed);
        // The lease's number is unique in its keeper, the count in the lease.
        let scope = format!("k{}s{count}", self.granted.lease);
        let scope = Scope::new(&scope)
            .ok_or_else(|| Error::Reported(format!("`{scope}` is too long for a scope")))?;
        self.provision(&topology.scoped(&scope), services, alone, (false, false)).await
    }

    /// Makes the topology's slices under exactly the names it gives: for `bulkhead up`.
    ///
    /// # Errors
    /// What the server refused, or that another process holds such names. While one is still making, removing or about
    /// to detach them, this waits for how that ends.
    pub async fn exact_slices(&self, topology: &Topology) -> Result<Vec<TenantAccess>, Error> {
        self.provision(topology, &Service::ALL, &[], (true, false)).await
    }

    /// As [`Session::exact_slices`], where on those services nobody else has slices meanwhile.
    ///
    /// # Errors
    /// As there.
    pub async fn exact_slices_alone(
        &self,
        topology: &Topology,
        alone: &[Service],
    ) -> Result<Vec<TenantAccess>, Error> {
        self.provision(topology, &Service::ALL, alone, (true, false)).await
    }

    /// As [`Session::exact_slices`], for a session that is going to be detached: until it has been, or has ended, others
    /// who ask for such names wait.
    ///
    /// # Errors
    /// As there.
    pub async fn lasting_slices(&self, topology: &Topology) -> Result<Vec<TenantAccess>, Error> {
        self.provision(topology, &Service::ALL, &[], (true, true)).await
    }

    async fn provision(
        &self,
        topology: &Topology,
        services: &[Service],
        alone: &[Service],
        (exact, stays): (bool, bool),
    ) -> Result<Vec<TenantAccess>, Error> {
        let tenants = topology.tenants.iter().cloned().map(WireTenant).collect();
        let enforcement = Service::ALL.map(|service| topology.enforcement(service));
        let (services, alone) = (services.to_vec(), alone.to_vec());
        let wanted = Wanted { tenants, services, alone, enforcement, exact, stays };
        match self.link.ask("make slices", Request::Provision(wanted)).await? {
            Answer::Slices(access) => Ok(access.into_iter().map(|WireAccess(access)| access).collect()),
            _ => Err(odd("make slices")),
        }
    }

    /// Removes slices that one call of [`Session::slices`] or [`Session::exact_slices`] made, as a whole.
    ///
    /// # Errors
    /// What could not be removed.
    pub async fn release(&self, slices: Vec<TenantAccess>) -> Result<(), Error> {
        let tenants = slices.into_iter().map(|access| WireTenant(access.tenant)).collect();
        self.link.ask("remove slices", Request::Release(tenants)).await.map(drop)
    }

    /// The ends of all servers' logs.
    ///
    /// # Errors
    /// When the keeper does not answer.
    pub async fn logs(&self, lines: usize) -> Result<Vec<LogTail>, Error> {
        match self.link.ask("read the logs", Request::Logs(lines)).await? {
            Answer::Logs(logs) => Ok(logs),
            _ => Err(odd("read the logs")),
        }
    }

    /// The keeper and the first process of each server, by their numbers.
    ///
    /// # Errors
    /// When the keeper broke off.
    pub async fn processes(&self) -> Result<Vec<(Part, u32)>, Error> {
        let doing = "find the servers' processes";
        let Answer::Processes(servers) = self.link.ask(doing, Request::Processes).await? else {
            return Err(odd(doing));
        };
        let servers = servers.into_iter().filter_map(|(of, pid)| Some((of.into(), u32::try_from(pid).ok()?)));
        Ok(std::iter::once((Part::Keeper, self.granted.pid)).chain(servers).collect())
    }

    /// The address of a server's management API, which is started when nobody has asked for it before; none for a
    /// server that has none.
    ///
    /// # Errors
    /// Why it does not start.
    pub async fn management(&self, service: Service) -> Result<Option<String>, Error> {
        match self.link.ask("start the management API", Request::Management(service)).await? {
            Answer::Management(address) => address.map_err(Error::Reported),
            _ => Err(odd("start the management API")),
        }
    }

    /// The names of all that lies where this session's slice for a tenant does, neighbours' too, on a server that tells
    /// them to its administrator alone; none on others.
    ///
    /// # Errors
    /// When the session has no such slice, or the server does not tell.
    pub async fn names(&self, service: Service, tenant: &Tenant) -> Result<Option<Vec<String>>, Error> {
        let doing = "list what lies where a slice does";
        match self.link.ask(doing, Request::Names(service, WireTenant(tenant.clone()))).await? {
            Answer::Names(names) => names.map_err(Error::Reported),
            _ => Err(odd(doing)),
        }
    }

    /// Does something to a server on which slices of this session are alone. What was not undone is, when they go.
    ///
    /// # Errors
    /// When they are not alone there, or it could not be done.
    pub async fn disturb(&self, service: Service, how: Disturbance) -> Result<(), Error> {
        let doing = "disturb a server";
        match self.link.ask(doing, Request::Disturb(service, how)).await? {
            Answer::Disturbed(done) => done.map_err(Error::Reported),
            _ => Err(odd(doing)),
        }
    }

    /// Begins a service fault for a tenant of this session, or undoes it, and says how many connections, requests or queues
    /// it touched. What was not undone is, when the tenant's slices go.
    ///
    /// # Errors
    /// When the session has no such slices, or not alone where the fault meets everybody, or it could not be done.
    pub async fn inflict(
        &self,
        service: Service,
        fault: ServiceFault,
        tenant: &Tenant,
        begins: bool,
    ) -> Result<u64, Error> {
        let doing = "begin or undo a service fault";
        let infliction = Infliction { service, fault, tenant: WireTenant(tenant.clone()), begins };
        match self.link.ask(doing, Request::Inflict(infliction)).await? {
            Answer::Inflicted(done) => done.map_err(Error::Reported),
            _ => Err(odd(doing)),
        }
    }

    /// Waits until the servers are of no use any more, and says why when somebody stopped them.
    ///
    /// # Errors
    /// The error of a server that ended by itself, with the end of its log, or that the keeper broke off.
    pub async fn over(&self) -> Result<String, Error> {
        self.link.over("hold the servers").await
    }

    /// Leaves the servers and this session's slices behind, held by nobody, until [`Session::stop_set`].
    ///
    /// # Errors
    /// When the keeper does not answer.
    pub async fn detach(self) -> Result<(), Error> {
        self.link.ask("leave the servers running", Request::Detach).await.map(drop)
    }

    /// Stops the set that `spec` asks for, whoever holds it, and waits until it is gone; false when there was none.
    ///
    /// # Errors
    /// When something of it is left.
    pub async fn stop_set(spec: &TargetSpec) -> Result<bool, Error> {
        keeper::stop(spec).await
    }

    /// Gives the lease back and waits until servers that nobody else holds are gone. With a linger they are not to go
    /// yet, and it returns at once.
    ///
    /// # Errors
    /// When the keeper broke off before it said so, or something is left.
    pub async fn close(self) -> Result<(), Error> {
        let doing = "stop the servers";
        match tokio::time::timeout(CLOSED, self.link.ask(doing, Request::Leave)).await {
            Ok(Err(_)) if self.link.told_to_end() => Ok(()),
            Ok(answer) => answer.map(drop),
            Err(_) => {
                let source = format!("they still run after {CLOSED:?}").into();
                Err(Error::Keeper { doing: doing.into(), source })
            }
        }
    }
}

fn odd(doing: &str) -> Error {
    Error::Keeper { doing: doing.into(), source: "it answered something else".into() }
}
