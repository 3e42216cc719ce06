//! How long things take to start: `cargo bench --bench startup`, or with `-- --quick` for one round.
//!
//! Every figure is a median of rounds that take turns, so that a busy moment meets all of them alike, and whatever can
//! be is a ratio inside this one run. Where a container engine answers and has or gets the images, containers take their turns beside
//! processes. It prints a table and never fails on a time: targets are for readers.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the table is the result")]

use std::{
    env,
    path::Path,
    process::{ExitCode, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use bulkhead_model::{Service, Topology};
use bulkhead_target::{S3Kind, TargetSpec, backends};

#[path = "../measure/alone.rs"]
mod alone;
mod bare;
mod interrupt;
mod side;
mod stock;
mod table;

use side::{Medians, Side};
use table::{Reached, Table, median, ratio};

/// One tenant, for the price of a fresh slice.
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
    /// Boots of servers, of which a round holds eight, and five more in containers.
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
    let name = |kind: &str| Some(format!("bench {} {kind}", std::process::id()));
    let contained = spec.clone().in_containers(None, |variable| env::var_os(variable.name));
    let contained = TargetSpec { name: name("docker"), ..contained };
    let mut native = Side::new(spec.clone()).await?;
    let mut docker = match Side::new(contained).await {
        Ok(side) => Some(side),
        Err(error) => {
            table.note(format!("nothing was measured in containers: {error:#}"));
            None
        }
    };
    let brokers = boots(&spec, (&mut native, docker.as_mut()), rounds).await?;
    let minio = TargetSpec { name: name("minio"), s3: S3Kind::Minio, ..spec };
    let mut minio = if docker.is_some() && backends::native::check(&minio).is_ok() {
        Some(Side::new(minio).await?)
    } else {
        None
    };
    calls([Some(&mut native), docker.as_mut(), minio.as_mut()], rounds, &mut table).await?;
    let [docker, minio] = [docker, minio].map(|side| side.map(|mut side| side.medians()));
    let native = native.medians();
    tell_of_starts(&native, docker.as_ref(), brokers, &mut table)?;
    tell_of_slices(&native, docker.as_ref(), minio.as_ref(), &mut table);
    interrupts(rounds, &mut table).await?;
    verify(rounds, native.up, &mut table).await?;
    Ok(table)
}

/// Medians of the distribution's broker, and of brokers with their management API.
struct Brokers {
    stock: Duration,
    managed: Duration,
    stock_managed: Duration,
}

/// Bare boots, the distribution's broker and `up`, in turn.
async fn boots(
    spec: &TargetSpec,
    (native, mut docker): (&mut Side, Option<&mut Side>),
    rounds: Rounds,
) -> Result<Brokers> {
    let (mut managed, mut stock, mut stock_managed) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds.boots {
        native.alone().await?;
        managed.push(bare::boot(spec, Service::Rabbitmq, true).await?);
        native.up().await?;
        if let Some(docker) = &mut docker {
            docker.alone().await?;
            docker.up().await?;
        }
        stock.push(stock::boot(spec, false).await?);
        stock_managed.push(stock::boot(spec, true).await?);
    }
    Ok(Brokers {
        stock: median(&mut stock),
        managed: median(&mut managed),
        stock_managed: median(&mut stock_managed),
    })
}

/// What a test process pays when the servers run already, in turn on those of each kind.
async fn calls(sides: [Option<&mut Side>; 3], rounds: Rounds, table: &mut Table) -> Result<()> {
    let topology = Topology::parse(ONE_TENANT, "bench")?;
    let mut sides: Vec<&mut Side> = sides.into_iter().flatten().collect();
    let mut held = Vec::new();
    for side in &sides {
        let session = side.hold().await?;
        // Servers of other versions have other prices.
        let servers = session.servers().iter().map(|server| format!("{} {}", server.product, server.version));
        table.note(servers.collect::<Vec<_>>().join(", "));
        held.push(session);
    }
    for _ in 0..rounds.calls {
        for side in &mut sides {
            side.call(&topology).await?;
        }
    }
    for session in held {
        session.close().await?;
    }
    Ok(())
}

/// The rows of how long servers of either kind take to start.
fn tell_of_starts(
    native: &Medians,
    docker: Option<&Medians>,
    brokers: Brokers,
    table: &mut Table,
) -> Result<()> {
    let both =
        |figure: fn(&Medians) -> Duration| Reached { native: figure(native), docker: docker.map(figure) };
    for (at, (service, time)) in native.alone.into_iter().enumerate() {
        let docker = docker.map(|docker| docker.alone[at].1);
        table.time(format!("{service} alone, from nothing to ready"), Reached { native: time, docker }, None);
    }
    table.time("up, until all four are ready", both(|side| side.up), None);
    let against = |side: &Medians| Ok::<_, anyhow::Error>(ratio(side.up, side.slowest()?.1));
    let docker_ratio = docker.map(against).transpose()?;
    let (slowest, _) = native.slowest()?;
    table.ratio(
        format!("up : {slowest} alone, the slowest"),
        Reached { native: against(native)?, docker: docker_ratio },
        1.1,
    );

    let Brokers { stock, managed, stock_managed } = brokers;
    let fast = native.alone.iter().find(|(service, _)| *service == Service::Rabbitmq);
    let fast = fast.map_or(Duration::ZERO, |found| found.1);
    table.time("the distribution's rabbitmq-server", stock, None);
    table.ratio("rabbitmq : the distribution's", ratio(fast, stock), 0.45);
    table.time("rabbitmq with management", managed, None);
    table.time("the distribution's with management", stock_managed, None);
    table.ratio("the same two, with management", ratio(managed, stock_managed), 0.45);

    Ok(())
}

/// The rows of what servers cost that run. Containers are held against processes that have MinIO for S3 as they have.
fn tell_of_slices(native: &Medians, docker: Option<&Medians>, minio: Option<&Medians>, table: &mut Table) {
    let joins = Reached { native: native.join, docker: docker.map(|docker| docker.join) };
    table.time("joining servers that run", joins, Some(Duration::from_millis(50)));
    table.time("a fresh slice on all four", native.slice, Some(Duration::from_millis(150)));
    let Some(docker) = docker else { return };
    let beside = minio.unwrap_or(native);
    for ((service, native), (_, docker)) in beside.each.into_iter().zip(docker.each) {
        table.time(
            format!("a fresh slice on {service} alone"),
            Reached { native, docker: Some(docker) },
            None,
        );
    }
    if minio.is_none() {
        table.note("no `minio` beside the containers': the slices' prices on S3 are those of two programs");
    }
    let four = Reached { native: beside.slice, docker: Some(docker.slice) };
    table.time("a fresh slice on all four, S3 by MinIO", four, None);
    table.beside("a slice in containers : of processes", ratio(docker.slice, beside.slice), 0.2);
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
