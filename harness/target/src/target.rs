//! What a run works on: stand-ins that a keeper owns, or the real services that the environment's variables name.

use async_trait::async_trait;
use bulkhead_model::{
    Service, Slices, Tenant, Topology,
    bench::Part,
    report::{LogTail, ServerReport},
};

use crate::{
    Disturbance, Error, ServiceFault, Session, TenantAccess,
    backends::env::{RunId, Seat},
};

/// A target that is open. Many tasks may use it at the same time.
#[async_trait]
pub trait Target: Send + Sync {
    /// What answers, with versions.
    fn servers(&self) -> &[ServerReport];

    /// Whether the servers are the run's own, so that nobody else goes short when it uses up what they have.
    fn is_ours(&self) -> bool;

    /// The run's id, which every name bears that it makes, and who there is, on servers that others use; none on stand-ins.
    fn seats(&self) -> Option<(&RunId, &[Seat])> {
        None
    }

    /// Gives every tenant of the layout a place of this case's own, in the layout's order. The case will use no other
    /// `services` than these. On those of them in `alone` no other case is meanwhile, so that they may be disturbed; this
    /// waits for that.
    ///
    /// # Errors
    /// What a server refused; then nothing of it is left.
    async fn lots(
        &self,
        layout: &Topology,
        services: &[Service],
        alone: &[Service],
    ) -> Result<Vec<Lot>, Error>;

    /// Does something to a whole server that the case has alone.
    ///
    /// # Errors
    /// When it has not, or nothing may be done to servers here.
    async fn disturb(&self, service: Service, how: Disturbance) -> Result<(), Error>;

    /// Begins a service fault for a tenant that [`Target::lots`] gave, or undoes it, and says how much it touched.
    ///
    /// # Errors
    /// When it has not, or no fault may be begun here.
    async fn inflict(
        &self,
        service: Service,
        fault: ServiceFault,
        tenant: &Tenant,
        begins: bool,
    ) -> Result<u64, Error>;

    /// Takes back what one call of [`Target::lots`] gave, contents included.
    ///
    /// # Errors
    /// What could not be removed.
    async fn release(&self, lots: Vec<Lot>) -> Result<(), Error>;

    /// The address of a service's management API, which starts when it is asked for; `None` where there is none.
    ///
    /// # Errors
    /// When it does not start.
    async fn management(&self, service: Service) -> Result<Option<String>, Error>;

    /// The names of all that lies where a slice does that [`Target::lots`] gave, neighbours' too, on a server that tells
    /// them to its administrator alone; none on others, and where nobody is that.
    ///
    /// # Errors
    /// When the server does not tell.
    async fn names(&self, service: Service, tenant: &Tenant) -> Result<Option<Vec<String>>, Error>;

    /// The processes that the services are, by the number of the first of each.
    ///
    /// # Errors
    /// Why they cannot be looked at.
    async fn processes(&self) -> Result<Vec<(Part, u32)>, Error> {
        Err(Error::Reported(String::from("a real service's processes are not there to be looked at")))
    }

    /// The ends of all servers' logs, where they can be had.
    ///
    /// # Errors
    /// When nobody answers.
    async fn logs(&self, lines: usize) -> Result<Vec<LogTail>, Error>;

    /// Lets go of the target, with everything that was not released.
    ///
    /// # Errors
    /// What may be left.
    async fn close(self: Box<Self>) -> Result<(), Error>;
}

/// One tenant's place in a case.
#[derive(Clone, Debug)]
pub struct Lot {
    /// The tenant, its slices under the names within which the case works.
    pub tenant: Tenant,
    /// The slices that its grants are about: the same, or those of which the case's are a part.
    pub granted: Slices,
    /// How it gets there; `None` where only its names are known.
    pub access: Option<TenantAccess>,
}

impl Lot {
    /// A tenant whose slices were made for the case.
    pub fn whole(access: TenantAccess) -> Self {
        Self { tenant: access.tenant.clone(), granted: access.tenant.slices.clone(), access: Some(access) }
    }

    /// The tenant with the slices that its grants are about.
    pub fn grantee(&self) -> Tenant {
        Tenant { slices: self.granted.clone(), ..self.tenant.clone() }
    }
}

#[async_trait]
impl Target for Session {
    fn servers(&self) -> &[ServerReport] {
        Self::servers(self)
    }

    fn is_ours(&self) -> bool {
        true
    }

    async fn lots(
        &self,
        layout: &Topology,
        services: &[Service],
        alone: &[Service],
    ) -> Result<Vec<Lot>, Error> {
        Ok(self.slices_on(layout, services, alone).await?.into_iter().map(Lot::whole).collect())
    }

    async fn disturb(&self, service: Service, how: Disturbance) -> Result<(), Error> {
        Self::disturb(self, service, how).await
    }

    async fn inflict(
        &self,
        service: Service,
        fault: ServiceFault,
        tenant: &Tenant,
        begins: bool,
    ) -> Result<u64, Error> {
        Self::inflict(self, service, fault, tenant, begins).await
    }

    async fn release(&self, lots: Vec<Lot>) -> Result<(), Error> {
        Self::release(self, lots.into_iter().filter_map(|lot| lot.access).collect()).await
    }

    async fn management(&self, service: Service) -> Result<Option<String>, Error> {
        Self::management(self, service).await
    }

    async fn names(&self, service: Service, tenant: &Tenant) -> Result<Option<Vec<String>>, Error> {
        Self::names(self, service, tenant).await
    }

    async fn processes(&self) -> Result<Vec<(Part, u32)>, Error> {
        Self::processes(self).await
    }

    async fn logs(&self, lines: usize) -> Result<Vec<LogTail>, Error> {
        Self::logs(self, lines).await
    }

    async fn close(self: Box<Self>) -> Result<(), Error> {
        Self::close(*self).await
    }
}
