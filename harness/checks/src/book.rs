//! Histories as tests write them: an event a millisecond, operations that overlap or follow one another.

use std::collections::HashMap;

use bulkhead_model::{
    Act, Effect, Ended, Ending, FaultRecord, Found, Invoked, LinkTouch, OpId, Service, TenantName,
    TouchRecord,
    history::{Event, EventKind},
};

/// A history that is being written.
#[derive(Clone)]
pub(crate) struct Book {
    /// What is written.
    pub(crate) events: Vec<Event>,
    /// When the next event is, in nanoseconds.
    pub(crate) now: u64,
    /// For whom operations are.
    pub(crate) tenant: &'static str,
    workload: &'static str,
    service: Service,
    last: OpId,
}

/// When a client's only operation begins, with what it does, or is over, without; and how that comes out.
pub(crate) type Moment = (u64, usize, Option<Act>, (Ending, Option<Found>));

/// How long one event takes.
const STEP: u64 = 1_000_000;

impl Book {
    /// One whose operations are engine's and of this workload.
    pub(crate) fn of(service: Service, workload: &'static str) -> Self {
        Self { events: Vec::new(), now: 0, tenant: "engine", workload, service, last: 0 }
    }

    /// It goes on after these.
    pub(crate) fn after(mut self, events: Vec<Event>) -> Self {
        self.now = events.last().map_or(0, |event| event.at + STEP);
        (self.last, self.events) = (10_000 + events.len() as u64, events);
        self
    }

    pub(crate) fn write(&mut self, kind: EventKind) {
        self.events.push(Event { at: self.now, kind });
        self.now += STEP;
    }

    /// An operation begins.
    pub(crate) fn begin(&mut self, client: &str, act: Act) -> OpId {
        self.last += 1;
        self.write(EventKind::Invoked(Invoked {
            op: self.last,
            client: client.to_owned(),
            tenant: TenantName::new(self.tenant).unwrap(),
            service: self.service,
            workload: self.workload.to_owned(),
            act,
            due: None,
        }));
        self.last
    }

    /// An operation is over.
    pub(crate) fn end(&mut self, op: OpId, outcome: Ending, found: Option<Found>) {
        self.write(EventKind::Ended(Ended { op, outcome, detail: String::new(), found }));
    }

    /// An operation from its beginning to its end, where it has one.
    pub(crate) fn operation(&mut self, client: &str, act: Act, outcome: Option<Ending>) {
        let op = self.begin(client, act);
        if let Some(outcome) = outcome {
            self.end(op, outcome, None);
        }
    }

    /// An operation that finds something.
    pub(crate) fn finds(&mut self, client: &str, act: Act, found: Found) {
        let op = self.begin(client, act);
        self.end(op, Ending::Ok, Some(found));
    }

    /// The case consists of what happened at these moments, whatever their order here.
    pub(crate) fn tell(mut self, mut moments: Vec<Moment>) -> Vec<Event> {
        moments.sort_by_key(|(at, ..)| *at);
        let mut numbers = HashMap::new();
        for (_, client, act, (outcome, found)) in moments {
            match act {
                Some(act) => {
                    numbers.insert(client, self.begin(&format!("client {client}"), act));
                }
                None => self.end(numbers[&client], outcome, found),
            }
        }
        self.close()
    }

    /// A fault begins.
    pub(crate) fn fault(&mut self, fault: usize, what: &str) {
        self.write(EventKind::FaultBegan(record(fault, what, &[])));
    }

    /// One begins on the links of these tenants.
    pub(crate) fn fault_on(&mut self, fault: usize, what: &str, tenants: &[&str]) {
        self.write(EventKind::FaultBegan(record(
            fault,
            what,
            &tenants.iter().map(|name| (*name, 0)).collect::<Vec<_>>(),
        )));
    }

    /// It ends, and touched so much on the link of each.
    pub(crate) fn undo_on(&mut self, fault: usize, what: &str, touched: &[(&str, u64)]) {
        self.write(EventKind::FaultEnded(record(fault, what, touched)));
    }

    /// A fault did that on one connection after another, as the tape has it.
    pub(crate) fn touch(&mut self, effects: &[Effect]) {
        for (connection, effect) in (1..).zip(effects) {
            let (when, link, way) = (self.now, String::from("engine.redis"), String::from("upstream"));
            let (effect, bytes) = (effect.clone(), 0);
            self.write(EventKind::Touched(TouchRecord {
                fault: 1,
                when,
                link,
                connection,
                way,
                offset: 0,
                bytes,
                effect,
            }));
        }
    }

    /// A fault ends.
    pub(crate) fn undo(&mut self, fault: usize, what: &str) {
        self.write(EventKind::FaultEnded(FaultRecord { touched: 1, ..record(fault, what, &[]) }));
    }

    /// The case ends, and the history is whole.
    pub(crate) fn close(mut self) -> Vec<Event> {
        self.write(EventKind::CaseEnded);
        self.events
    }
}

fn record(fault: usize, what: &str, touched: &[(&str, u64)]) -> FaultRecord {
    let links = touched.iter().filter_map(|(tenant, touched)| {
        Some(LinkTouch { tenant: TenantName::new(tenant).ok()?, touched: *touched })
    });
    let all = touched.iter().map(|(_, touched)| touched).sum();
    FaultRecord { fault, what: what.to_owned(), touched: all, links: links.collect() }
}
