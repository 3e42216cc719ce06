//! The four servers of one keeper: started together, carved up together, stopped together.

use std::{
    future::Future,
    sync::{
        Arc, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicI32, Ordering},
    },
    time::Duration,
};

use bulkhead_model::{
    Enforcement, Service, Tenant,
    report::{LogTail, ServerReport},
};
use futures::{StreamExt, future::join_all, stream::FuturesUnordered};
use nix::unistd::Pid;
use tokio::sync::Mutex;

use crate::{
    Authority, Error, ServiceFault, TargetSpec, TenantAccess,
    deadlines::SERVERS_STOP,
    services::{self, Access, Place, Running, assemble},
};

use super::{folder::RunFolder, wire::Disturbance};

/// Lines of a server's log that go with its being given up.
const LOG_LINES: usize = 20;

/// All four, serving.
pub(super) struct Servers {
    slots: Vec<Slot>,
    ca: std::path::PathBuf,
}

struct Slot {
    service: Service,
    report: ServerReport,
    running: Mutex<Box<dyn Running>>,
    /// Its first process, for who asks while the server is worked with.
    pid: AtomicI32,
    /// How long it may take to make or to remove slices.
    patience: Duration,
    /// Why it is of no use any more, once it is.
    dead: OnceLock<String>,
    /// Whether it was ended on purpose and is to be started again.
    halted: AtomicBool,
    /// The service faults that are not undone yet, each with its tenant.
    inflicted: std::sync::Mutex<Vec<(ServiceFault, Tenant)>>,
}

/// A step of the start, told as it happens.
pub(super) enum Step {
    /// A server is being started.
    Starting(Service),
    /// A server serves.
    Ready(ServerReport),
    /// A remark about it.
    Note(String),
}

impl Servers {
    /// Starts all four at once. Must run on the main thread: the children die with the thread that started them.
    ///
    /// # Errors
    /// The first server that fails, after those that run were stopped. Those still starting are dropped; what they
    /// leave is the janitor's.
    pub(super) async fn start(
        spec: &TargetSpec,
        run: &str,
        folder: &RunFolder,
        tell: impl Fn(Step),
    ) -> Result<Self, Error> {
        let authority = Arc::new(Authority::new()?);
        let ca = folder.path.join("ca.pem");
        std::fs::write(&ca, authority.pem()).map_err(Error::disk("write", &ca))?;
        let mut starting = FuturesUnordered::new();
        for stand_in in services::ALL {
            let service = stand_in.service();
            let place = Place {
                run: run.to_owned(),
                dir: folder.sub(service.name())?,
                authority: Arc::clone(&authority),
                ca: ca.clone(),
                deadline: spec.start_deadline,
                port: spec.ports.iter().find(|(other, _)| *other == service).map(|(_, port)| *port),
                first: spec.first.as_ref().map(|first| first.on(service)),
            };
            tell(Step::Starting(service));
            starting.push(async move { (service, start_one(stand_in, spec, &place).await) });
        }
        let mut slots = Vec::new();
        while let Some((service, started)) = starting.next().await {
            match started {
                Ok(running) => {
                    let report = running.report();
                    tell(Step::Ready(report.clone()));
                    running.notes().into_iter().for_each(|note| tell(Step::Note(note)));
                    let pid = AtomicI32::new(running.pid().map_or(0, Pid::as_raw));
                    let (running, dead, halted) =
                        (Mutex::new(running), OnceLock::new(), AtomicBool::new(false));
                    slots.push(Slot {
                        service,
                        report,
                        running,
                        pid,
                        patience: spec.slice_deadline,
                        dead,
                        halted,
                        inflicted: std::sync::Mutex::default(),
                    });
                }
                Err(error) => {
                    drop(starting);
                    Self { slots, ca }.stop().await;
                    return Err(error);
                }
            }
        }
        slots.sort_by_key(|slot| slot.service);
        Ok(Self { slots, ca })
    }

    /// What answers.
    pub(super) fn reports(&self) -> Vec<ServerReport> {
        self.slots.iter().map(|slot| slot.report.clone()).collect()
    }

    /// The first process of each.
    pub(super) fn processes(&self) -> Vec<(Service, i32)> {
        self.slots.iter().map(|slot| (slot.service, slot.pid.load(Ordering::Relaxed))).collect()
    }

    /// Looks which servers have ended by themselves. Called when the system says that a child has.
    pub(super) async fn look(&self) {
        join_all(self.slots.iter().map(Slot::look)).await;
    }

    /// The servers that are of no use any more, each as its error.
    pub(super) fn dead(&self) -> Vec<String> {
        self.slots.iter().filter_map(|slot| slot.dead.get().cloned()).collect()
    }

    /// Makes the slices on these services at once, all or none; on the others a tenant gets nowhere.
    ///
    /// # Errors
    /// What was refused, as text; the end of its log when the server is gone.
    pub(super) async fn provision(
        &self,
        tenants: &[Tenant],
        services: &[Service],
        enforcement: [Enforcement; 4],
    ) -> Result<Vec<TenantAccess>, String> {
        let wanted =
            || self.slots.iter().zip(enforcement).filter(|(slot, _)| services.contains(&slot.service));
        let made = join_all(wanted().map(|(slot, enforcement)| slot.provision(tenants, enforcement))).await;
        let (mut access, mut errors, mut done) = (Vec::new(), Vec::new(), Vec::new());
        for ((slot, _), made) in wanted().zip(made) {
            match made {
                Ok(made) => {
                    access.push((slot.service, made));
                    done.push(slot.service);
                }
                Err(error) => errors.push(error),
            }
        }
        let assembled =
            if errors.is_empty() { assemble(tenants, access, &self.ca) } else { Err(errors.join("\n")) };
        if assembled.is_err() {
            let _the_first_error_is_told = self.remove(tenants, &done).await;
        }
        assembled
    }

    /// Removes slices from these services at once.
    ///
    /// # Errors
    /// What could not be removed, as text.
    pub(super) async fn remove(&self, tenants: &[Tenant], services: &[Service]) -> Result<(), String> {
        let concerned = self.slots.iter().filter(|slot| services.contains(&slot.service));
        let removed = join_all(concerned.map(|slot| slot.remove(tenants))).await;
        let errors: Vec<_> = removed.into_iter().filter_map(Result::err).collect();
        if errors.is_empty() { Ok(()) } else { Err(errors.join("\n")) }
    }

    /// Does something to a whole server.
    ///
    /// # Errors
    /// What could not be done, as text.
    pub(super) async fn disturb(&self, service: Service, how: Disturbance) -> Result<(), String> {
        let slot = self.slots.iter().find(|slot| slot.service == service);
        let slot = slot.ok_or_else(|| format!("{service}: no such server runs"))?;
        slot.disturb(how).await.map_err(|error| error.chain())
    }

    /// Begins or undoes a service fault.
    ///
    /// # Errors
    /// What could not be done, as text.
    pub(super) async fn inflict(
        &self,
        service: Service,
        fault: ServiceFault,
        tenant: &Tenant,
        begins: bool,
    ) -> Result<u64, String> {
        let slot = self.slots.iter().find(|slot| slot.service == service);
        let slot = slot.ok_or_else(|| format!("{service}: no such server runs"))?;
        slot.inflict(fault, tenant, begins).await
    }

    /// The address of a server's management API, started when it does not run yet; none for a server without one.
    ///
    /// # Errors
    /// Why it does not start, as text.
    pub(super) async fn management(&self, service: Service) -> Result<Option<String>, String> {
        let Some(slot) = self.slots.iter().find(|slot| slot.service == service) else { return Ok(None) };
        slot.check()?;
        let mut running = slot.running.lock().await;
        let started = tokio::time::timeout(slot.patience, running.management()).await;
        drop(running);
        let late = |_| format!("{service}: the management API did not start within {:?}", slot.patience);
        slot.explain(started.map_err(late)?).await
    }

    /// The names of all that lies where a slice does, on a server that tells them to its administrator alone.
    ///
    /// # Errors
    /// Why they could not be had, as text.
    pub(super) async fn names(
        &self,
        service: Service,
        tenant: &Tenant,
    ) -> Result<Option<Vec<String>>, String> {
        let Some(slot) = self.slots.iter().find(|slot| slot.service == service) else { return Ok(None) };
        slot.check()?;
        let mut running = slot.running.lock().await;
        if slot.halted.load(Ordering::Relaxed) {
            return Err(format!("{service}: could not list names: it does not run"));
        }
        let told = tokio::time::timeout(slot.patience, running.names(tenant)).await;
        drop(running);
        let late = |_| format!("{service}: could not list names within {:?}", slot.patience);
        slot.explain(told.map_err(late)?).await
    }

    /// The ends of the logs.
    pub(super) async fn logs(&self, lines: usize) -> Vec<LogTail> {
        let tails = self.slots.iter().map(|slot| async move {
            LogTail { service: slot.service, lines: slot.running.lock().await.log_tail(lines) }
        });
        join_all(tails).await
    }

    /// Stops all four at once. Those that do not stop in time are left to the janitor.
    pub(super) async fn stop(&self) {
        let stopping = self.slots.iter().map(|slot| {
            let stop = async { slot.running.lock().await.stop().await };
            tokio::time::timeout(SERVERS_STOP, stop)
        });
        let _late_ones_are_the_janitors = join_all(stopping).await;
    }
}

async fn start_one(
    stand_in: &dyn services::StandIn,
    spec: &TargetSpec,
    place: &Place,
) -> Result<Box<dyn Running>, Error> {
    let service = stand_in.service();
    // A stand-in keeps the deadline itself and gives its log with the error; this is for one that does not.
    let generous = place.deadline.saturating_mul(2).saturating_add(Duration::from_secs(10));
    let late = |_| Error::NotReady {
        service,
        waited: generous,
        last: String::from("the stand-in itself did not keep its deadline"),
        log: Vec::new(),
    };
    tokio::time::timeout(generous, stand_in.start(spec, place)).await.map_err(late)?
}

impl Slot {
    async fn look(&self) {
        if self.dead.get().is_some() {
            return;
        }
        let mut running = self.running.lock().await;
        if !self.halted.load(Ordering::Relaxed)
            && let Some(error) = running.exited()
        {
            let _first = self.dead.set(error.chain());
        }
    }

    async fn disturb(&self, how: Disturbance) -> Result<(), Error> {
        self.check().map_err(Error::Reported)?;
        let mut running = self.running.lock().await;
        let halted = self.halted.load(Ordering::Relaxed);
        match how {
            Disturbance::Mend if halted => {
                let started = running.start_again().await;
                self.pid.store(running.pid().map_or(0, Pid::as_raw), Ordering::Relaxed);
                match &started {
                    Ok(()) => self.halted.store(false, Ordering::Relaxed),
                    // Nobody could mend it later either.
                    Err(error) => drop(self.dead.set(error.chain())),
                }
                started
            }
            Disturbance::Mend => running.pause(false).await,
            _ if halted => Err(Error::serve(self.service, "disturb the server")("it does not run")),
            Disturbance::Pause => running.pause(true).await,
            Disturbance::Kill | Disturbance::Stop => {
                self.halted.store(true, Ordering::Relaxed);
                running.halt(how == Disturbance::Stop).await
            }
        }
    }

    /// Begins a service fault or undoes it. It is in the books before it begins, and leaves them once it is undone.
    async fn inflict(&self, fault: ServiceFault, tenant: &Tenant, begins: bool) -> Result<u64, String> {
        self.check()?;
        let mut running = self.running.lock().await;
        if self.halted.load(Ordering::Relaxed) {
            return Err(format!("{}: could not begin or undo {fault:?}: it does not run", self.service));
        }
        if begins {
            self.books().push((fault, tenant.clone()));
        }
        let done = self.bounded(running.inflict(fault, tenant, begins)).await;
        let undone = match &done {
            Ok(_) => !begins,
            // What broke off may have begun all the same.
            Err(_) => begins && self.bounded(running.inflict(fault, tenant, false)).await.is_ok(),
        };
        drop(running);
        if undone {
            self.books().retain(|(known, of)| (known, of) != (&fault, tenant));
        }
        self.explain(done).await
    }

    /// Undoes the service faults of these tenants that nobody undid. A server on which that fails is of no use any more:
    /// whoever came next would meet them.
    async fn relieve(&self, tenants: &[Tenant]) -> Result<(), String> {
        let left: Vec<_> = self.books().iter().filter(|(_, of)| tenants.contains(of)).cloned().collect();
        for (fault, tenant) in left {
            if let Err(error) = self.inflict(fault, &tenant, false).await {
                return Err(self.dead.get_or_init(|| error).clone());
            }
        }
        Ok(())
    }

    fn books(&self) -> MutexGuard<'_, Vec<(ServiceFault, Tenant)>> {
        self.inflicted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn bounded<T>(&self, doing: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let late = Error::serve(self.service, "begin or undo a service fault");
        tokio::time::timeout(self.patience, doing).await.unwrap_or_else(|elapsed| Err(late(elapsed)))
    }

    async fn provision(&self, tenants: &[Tenant], enforcement: Enforcement) -> Result<Vec<Access>, String> {
        let mut running = self.running.lock().await;
        self.check()?;
        let made = tokio::time::timeout(self.patience, running.provision(tenants, enforcement)).await;
        let made = made.map_err(|_| self.give_up("make", running.log_tail(LOG_LINES)))?;
        drop(running);
        self.explain(made).await
    }

    async fn remove(&self, tenants: &[Tenant]) -> Result<(), String> {
        self.relieve(tenants).await?;
        let mut running = self.running.lock().await;
        self.check()?;
        let removed = tokio::time::timeout(self.patience, running.remove(tenants)).await;
        let removed = removed.map_err(|_| self.give_up("remove", running.log_tail(LOG_LINES)))?;
        drop(running);
        self.explain(removed).await
    }

    fn check(&self) -> Result<(), String> {
        self.dead.get().map_or(Ok(()), |error| Err(error.clone()))
    }

    /// Marks the server as of no use: what it was asked for was broken off midway, so what there is of it cannot be
    /// known, and whatever was asked to undo it would meet the same silence. It goes with the server, of which nobody
    /// gets anything any more.
    fn give_up(&self, doing: &str, log: Vec<String>) -> String {
        let mut error = format!(
            "{}: could not {doing} slices within {:?}, and what there is of them is unknown: this set of servers is \
             not used any more; the next start brings up a fresh one",
            self.service, self.patience
        );
        for line in log {
            error.push_str("\n  ");
            error.push_str(&line);
        }
        self.dead.get_or_init(|| error).clone()
    }

    /// The error in words: that the server is gone, when it is, or else its own.
    async fn explain<T>(&self, result: Result<T, Error>) -> Result<T, String> {
        let error = match result {
            Ok(value) => return Ok(value),
            Err(error) => error.chain(),
        };
        self.look().await;
        self.check()?;
        Err(error)
    }
}
