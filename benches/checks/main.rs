//! How fast the checks are and what the journal costs: `cargo bench --bench checks`, or with `-- --quick` for fewer and
//! shorter histories.
//!
//! `linearizable` judges histories beside Porcupine, which Go builds of `porcupine/`: turn by turn, both asked for a
//! verdict on what they have read before, and both must come to the same. Sound histories and broken ones are told
//! apart, since a broken one is explained here and only refused there. `nothing-lost` is to judge a million operations
//! a second, and every check's time to grow no faster than
//! the history. A workload with its journal is held against the same without. It prints a table and never fails on a time:
//! targets are for readers. It fails where two verdicts differ.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the table is the result")]

use std::{env, process::ExitCode};

use anyhow::{Context as _, Result};

mod elements;
mod growth;
mod histories;
mod jepsen;
mod journal;
mod peer;
mod processor;
mod registers;
mod table;

/// How much is measured.
#[derive(Clone, Copy)]
struct Plan {
    /// How many times fewer histories, turns and operations than in full.
    fewer: usize,
}

fn main() -> ExitCode {
    // Cargo passes `--bench`; a filter or anything else that a runner may pass changes nothing.
    let quick = env::args().any(|argument| argument == "--quick");
    match measure(Plan { fewer: if quick { 5 } else { 1 } }) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether all verdicts were the same.
fn measure(plan: Plan) -> Result<bool> {
    let mut table = table::Table::default();
    if cfg!(debug_assertions) {
        table.note("an unoptimised build: these figures say little");
    }
    let agree = registers::measure(plan, &mut table)?;
    elements::measure(plan, &mut table)?;
    growth::measure(plan, &mut table)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.context("cannot start the runtime")?.block_on(journal::measure(plan, &mut table))?;
    println!("{table}");
    Ok(agree)
}
