//! Whether Bulkhead's clients are ever what limits a measure: `cargo bench --bench vs`, or with `-- --quick` for one short
//! round of each.
//!
//! Each service's own load generator and the connections that workloads make do the same work on the same server, turn by
//! turn, on the same cores: the same operations, sizes, connections and operations under way, over the same TLS. The
//! servers have cores of their own where the machine has two. A ratio is the median of the ratios of the rounds. Beside it
//! stands what an operation costs in processor time of the load generator. The tools are found on `PATH`, PerfTest in the
//! folder of jars that `BULKHEAD_PERFTEST` names; where one is missing its rows say so. It prints a table and never fails on
//! a time: targets are for readers.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the table is the result")]

use std::{
    env,
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::Result;

mod cache;
mod compare;
mod cores;
mod database;
mod draw;
mod pen;
mod place;
mod queue;
mod table;
mod tool;

use compare::Arena;
use place::Place;

/// How long and how often things are measured.
#[derive(Clone, Copy)]
struct Plan {
    /// Turns of each side in a row.
    rounds: usize,
    /// One turn.
    turn: Duration,
    /// The first seconds of a virtual machine, which compiles what it finds to be busy; they do not count.
    warm_up: u64,
    /// Only the first rows of each service.
    quick: bool,
}

/// One turn beside a tool that counts in whole seconds.
const SECOND: Duration = Duration::from_secs(1);

const FULL: Plan = Plan { rounds: 5, turn: SECOND, warm_up: 3, quick: false };
const QUICK: Plan = Plan { rounds: 1, turn: Duration::from_millis(300), warm_up: 1, quick: true };

/// Adds the rows of a service.
type Service = fn(&mut Arena<'_>) -> Result<()>;

const SERVICES: [Service; 3] = [cache::measure, database::measure, queue::measure];

fn main() -> ExitCode {
    if let Some(role) = tool::role() {
        return role;
    }
    // Cargo passes `--bench`; a filter or anything else that a runner may pass changes nothing.
    let plan = if env::args().any(|argument| argument == "--quick") { QUICK } else { FULL };
    let mut table = table::Table::default();
    let measured = measure(plan, &mut table);
    // What was measured before something failed, too.
    println!("{table}");
    match measured {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn measure(plan: Plan, table: &mut table::Table) -> Result<()> {
    let began = Instant::now();
    if cfg!(debug_assertions) {
        table.note("an unoptimised build: these figures say little");
    }
    let cores = cores::Cores::split()?;
    table.note(format!("cores: {cores}"));
    cores.be_server()?;
    let place = Place::open()?;
    cores.be_client()?;
    let mut arena = Arena { plan, access: &place.access, table };
    let measured = SERVICES.iter().try_for_each(|measure| measure(&mut arena));
    place.close()?;
    measured?;
    table.note(format!("took {:.0} s", began.elapsed().as_secs_f64()));
    Ok(())
}
