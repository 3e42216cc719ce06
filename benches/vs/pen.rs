//! The history of what our clients do, as `bulkhead bench` keeps it: each operation in the journal when it begins and when it
//! is over. Without one a pen writes nothing, and what it would write is not made up.

use bulkhead_engine::scribe::{self, Scribe};
use bulkhead_model::{Act, Ending, Found, OpId, Service, TenantName};

/// With which one client writes.
pub(crate) struct Pen<'a> {
    scribe: Option<&'a Scribe<'a>>,
    who: scribe::Client,
}

impl<'a> Pen<'a> {
    pub(crate) fn new(
        scribe: Option<&'a Scribe<'a>>,
        tenant: &TenantName,
        service: Service,
        number: usize,
    ) -> Self {
        let (name, tenant) = (format!("client {number}"), tenant.clone());
        Self { scribe, who: scribe::Client { name, tenant, service, workload: "bench" } }
    }

    /// An operation begins.
    pub(crate) fn begin(&self, act: impl FnOnce() -> Act) -> Option<OpId> {
        self.scribe.map(|scribe| scribe.begin(&self.who, act(), None))
    }

    /// It was acknowledged.
    pub(crate) fn end(&self, op: Option<OpId>) {
        if let Some((scribe, op)) = self.scribe.zip(op) {
            scribe.end(op, Ending::Ok, "");
        }
    }

    /// It found this.
    pub(crate) fn found(&self, op: Option<OpId>, found: impl FnOnce() -> Found) {
        if let Some((scribe, op)) = self.scribe.zip(op) {
            scribe.found(op, found());
        }
    }
}
