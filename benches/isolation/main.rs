//! How long the whole isolation matrix takes: `cargo bench --bench isolation`, or with `-- --quick` for one round of two
//! tenants.
//!
//! Every probe between every two of 2, 4 and 8 tenants, on a keeper that runs already, where each tenant has its own part
//! of each service and where all share one. What should hold still as tenants are added is the time of a pair; it is
//! given beside that of two tenants, from the same run. Then, for two tenants, what each service takes alone and how busy
//! the machine was meanwhile: where the time goes. It never fails on a time: targets are for readers.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the table is the result")]

use std::{
    env,
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use bulkhead_engine::{probes, run::Runner, workload::Terms};
use bulkhead_model::{
    Service, Topology, Verdict,
    scenario::{self, Expected, Scenario},
};
use bulkhead_target::{Session, TargetSpec};
use futures::StreamExt;

/// The numbers of tenants.
const TENANTS: [usize; 3] = [2, 4, 8];

/// What the matrix of two tenants may take in both ways of sharing together, on two cores.
const TARGET: Duration = Duration::from_secs(5);

/// Cases that run side by side, as `bulkhead isolation` has them.
const JOBS: usize = 4;

fn main() -> ExitCode {
    let quick = env::args().any(|argument| argument == "--quick");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let measured =
        runtime.context("cannot start the runtime").and_then(|runtime| runtime.block_on(measure(quick)));
    match measured {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn measure(quick: bool) -> Result<()> {
    // The matrix of eight takes minutes.
    let (rounds, numbers) = if quick { (1, &TENANTS[..1]) } else { (3, &TENANTS[..]) };
    let mut spec = TargetSpec::from_env(env!("CARGO_BIN_EXE_bulkhead"))?;
    spec.name = Some(format!("bench {}", std::process::id()));
    spec.linger = Duration::ZERO;
    if cfg!(debug_assertions) {
        println!("an unoptimised build: these figures say little");
    }
    let session = Session::open(&spec, &|_| ()).await?;
    println!("{} probes; two tenants: medians of {rounds}", probes::all().count());
    println!(
        "{:>8} {:>9} {:>6} {:>9} {:>9} {:>12} {:>10}",
        "tenants", "sharing", "pairs", "matrix", "a pair", "of two's", "untold"
    );
    let mut of_two = [0.0; 2];
    let mut both = Duration::ZERO;
    for &tenants in numbers {
        for (index, shared) in [false, true].into_iter().enumerate() {
            let topology = topology(tenants, shared)?;
            // Many pairs are a median by themselves, and take minutes.
            let rounds = if tenants == 2 { rounds } else { 1 };
            let (mut took, mut untold) = (Vec::new(), 0);
            for _ in 0..rounds {
                let made = matrix(&session, &topology, &Service::ALL).await?;
                took.push(made.took);
                untold += made.untold;
            }
            took.sort();
            let median = took.get(rounds / 2).copied().context("no round")?;
            let pairs = tenants * (tenants - 1);
            let each = median.as_secs_f64() / f64::from(u32::try_from(pairs)?);
            if tenants == 2 {
                of_two[index] = each;
                both += median;
            }
            println!(
                "{tenants:>8} {:>9} {pairs:>6} {:>7.2} s {:>6.0} ms {:>10.2} x {untold:>10}",
                if shared { "shared" } else { "separate" },
                median.as_secs_f64(),
                each * 1000.0,
                each / of_two[index],
            );
        }
    }
    println!(
        "two tenants, both ways of sharing: {:.2} s (target {} s)",
        both.as_secs_f64(),
        TARGET.as_secs()
    );
    alone(&session).await?;
    session.close().await?;
    Ok(())
}

/// What the matrix of two tenants takes on each service alone.
async fn alone(session: &Session) -> Result<()> {
    println!("\n{:>9} {:>9} {:>7} {:>9} {:>16}", "sharing", "service", "probes", "matrix", "processors busy");
    for shared in [false, true] {
        let topology = topology(2, shared)?;
        for service in Service::ALL {
            let Matrix { took, busy, .. } = matrix(session, &topology, &[service]).await?;
            let probes = probes::all().filter(|probe| probe.about().service == service).count();
            println!(
                "{:>9} {:>9} {probes:>7} {:>7.2} s {:>14.0} %",
                if shared { "shared" } else { "separate" },
                service.to_string(),
                took.as_secs_f64(),
                busy * 100.0,
            );
        }
    }
    Ok(())
}

/// What a whole matrix came to.
struct Matrix {
    took: Duration,
    /// The part of all processors' time in which anybody on this machine computed, from 0 to 1.
    busy: f64,
    /// Cases in which a probe got no answer in time: eight tenants ask one server for a lot at once.
    untold: usize,
}

/// Every probe of these services between every two tenants; none may get through.
async fn matrix(session: &Session, topology: &Topology, services: &[Service]) -> Result<Matrix> {
    let out = tempfile::tempdir()?;
    let scenarios: Vec<_> = services.iter().copied().map(whole).collect();
    let cases = scenario::expand(&scenarios, topology)?;
    let runner = Runner {
        target: session,
        topology,
        seed: 1,
        jobs: JOBS,
        out: out.path().into(),
        terms: Terms::default(),
    };
    let (begun, before) = (Instant::now(), processors()?);
    let (mut runs, mut untold) = (std::pin::pin!(runner.run(cases, &|_| ())), 0);
    while let Some(run) = runs.next().await {
        for judged in bulkhead_checks::judge(&run.history, &run.case.scenario.expect) {
            ensure!(judged.verdict != Verdict::Fail, "{}: {}: {}", run.case.id, judged.name, judged.evidence);
            untold += usize::from(judged.verdict == Verdict::Unknown);
        }
    }
    let (took, after) = (begun.elapsed(), processors()?);
    let [busy, all] = [0, 1].map(|which: usize| after[which] - before[which]);
    Ok(Matrix { took, busy: busy / all, untold })
}

/// The time that all processors have been busy, and all their time, in ticks (`proc_stat(5)`).
fn processors() -> Result<[f64; 2]> {
    let text = std::fs::read_to_string("/proc/stat")?;
    let line = text.lines().next().context("`/proc/stat` is empty")?;
    let ticks = line.split_ascii_whitespace().skip(1).map(str::parse).collect::<Result<Vec<f64>, _>>()?;
    // The fourth and the fifth are idle and waiting for a disk; guests are counted among the first two.
    let all: f64 = ticks.iter().take(8).sum();
    let idle: f64 = ticks.iter().skip(3).take(2).sum();
    Ok([all - idle, all])
}

fn whole(service: Service) -> Scenario {
    Scenario {
        name: format!("isolation/{service}"),
        title: String::from("Nothing gets through"),
        why: String::from("What is measured."),
        probes: vec![service.to_string()],
        expect: vec![Expected::plain("isolated")],
        ..Scenario::default()
    }
}

fn topology(tenants: usize, shared: bool) -> Result<Topology> {
    let mut text = String::new();
    for number in 1..=tenants {
        let slices = if shared {
            format!(
                "postgres = {{ database = \"common\", schema = \"t{number}\" }}\n\
                 rabbitmq = {{ vhost = \"common\", queues = \"t{number}:\" }}\n\
                 s3 = {{ bucket = \"tl-common\", prefix = \"t{number}/\" }}\n"
            )
        } else {
            format!(
                "postgres = {{ database = \"t{number}db\" }}\n\
                 rabbitmq = {{ vhost = \"/t{number}\" }}\n\
                 s3 = {{ bucket = \"tl-tenant-{number}\" }}\n"
            )
        };
        let env = if number == 1 { String::new() } else { format!("env = \"T{number}_\"\n") };
        text.push_str(&format!(
            "[tenants.t{number}]\n{env}redis = {{ prefix = \"t{number}:\" }}\n{slices}\n"
        ));
    }
    Ok(Topology::parse(&text, "bench.toml")?)
}
