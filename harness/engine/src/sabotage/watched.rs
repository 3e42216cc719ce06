//! A target that lets somebody meddle: whoever does gets the tenant's own access as soon as the case has its slices, and
//! must end before they are taken back.

use std::{
    fmt,
    sync::{Mutex, PoisonError},
};

use async_trait::async_trait;
use bulkhead_model::{
    Service, Tenant, Topology,
    report::{LogTail, ServerReport},
};
use bulkhead_target::{Cause, Disturbance, Error, Lot, ServiceFault, Target, TenantAccess};
use tokio::task::JoinHandle;

use super::Meddling;

/// Begins to meddle, and says otherwise of the access than it is where that is the sabotage.
type Begin<'a> = &'a (dyn Fn(&mut TenantAccess) -> Result<Meddling, Cause> + Send + Sync);

/// The target of one case that is sabotaged.
pub struct Watched<'a> {
    target: &'a dyn Target,
    begin: Begin<'a>,
    /// Whether somebody undoes every service fault as soon as it has begun.
    undoes: bool,
    meddling: Mutex<Option<JoinHandle<Result<(), Cause>>>>,
    broke: Mutex<Option<Error>>,
}

/// What a sabotage is called in an error.
struct Broken(Cause);

impl<'a> Watched<'a> {
    /// The same target, with that going on whenever a case has its slices.
    pub fn new(target: &'a dyn Target, begin: Begin<'a>) -> Self {
        Self { target, begin, undoes: false, meddling: Mutex::default(), broke: Mutex::default() }
    }

    /// The same with somebody who undoes every service fault as soon as it has begun, if so.
    #[must_use]
    pub fn undoing(mut self, undoes: bool) -> Self {
        self.undoes = undoes;
        self
    }

    /// Why the sabotage could not go on, if so.
    pub fn broke(&self) -> Option<Error> {
        self.broke.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn note(&self, why: Cause) {
        let error = Error::Reported(Broken(why).to_string());
        self.broke.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
    }

    fn meddling(&self) -> Option<JoinHandle<Result<(), Cause>>> {
        self.meddling.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the sabotage itself broke: {}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

impl Drop for Watched<'_> {
    fn drop(&mut self) {
        if let Some(meddling) = self.meddling() {
            meddling.abort();
        }
    }
}

#[async_trait]
impl Target for Watched<'_> {
    fn servers(&self) -> &[ServerReport] {
        self.target.servers()
    }

    fn is_ours(&self) -> bool {
        self.target.is_ours()
    }

    async fn lots(
        &self,
        layout: &Topology,
        services: &[Service],
        alone: &[Service],
    ) -> Result<Vec<Lot>, Error> {
        let mut lots = self.target.lots(layout, services, alone).await?;
        if let Some(Lot { granted, access: Some(access), .. }) = lots.first_mut() {
            let begun = (self.begin)(access);
            granted.clone_from(&access.tenant.slices);
            match begun {
                Ok(meddling) => {
                    let meddling = tokio::spawn(meddling);
                    self.meddling.lock().unwrap_or_else(PoisonError::into_inner).replace(meddling);
                }
                Err(why) => self.note(why),
            }
        }
        Ok(lots)
    }

    async fn inflict(
        &self,
        service: Service,
        fault: ServiceFault,
        tenant: &Tenant,
        begins: bool,
    ) -> Result<u64, Error> {
        let touched = self.target.inflict(service, fault, tenant, begins).await?;
        if begins && self.undoes {
            self.target.inflict(service, fault, tenant, false).await?;
        }
        Ok(touched)
    }

    async fn disturb(&self, service: Service, how: Disturbance) -> Result<(), Error> {
        self.target.disturb(service, how).await
    }

    async fn release(&self, mut lots: Vec<Lot>) -> Result<(), Error> {
        if let Some(meddling) = self.meddling() {
            meddling.abort();
            match meddling.await {
                Ok(Ok(())) => {}
                Ok(Err(why)) => self.note(why),
                Err(ended) if ended.is_cancelled() => {}
                Err(crashed) => self.note(crashed.into()),
            }
        }
        for Lot { tenant, access, .. } in &mut lots {
            if let Some(access) = access {
                access.tenant = tenant.clone();
            }
        }
        self.target.release(lots).await
    }

    async fn names(&self, service: Service, tenant: &Tenant) -> Result<Option<Vec<String>>, Error> {
        self.target.names(service, tenant).await
    }

    async fn management(&self, service: Service) -> Result<Option<String>, Error> {
        self.target.management(service).await
    }

    async fn logs(&self, lines: usize) -> Result<Vec<LogTail>, Error> {
        self.target.logs(lines).await
    }

    /// The target is somebody else's, who lets go of it.
    async fn close(self: Box<Self>) -> Result<(), Error> {
        Ok(())
    }
}
