//! A target for runs that is the stand-ins but for what a test wants otherwise.

use async_trait::async_trait;
use bulkhead_model::{
    Service, Tenant, Topology,
    report::{LogTail, ServerReport},
};
use bulkhead_target::{Disturbance, Error, Lot, ServiceFault, Session, Target};

/// Stand-ins with something that is otherwise.
pub(crate) struct Altered {
    pub(crate) session: Session,
    /// Whether they are not the run's own.
    pub(crate) billed: bool,
    /// Whether nobody answers the tenant on S3.
    pub(crate) unanswered: bool,
    /// Whether undoing a service fault crashes.
    pub(crate) crashes: bool,
}

impl Altered {
    /// As they are.
    pub(crate) fn of(session: Session) -> Self {
        Self { session, billed: false, unanswered: false, crashes: false }
    }
}

#[async_trait]
impl Target for Altered {
    fn servers(&self) -> &[ServerReport] {
        self.session.servers()
    }

    fn is_ours(&self) -> bool {
        !self.billed
    }

    async fn lots(
        &self,
        layout: &Topology,
        services: &[Service],
        alone: &[Service],
    ) -> Result<Vec<Lot>, Error> {
        let mut lots = Target::lots(&self.session, layout, services, alone).await?;
        for access in lots.iter_mut().filter_map(|lot| lot.access.as_mut()).filter(|_| self.unanswered) {
            access.connections.s3.endpoint = String::from("https://127.0.0.1:1");
        }
        Ok(lots)
    }

    async fn disturb(&self, service: Service, how: Disturbance) -> Result<(), Error> {
        self.session.disturb(service, how).await
    }

    async fn inflict(
        &self,
        service: Service,
        fault: ServiceFault,
        tenant: &Tenant,
        begins: bool,
    ) -> Result<u64, Error> {
        assert!(begins || !self.crashes, "nobody undoes it");
        self.session.inflict(service, fault, tenant, begins).await
    }

    async fn release(&self, lots: Vec<Lot>) -> Result<(), Error> {
        Target::release(&self.session, lots).await
    }

    async fn management(&self, service: Service) -> Result<Option<String>, Error> {
        self.session.management(service).await
    }

    async fn names(&self, service: Service, tenant: &Tenant) -> Result<Option<Vec<String>>, Error> {
        self.session.names(service, tenant).await
    }

    async fn logs(&self, lines: usize) -> Result<Vec<LogTail>, Error> {
        self.session.logs(lines).await
    }

    async fn close(self: Box<Self>) -> Result<(), Error> {
        self.session.close().await
    }
}
