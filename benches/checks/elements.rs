//! `nothing-lost` on a queue and on a set, and how many operations a second it judges.

use std::time::Instant;

use anyhow::{Context, Error, Result, ensure};
use bulkhead_model::{
    Act, Ended, Ending, Found, Invoked, Service, TenantName, Verdict,
    history::{Event, EventKind},
    scenario::Expected,
};

use crate::{
    Plan,
    processor::spent,
    table::{Table, median},
};

/// Operations in each history.
const OPERATIONS: u64 = 1_000_000;

/// The checks are to judge so many a second.
const TARGET: f64 = 1e6;

/// How often each history is judged.
const TURNS: usize = 5;

/// Clients on either side.
const CLIENTS: u64 = 8;

/// Of so many operations one is never answered, and half of those happened all the same.
const ONE_UNKNOWN_IN: u64 = 1000;

/// Measures both.
pub(crate) fn measure(plan: Plan, table: &mut Table) -> Result<()> {
    let operations = OPERATIONS / plan.fewer as u64;
    table.head(["nothing-lost", "a second", "processor", "", "target"]);
    for (name, history) in [("queue", queue(operations)?), ("set", set(operations)?)] {
        let (mut times, before) = (Vec::new(), spent()?);
        for _ in 0..TURNS {
            let start = Instant::now();
            let reports = bulkhead_checks::judge(&history, &[Expected::plain("nothing-lost")]);
            times.push(start.elapsed());
            let report = reports.first().context("no verdict")?;
            ensure!(report.verdict == Verdict::Pass, "a sound {name} came to {}", report.evidence);
        }
        let processor = (spent()? - before) / f64::from(u32::try_from(TURNS)?);
        let all = f64::from(u32::try_from(operations)?);
        let reached = all / median(&times).as_secs_f64();
        table.rate(format!("a {name} of {operations} operations"), reached, all / processor, TARGET);
    }
    Ok(())
}

/// What is handed over is taken a little later.
pub(crate) fn queue(operations: u64) -> Result<Vec<Event>> {
    let mut book = Book::new(Service::Rabbitmq, "rabbitmq.tasks")?;
    for number in 0..operations / 2 {
        let act = |element: u64| Act::Take { element: element_of(element), again: false };
        let unknown = number % ONE_UNKNOWN_IN == 1;
        let outcome = if unknown { Ending::Unknown } else { Ending::Ok };
        book.operation(
            format!("publisher {}", number % CLIENTS),
            Act::Hand { element: element_of(number) },
            outcome,
            None,
        );
        if !unknown || number % (2 * ONE_UNKNOWN_IN) == 1 {
            book.operation(format!("consumer {}", number % CLIENTS), act(number), Ending::Ok, None);
        }
    }
    Ok(book.close())
}

/// All is read twice: when half of it was added, and in the end.
fn set(operations: u64) -> Result<Vec<Event>> {
    let mut book = Book::new(Service::S3, "s3.logs")?;
    let mut kept = Vec::new();
    for number in 0..operations {
        if number == operations / 2 || number + 1 == operations {
            let found = Some(Found::Elements(kept.clone()));
            book.operation(String::from("reader 1"), Act::ReadAll, Ending::Ok, found);
            continue;
        }
        let unknown = number % ONE_UNKNOWN_IN == 1;
        let outcome = if unknown { Ending::Unknown } else { Ending::Ok };
        let act = Act::Add { element: element_of(number) };
        book.operation(format!("writer {}", number % CLIENTS), act, outcome, None);
        if !unknown || number % (2 * ONE_UNKNOWN_IN) == 1 {
            kept.push(element_of(number));
        }
    }
    Ok(book.close())
}

fn element_of(number: u64) -> String {
    format!("engine.{number:08}")
}

/// A history that is being written.
struct Book {
    events: Vec<Event>,
    tenant: TenantName,
    service: Service,
    workload: &'static str,
    last: u64,
}

impl Book {
    fn new(service: Service, workload: &'static str) -> Result<Self> {
        let tenant = TenantName::new("engine").map_err(Error::msg)?;
        Ok(Self { events: Vec::new(), tenant, service, workload, last: 0 })
    }

    fn write(&mut self, kind: EventKind) {
        self.events.push(Event { at: self.events.len() as u64 * 1000, kind });
    }

    fn operation(&mut self, client: String, act: Act, outcome: Ending, found: Option<Found>) {
        self.last += 1;
        let (op, tenant, service) = (self.last, self.tenant.clone(), self.service);
        let workload = self.workload.to_owned();
        self.write(EventKind::Invoked(Invoked { op, client, tenant, service, workload, act, due: None }));
        self.write(EventKind::Ended(Ended { op, outcome, detail: String::new(), found }));
    }

    fn close(mut self) -> Vec<Event> {
        self.write(EventKind::CaseEnded);
        self.events
    }
}
