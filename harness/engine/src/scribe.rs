//! A case's recorder in many hands: the clients of its workloads and its faults write into one journal.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Mutex, PoisonError, atomic::AtomicU64, atomic::Ordering},
};

use bulkhead_model::{Act, Ended, Ending, Found, Invoked, OpId, Service, TenantName, history::EventKind};
use tokio::sync::watch;

use crate::recorder::Recorder;

/// Whoever works writes through it.
pub struct Scribe<'r> {
    /// Nothing in one that is mute.
    recorder: Option<Mutex<&'r mut Recorder>>,
    last: AtomicU64,
    warming: Mutex<Warming>,
    /// How many tenants' workloads have had a success.
    working: watch::Sender<usize>,
}

/// Which workloads have had no success yet.
#[derive(Default)]
struct Warming {
    open: HashMap<OpId, (TenantName, &'static str)>,
    succeeded: BTreeSet<(TenantName, &'static str)>,
}

/// Who does operations, and for what.
#[derive(Clone, Debug)]
pub struct Client {
    /// `publisher 1`.
    pub name: String,
    /// For whom.
    pub tenant: TenantName,
    /// Where.
    pub service: Service,
    /// The use: `rabbitmq.tasks`.
    pub workload: &'static str,
}

impl<'r> Scribe<'r> {
    /// Writes into this journal.
    pub fn new(recorder: &'r mut Recorder) -> Self {
        Self { recorder: Some(Mutex::new(recorder)), ..Self::mute() }
    }

    /// Counts operations and writes nothing: what a workload does without a journal is measured with it. It has no clock
    /// and no workload's success.
    pub fn mute() -> Self {
        let (warming, working) = (Mutex::default(), watch::Sender::new(0));
        Self { recorder: None, last: AtomicU64::new(0), warming, working }
    }

    /// How many operations have begun.
    pub fn begun(&self) -> u64 {
        self.last.load(Ordering::Relaxed)
    }

    /// Writes that an operation begins, and gives it its number. `due` is when it should have, where a rate says so.
    pub fn begin(&self, client: &Client, act: Act, due: Option<u64>) -> OpId {
        let op = self.last.fetch_add(1, Ordering::Relaxed) + 1;
        if self.recorder.is_none() {
            return op;
        }
        let Client { name, tenant, service, workload } = client.clone();
        let mut warming = self.warming.lock().unwrap_or_else(PoisonError::into_inner);
        if !warming.succeeded.iter().any(|(whose, known)| *whose == tenant && *known == workload) {
            warming.open.insert(op, (tenant.clone(), workload));
        }
        drop(warming);
        self.record(EventKind::Invoked(Invoked {
            op,
            client: name,
            tenant,
            service,
            workload: workload.to_owned(),
            act,
            due,
        }));
        op
    }

    /// Writes that it is over.
    pub fn end(&self, op: OpId, outcome: Ending, detail: impl Into<String>) {
        if self.recorder.is_none() {
            return;
        }
        self.is_over(op, outcome);
        self.record(EventKind::Ended(Ended { op, outcome, detail: detail.into(), found: None }));
    }

    /// Writes that it is over and found this.
    pub fn found(&self, op: OpId, found: Found) {
        if self.recorder.is_none() {
            return;
        }
        let (outcome, detail) = (Ending::Ok, String::new());
        self.is_over(op, outcome);
        self.record(EventKind::Ended(Ended { op, outcome, detail, found: Some(found) }));
    }

    /// Returns when so many workloads have had a success, each tenant's counted by itself.
    pub async fn works(&self, workloads: usize) {
        // The sender is this scribe's own, so it cannot be gone.
        let mut working = self.working.subscribe();
        let _gone = working.wait_for(|working| *working >= workloads).await;
    }

    /// Looks for the first success of each workload anew, among operations that begin from now on.
    pub fn begin_anew(&self) {
        let mut warming = self.warming.lock().unwrap_or_else(PoisonError::into_inner);
        *warming = Warming::default();
        self.working.send_replace(0);
    }

    fn is_over(&self, op: OpId, outcome: Ending) {
        let mut warming = self.warming.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(workload) = warming.open.remove(&op)
            && outcome == Ending::Ok
            && warming.succeeded.insert(workload)
        {
            self.working.send_replace(warming.succeeded.len());
        }
    }

    /// Writes anything else.
    pub fn record(&self, kind: EventKind) {
        if let Some(recorder) = &self.recorder {
            recorder.lock().unwrap_or_else(PoisonError::into_inner).record(kind);
        }
    }

    /// Since the run began, in nanoseconds; 0 in one that is mute.
    pub fn now(&self) -> u64 {
        let recorder = self.recorder.as_ref();
        recorder.map_or(0, |recorder| recorder.lock().unwrap_or_else(PoisonError::into_inner).now())
    }
}
