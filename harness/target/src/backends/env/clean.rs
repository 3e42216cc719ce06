//! Finishes what killed runs left, from the records that their schemas are.

use std::collections::BTreeSet;

use bulkhead_model::Service;

use super::{Leavings, RunId, Seat, ledger::Ledger, remove, space::Space};
use crate::Error;

/// What became of the runs that had left something.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cleaned {
    /// Runs of which nothing is left, with the number of their cases that had names.
    pub removed: Vec<(RunId, usize)>,
    /// Runs that still last, and were left alone.
    pub lasting: Vec<RunId>,
}

/// Removes the names of every run that is over: of one alone where `only` says so.
///
/// # Errors
/// What could not be removed, or a service that does not answer.
pub async fn clean(seats: &[Seat], leavings: Leavings, only: Option<&RunId>) -> Result<Cleaned, Error> {
    let accesses = seats.iter().filter_map(|seat| seat.access.as_ref());
    let ledgers: Vec<_> = accesses.map(|access| Ledger::new(access.clone(), None)).collect();
    let mut spaces = BTreeSet::new();
    for ledger in &ledgers {
        spaces.extend(ledger.entries().await?);
    }
    let runs: BTreeSet<_> = spaces.iter().map(|space| space.run.clone()).collect();
    let mut cleaned = Cleaned::default();
    for run in runs.into_iter().filter(|run| only.is_none_or(|only| only == run)) {
        let cases: Vec<&Space> = spaces.iter().filter(|space| space.run == run).collect();
        if !is_over(&ledgers, &run).await? {
            cleaned.lasting.push(run);
            continue;
        }
        for space in &cases {
            remove(space, seats, &ledgers, &Service::ALL, &leavings).await?;
        }
        cleaned.removed.push((run, cases.len()));
    }
    for ledger in &ledgers {
        ledger.close().await;
    }
    Ok(cleaned)
}

/// A run holds its lock in every tenant's database; it is over when all of them are free.
async fn is_over(ledgers: &[Ledger], run: &RunId) -> Result<bool, Error> {
    for ledger in ledgers {
        if !ledger.take_over(run).await? {
            return Ok(false);
        }
    }
    Ok(true)
}
