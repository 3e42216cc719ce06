//! How fast and how true the fault proxy is: `cargo bench --bench proxy`, or with `-- --quick` for short rounds.
//!
//! `bulkhead proxy` and the genuine `toxiproxy-server` run as users run them, each a process driven through the same
//! HTTP API, between the same clients and the same server. A direct connection and a bare `splice` relay are the
//! limits of this machine. Rounds take turns, so that a busy moment meets all of them alike; a ratio is the median of
//! the ratios of the rounds. It prints a table and never fails on a time: targets are for readers. Toxiproxy is found
//! on `PATH` or in `BULKHEAD_TOXIPROXY_BIN`; without it its columns are empty.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the table is the result")]

use std::{
    env,
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};

mod bare;
mod children;
mod load;
mod peers;
mod rows;
mod server;
mod table;

/// How long and how often things are measured.
#[derive(Clone, Copy)]
struct Plan {
    /// Turns of each peer in a row.
    rounds: usize,
    /// One turn.
    turn: Duration,
    /// Round trips of each connection in a turn of `latency`.
    trips: usize,
    /// How long the `bandwidth` toxic is watched.
    stretch: Duration,
    /// Connections left open at once.
    idle: usize,
}

const FULL: Plan = Plan {
    rounds: 11,
    turn: Duration::from_millis(400),
    trips: 15,
    stretch: Duration::from_secs(10),
    idle: 10_000,
};

const QUICK: Plan = Plan {
    rounds: 3,
    turn: Duration::from_millis(200),
    trips: 12,
    stretch: Duration::from_secs(3),
    idle: 2_000,
};

fn main() -> ExitCode {
    if let Some(role) = children::role() {
        return role;
    }
    // Cargo passes `--bench`; a filter or anything else that a runner may pass changes nothing.
    let plan = if env::args().any(|argument| argument == "--quick") { QUICK } else { FULL };
    match measure(plan) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether everything could be measured.
fn measure(mut plan: Plan) -> Result<bool> {
    let began = Instant::now();
    let mut table = table::Table::default();
    if cfg!(debug_assertions) {
        table.note("an unoptimised build: these figures say little");
    }
    let open = children::allow_open_files();
    // The proxy holds two descriptors for a connection, and some of its own.
    let room = usize::try_from(open.saturating_sub(500) / 2).unwrap_or(usize::MAX);
    if room < plan.idle {
        table.note(format!("at most {open} open files here, so {room} idle connections, not {}", plan.idle));
        plan.idle = room;
    }
    table.note(format!("load average before: {}", load_average()?));
    let complete = rows::measure(plan, &mut table)?;
    table.note(format!("load average after, this run's own included: {}", load_average()?));
    table.note(format!("took {:.0} s", began.elapsed().as_secs_f64()));
    println!("{table}");
    Ok(complete)
}

fn load_average() -> Result<String> {
    let text = std::fs::read_to_string("/proc/loadavg").context("cannot read /proc/loadavg")?;
    Ok(text.split(' ').take(3).collect::<Vec<_>>().join(" "))
}
