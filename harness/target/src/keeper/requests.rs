//! What a harness can ask of the keeper, and how each is done. Whatever takes time runs as a task of its own and reports
//! back as an event.

use std::{future::Future, sync::Arc, time::Duration};

use bulkhead_model::Service;
use tokio::time::Instant;

use super::{
    connection::Role,
    kind::Kind,
    leases::{HoldingId, LeaseId, Way, conflict},
    serve::{Asked, Event, Keeper, Phase},
    servers::Servers,
    wire::{
        Answer, Disturbance, Infliction, Request, StatusParts, ToHarness, Wanted, WireAccess, WireTenant,
    },
};

/// How long a process may take to detach slices that it was given, which is its next step. Others wait for it, and a
/// process that was stopped never comes to it.
const DETACHED: Duration = Duration::from_secs(10);

/// Why nobody waits for a server that somebody develops on.
fn occupied(holder: LeaseId) -> String {
    format!(
        "keeper: lease {holder} holds slices under a topology's own names (`bulkhead up`) on a server that this case breaks; \
         stop it with `bulkhead down`, or run elsewhere with a set of another name"
    )
}

impl Keeper {
    pub(super) fn request(&mut self, asked: Asked, what: Request) {
        match what {
            Request::Provision(wanted) => self.provision(asked, wanted),
            Request::Release(tenants) => self.release(asked, &tenants),
            Request::Logs(lines) => {
                if let Some(servers) = self.serving(asked) {
                    self.answer_later(asked, async move { Answer::Logs(servers.logs(lines).await) });
                }
            }
            Request::Processes => {
                if let Some(servers) = self.serving(asked) {
                    self.answer(asked, Ok(Answer::Processes(servers.processes())));
                }
            }
            Request::Management(service) => {
                if let Some(servers) = self.serving(asked) {
                    self.answer_later(
                        asked,
                        async move { Answer::Management(servers.management(service).await) },
                    );
                }
            }
            Request::Names(service, tenant) => self.names(asked, service, tenant),
            Request::Disturb(service, how) => self.disturb(asked, service, how),
            Request::Inflict(infliction) => self.inflict(asked, infliction),
            Request::Leave => self.leave(asked),
            Request::Detach => {
                self.leases.detach(asked.0);
                self.answer(asked, Ok(Answer::Done));
                self.settle();
            }
            Request::Status => {
                let status = self.status();
                self.answer(asked, Ok(Answer::Status(Box::new(status))));
            }
            Request::Stop => {
                self.waiting.push(asked);
                self.commanded = true;
            }
        }
    }

    /// The servers; when they do not serve yet, whoever asked is told so.
    pub(super) fn serving(&self, asked: Asked) -> Option<Arc<Servers>> {
        match &self.phase {
            Phase::Serving(servers) => Some(Arc::clone(servers)),
            Phase::Starting(_) | Phase::Failed(_) => {
                self.answer(asked, Err(String::from("keeper: the servers do not serve yet")));
                None
            }
        }
    }

    pub(super) fn provision(&mut self, asked: Asked, wanted: Wanted) {
        let Some(servers) = self.serving(asked) else { return };
        if !self.leases.lives(asked.0) {
            return self.answer(asked, Err(String::from("keeper: slices need a lease")));
        }
        if wanted.exact && self.leases.unsettled(asked.0) {
            return match self.leases.overdue(asked.0) {
                Some(holder) => self.answer(asked, Err(self.stuck(holder))),
                None => self.deferred.push((asked, wanted)),
            };
        }
        // Whoever came earlier and waits goes first, or one that wants a server alone might wait for ever.
        let behind = self.deferred.iter().any(|(_, earlier)| conflict(earlier, &wanted));
        match self.leases.in_the_way(&wanted) {
            Way::Closed(holder) => return self.answer(asked, Err(occupied(holder))),
            Way::Wait => return self.deferred.push((asked, wanted)),
            Way::Free if behind => return self.deferred.push((asked, wanted)),
            Way::Free => {}
        }
        let holding = match self.leases.reserve(asked.0, &wanted) {
            Ok(holding) => holding,
            Err(taken) => return self.answer(asked, Err(taken)),
        };
        let events = self.events.clone();
        self.tasks.spawn(async move {
            let tenants: Vec<_> = wanted.tenants.into_iter().map(|tenant| tenant.0).collect();
            let made = servers.provision(&tenants, &wanted.services, wanted.enforcement).await;
            let made = made.map(|access| access.into_iter().map(WireAccess).collect());
            let _stopping = events.send(Event::Made(asked, holding, made));
        });
    }

    /// Why nobody waits any longer for slices that this lease was given.
    fn stuck(&self, holder: LeaseId) -> String {
        let pid = self.connections.get(&holder).and_then(|connection| connection.pid);
        let (who, resume) = match pid {
            Some(pid) => (format!("process {pid}"), format!("let it go on with `kill -CONT {pid}`")),
            None => (format!("the process of lease {holder}"), String::from("let it go on")),
        };
        format!(
            "keeper: could not make slices: {who} was given them under these names and has not finished its \
             `bulkhead up --detach` within {DETACHED:?}; if it is stopped, {resume}, or stop all with `bulkhead down`"
        )
    }

    /// Gives a lease its time to be detached, when others may be waiting for that.
    fn expect_detaching(&mut self, holding: HoldingId) {
        if self.leases.awaits_detaching(holding) {
            let events = self.events.clone();
            self.tasks.spawn(async move {
                tokio::time::sleep(DETACHED).await;
                let _stopping = events.send(Event::Overdue(holding));
            });
        }
    }

    /// Goes on with those who waited for how another lease's exact slices come out; they wait again where it is open
    /// still.
    pub(super) fn settle(&mut self) {
        for (asked, wanted) in std::mem::take(&mut self.deferred) {
            self.provision(asked, wanted);
        }
    }

    pub(super) fn made(&mut self, asked: Asked, holding: HoldingId, result: Result<Vec<WireAccess>, String>) {
        match result {
            Ok(access) => {
                if self.leases.made(holding, access.clone()) {
                    self.answer(asked, Ok(Answer::Slices(access)));
                    self.expect_detaching(holding);
                } else {
                    self.remove(None, holding);
                }
            }
            Err(error) => {
                self.leases.gone(holding);
                self.answer(asked, Err(error));
            }
        }
        self.settle();
    }

    /// Does something to a server that slices of this lease have alone.
    fn disturb(&mut self, asked: Asked, service: Service, how: Disturbance) {
        let Some(servers) = self.serving(asked) else { return };
        if !self.leases.is_alone(asked.0, service) {
            let why = format!("keeper: {service} is not this lease's alone, so nothing may be done to it");
            return self.answer(asked, Ok(Answer::Disturbed(Err(why))));
        }
        self.answer_later(asked, async move { Answer::Disturbed(servers.disturb(service, how).await) });
    }

    /// Lists what lies where a slice of this lease does.
    fn names(&mut self, asked: Asked, service: Service, tenant: WireTenant) {
        let Some(servers) = self.serving(asked) else { return };
        if let Some(why) = self.not_held(asked, service, &tenant) {
            return self.answer(asked, Ok(Answer::Names(Err(why))));
        }
        self.answer_later(asked, async move { Answer::Names(servers.names(service, &tenant.0).await) });
    }

    /// Begins or undoes a service fault for a tenant of this lease; one that meets everybody only where the lease is alone.
    fn inflict(&mut self, asked: Asked, infliction: Infliction) {
        let Some(servers) = self.serving(asked) else { return };
        let Infliction { service, fault, tenant, begins } = infliction;
        let refused = if !fault.services().contains(&service) {
            Some(format!("keeper: there is no {fault:?} of {service}"))
        } else if let Some(why) = self.not_held(asked, service, &tenant) {
            Some(why)
        } else if fault.needs_alone(service) && !self.leases.is_alone(asked.0, service) {
            Some(format!("keeper: {service} is not this lease's alone, and {fault:?} meets everybody there"))
        } else {
            None
        };
        if let Some(why) = refused {
            return self.answer(asked, Ok(Answer::Inflicted(Err(why))));
        }
        self.answer_later(asked, async move {
            Answer::Inflicted(servers.inflict(service, fault, &tenant.0, begins).await)
        });
    }

    /// Why nothing may be asked about a tenant's slice; none where it is this lease's.
    fn not_held(&self, asked: Asked, service: Service, tenant: &WireTenant) -> Option<String> {
        let why = || format!("keeper: this lease has no slice of {service} for tenant `{}`", tenant.0.name);
        (!self.leases.holds(asked.0, tenant, service)).then(why)
    }

    /// Answers once that is done; others are served meanwhile.
    fn answer_later(&mut self, asked: Asked, doing: impl Future<Output = Answer> + Send + 'static) {
        let events = self.events.clone();
        self.tasks.spawn(async move {
            let answer = doing.await;
            let _stopping = events.send(Event::Answered(asked, answer));
        });
    }

    pub(super) fn release(&mut self, asked: Asked, tenants: &[WireTenant]) {
        match self.leases.find(asked.0, tenants) {
            Some(holding) => self.remove(Some(asked), holding),
            None => {
                let why = "keeper: this lease has no such slices: release what one request made, as a whole";
                self.answer(asked, Err(String::from(why)));
            }
        }
    }

    pub(super) fn remove(&mut self, asked: Option<Asked>, holding: HoldingId) {
        let Phase::Serving(servers) = &self.phase else { return };
        let Some((tenants, services)) = self.leases.going(holding) else { return };
        let (servers, events, alone) = (Arc::clone(servers), self.events.clone(), self.leases.alone(holding));
        self.tasks.spawn(async move {
            // Whatever the lease's process asked for and did not live to undo.
            for service in alone {
                let _the_removal_will_tell = servers.disturb(service, Disturbance::Mend).await;
            }
            let removed = servers.remove(&tenants, &services).await;
            let _stopping = events.send(Event::Removed(asked, holding, removed));
        });
    }

    pub(super) fn leave(&mut self, asked: Asked) {
        if let Some(connection) = self.connections.get_mut(&asked.0) {
            connection.role = Role::Control;
        }
        self.end_lease(asked.0);
        self.note_idleness();
        if self.stop_at.is_some_and(|at| at <= Instant::now()) {
            self.waiting.push(asked);
        } else {
            self.answer(asked, Ok(Answer::Done));
        }
    }

    pub(super) fn end_lease(&mut self, id: LeaseId) {
        for holding in self.leases.end(id) {
            self.remove(None, holding);
        }
        // It may have waited for a server that others wait for behind it.
        self.settle();
    }

    pub(super) fn status(&self) -> StatusParts {
        let (servers, dead) = match &self.phase {
            Phase::Serving(servers) => (servers.reports(), servers.dead()),
            Phase::Starting(_) | Phase::Failed(_) => (Vec::new(), Vec::new()),
        };
        let (enforcement, holder) = self.leases.exact_terms().unzip();
        StatusParts {
            run: self.run.clone(),
            dir: self.folder.path.clone(),
            pid: std::process::id(),
            servers,
            leases: self.leases.count(),
            exact: self.leases.exact(),
            dead,
            kind: Some(Kind::of(&self.spec)),
            enforcement,
            holder: holder.flatten().and_then(|lease| self.connections.get(&lease)?.pid),
        }
    }

    pub(super) fn answer(&self, Asked(id, number): Asked, result: Result<Answer, String>) {
        if let Some(connection) = self.connections.get(&id) {
            connection.send(ToHarness::Answer { number, result });
        }
    }
}
