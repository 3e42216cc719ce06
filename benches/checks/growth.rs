//! Whether a check's time grows with the operations and not with their square: a history of ten times as many is to take
//! about ten times as long. The checks of what is handed over and taken under a fault; `linearizable` is measured beside
//! Porcupine, and that every other check comes through a hundred thousand is a test of theirs.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use bulkhead_model::{
    Amount, FaultRecord, Unit, Verdict,
    history::{Event, EventKind},
    scenario::Expected,
};

use crate::{
    Plan,
    elements::queue,
    table::{Table, median},
};

/// Operations of the longer history, and how many times fewer the shorter one has.
const OPERATIONS: u64 = 1_000_000;
const TIMES: u64 = 10;

/// What more than the tenfold is left to caches and allocators.
const MOST: f64 = 2.0;

/// How often each history is judged.
const TURNS: usize = 3;

/// The checks with their bounds.
fn checks() -> Vec<Expected> {
    let bounded =
        |name: &str, unit, value| Expected { name: name.to_owned(), bound: Some(Amount { unit, value }) };
    ["nothing-foreign", "nothing-lost", "in-order"]
        .map(Expected::plain)
        .into_iter()
        .chain([
            bounded("answers-within", Unit::Time, 60_000),
            bounded("available", Unit::Share, 90),
            bounded("recovers-within", Unit::Time, 60_000),
        ])
        .collect()
}

/// Measures all of them.
pub(crate) fn measure(plan: Plan, table: &mut Table) -> Result<()> {
    let long = OPERATIONS / plan.fewer as u64;
    let (short, long) = (under_a_fault(long / TIMES)?, under_a_fault(long)?);
    table.head(["ten times as many", "fewer", "all", "growth", "target"]);
    for check in checks() {
        let (fewer, all) = (time(&short, &check)?, time(&long, &check)?);
        let growth = all.as_secs_f64() / fewer.as_secs_f64().max(f64::EPSILON);
        table.growth(check.to_string(), [fewer, all], growth, MOST * 10.0);
    }
    Ok(())
}

/// A queue whose link was slow in the second quarter.
fn under_a_fault(operations: u64) -> Result<Vec<Event>> {
    let mut history = queue(operations)?;
    let (from, to) = (history.len() / 4, history.len() / 2);
    let record =
        FaultRecord { fault: 1, what: String::from("latency rabbitmq"), touched: 1, links: Vec::new() };
    for (place, kind) in [(to, EventKind::FaultEnded(record.clone())), (from, EventKind::FaultBegan(record))]
    {
        let at = history.get(place).map_or(0, |event| event.at);
        history.insert(place, Event { at, kind });
    }
    Ok(history)
}

fn time(history: &[Event], check: &Expected) -> Result<Duration> {
    let mut times = Vec::new();
    for _ in 0..TURNS {
        let start = Instant::now();
        let reports = bulkhead_checks::judge(history, std::slice::from_ref(check));
        times.push(start.elapsed());
        let report = reports.first().context("no verdict")?;
        ensure!(report.verdict != Verdict::Fail, "a sound history came to {}: {}", check, report.evidence);
    }
    Ok(median(&times))
}
