//! How long things take to start: `cargo bench --bench startup`, or with `-- --quick` for one round.
//!
//! Every figure is a median of rounds that take turns, so that a busy moment meets all of them alike, and whatever can
//! be is a ratio inside this one run. It prints a table and never fails on a time: targets are for readers.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the table is the result")]

use std::{
    env,
    path::Path,
    process::{ExitCode, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use bulkhead_model::{Service, Topology};
use bulkhead_target::{Session, TargetSpec};

#[path = "../measure/alone.rs"]
mod alone;
mod bare;
mod interrupt;
mod stock;
mod table;

use table::{Table, median};

/// One tenant, for the price of a fresh slice on all four services.
const ONE_TENANT: &str = r#"
[tenants.engine]
postgres = { database = "enginedb" }
redis    = { prefix = "engine:" }
rabbitmq = { vhost = "/engine" }
s3       = { bucket = "tl-engine" }
"#;

/// How often each thing is measured.
#[derive(Clone, Copy)]
struct Rounds {
    /// Boots of servers, of which a round holds eight.
    boots: usize,
    /// Joins and slices.
    calls: usize,
    /// Whole `verify` runs.
    runs: usize,
}

fn main() -> ExitCode {
    // Cargo passes `--bench`; a filter or anything else that a runner may pass changes nothing.
    let quick = env::args().any(|argument| argument == "--quick");
    let rounds =
        if quick { Rounds { boots: 1, calls: 5, runs: 1 } } else { Rounds { boots: 5, calls: 20, runs: 2 } };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let measured =
        runtime.context("cannot start the runtime").and_then(|runtime| runtime.block_on(measure(rounds)));
    match measured {
        Ok(table) => {
            println!("{table}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn measure(rounds: Rounds) -> Result<Table> {
    let mut spec = TargetSpec::from_env(env!("CARGO_BIN_EXE_bulkhead"))?;
    spec.name = Some(format!("bench {}", std::process::id()));
    spec.linger = Duration::ZERO;
    let mut table = Table::default();
    if cfg!(debug_assertions) {
        table.note("an unoptimised build: these figures say little");
    }
    // Not measured: it fills the caches that every later start finds (template folder, page cache).
    up(&spec).await?;

    let up = boots(&spec, rounds, &mut table).await?;
    calls(&spec, rounds, &mut table).await?;
    interrupts(rounds, &mut table).await?;
    verify(rounds, up, &mut table).await?;
    Ok(table)
}

/// A whole `up` and its end; the time until all four were ready.
async fn up(spec: &TargetSpec) -> Result<Duration> {
    let start = Instant::now();
    let session = Session::open(spec, &|_| {}).await?;
    let took = start.elapsed();
    session.close().await?;
    Ok(took)
}

/// Bare boots, the distribution's broker and `up`, in turn. Returns the median of `up`.
async fn boots(spec: &TargetSpec, rounds: Rounds, table: &mut Table) -> Result<Duration> {
    let mut bare = Service::ALL.map(|service| (service, Vec::new()));
    let (mut managed, mut stock, mut stock_managed, mut ups) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds.boots {
        for (service, times) in &mut bare {
            times.push(bare::boot(spec, *service, false).await?);
        }
        managed.push(bare::boot(spec, Service::Rabbitmq, true).await?);
        ups.push(up(spec).await?);
        stock.push(stock::boot(spec, false).await?);
        stock_managed.push(stock::boot(spec, true).await?);
    }
    let up = median(&mut ups);
    let bare = bare.map(|(service, mut times)| (service, median(&mut times)));
    for (service, time) in bare {
        table.time(format!("{service} alone, from nothing to ready"), time, None);
    }
    let (slowest, slowest_time) = bare.into_iter().max_by_key(|(_, time)| *time).context("no server")?;
    table.time("up, until all four are ready", up, None);
    table.ratio(format!("up : {slowest} alone, the slowest"), up, slowest_time, 1.1);

    let fast = bare
        .iter()
        .find(|(service, _)| *service == Service::Rabbitmq)
        .map_or(Duration::ZERO, |found| found.1);
    let (stock, managed, stock_managed) =
        (median(&mut stock), median(&mut managed), median(&mut stock_managed));
    table.time("the distribution's rabbitmq-server", stock, None);
    table.ratio("rabbitmq : the distribution's", fast, stock, 0.45);
    table.time("rabbitmq with management", managed, None);
    table.time("the distribution's with management", stock_managed, None);
    table.ratio("the same two, with management", managed, stock_managed, 0.45);
    Ok(up)
}

/// What a test process pays when the servers run already.
async fn calls(spec: &TargetSpec, rounds: Rounds, table: &mut Table) -> Result<()> {
    let topology = Topology::parse(ONE_TENANT, "bench")?;
    let held = Session::open(spec, &|_| {}).await?;
    let (mut joins, mut slices) = (Vec::new(), Vec::new());
    for _ in 0..rounds.calls {
        let start = Instant::now();
        let joined = Session::open(spec, &|_| {}).await?;
        joins.push(start.elapsed());

        let start = Instant::now();
        let made = joined.slices(&topology).await?;
        slices.push(start.elapsed());
        joined.release(made).await?;
        joined.close().await?;
    }
    held.close().await?;
    table.time("joining servers that run", median(&mut joins), Some(Duration::from_millis(50)));
    table.time("a fresh slice on all four", median(&mut slices), Some(Duration::from_millis(150)));
    Ok(())
}

/// From Ctrl-C to nothing left.
async fn interrupts(rounds: Rounds, table: &mut Table) -> Result<()> {
    let mut ends = Vec::new();
    for _ in 0..rounds.runs {
        ends.push(interrupt::interrupt().await?);
    }
    table.time("Ctrl-C, until nothing of up is left", median(&mut ends), Some(Duration::from_secs(5)));
    Ok(())
}

/// `verify` of the checklist and the isolation, started like a user's, less what `up` alone took. How long workloads
/// work is what their files say.
async fn verify(rounds: Rounds, up: Duration, table: &mut Table) -> Result<()> {
    let mut beyond = Vec::new();
    for _ in 0..rounds.runs {
        let out = tempfile::tempdir()?;
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_bulkhead"));
        command
            .args(["verify", "scenarios/checklist", "scenarios/isolation", "--format", "json", "--out"])
            .arg(out.path())
            .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")));
        command.stdin(Stdio::null()).kill_on_drop(true);
        let start = Instant::now();
        let output = command.output().await?;
        beyond.push(start.elapsed().saturating_sub(up));
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).with_context(|| {
            format!(
                "`bulkhead verify` ended with {}: {}",
                output.status,
                String::from_utf8_lossy(&output.stderr)
            )
        })?;
        let cases = report["cases"].as_array().map_or(0, Vec::len);
        ensure!(cases > 0 && report["verdict"] == "pass", "{cases} cases came to {}", report["verdict"]);
    }
    table.time("checklist and isolation, beyond up", median(&mut beyond), Some(Duration::from_secs(20)));
    Ok(())
}
