//! How often `bulkhead bench compare` errs: `cargo bench --bench compare`, or with `-- --quick` for one short comparison of
//! each kind, which shows that it works and not how well.
//!
//! One thing beside itself must come to `same` or `unknown`, and a slow-down of a tenth to `worse`, each in 19 of 20 on an idle
//! machine. The tenth is there by construction: a link that is 20 ms long beside one of 22 ms; and, where the processors are
//! what is short, 20 clients beside 22, since of answers that come no faster each client waits for as many more as there are
//! clients (Little, A Proof for the Queuing Formula L = λW, Operations Research 9:3, 1961). It prints a line for each
//! comparison, then the counts, and never fails on them: they are for readers.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the counts are the result")]

use std::{
    env, fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, ExitCode, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use bulkhead_model::bench::compare::{Change, Comparison};
use bulkhead_report::compare::noisiest;
use bulkhead_target::{Session, TargetSpec};

/// Of so many comparisons of one thing with itself, and of a tenth with none, so many must be right.
const COMPARISONS: usize = 20;
const RIGHT: usize = 19;

/// How much of each is played.
struct Plan {
    /// Comparisons of each kind, of which there are two that are to come to the same.
    each: u64,
    /// At most: of what is to be told apart twice as many, since a noisy moment takes longer to see through.
    rounds: u32,
    warm_up: &'static str,
    run_for: &'static str,
    /// Both.
    whole: &'static str,
}

const FULL: Plan = Plan { each: 10, rounds: 9, warm_up: "100ms", run_for: "500ms", whole: "600ms" };
const QUICK: Plan = Plan { each: 1, rounds: 2, warm_up: "50ms", run_for: "200ms", whole: "250ms" };

/// Two sides, and what they are to come to.
struct Kind {
    says: &'static str,
    sides: [String; 2],
    figures: &'static str,
    claim: Claim,
}

/// What a comparison is to come to.
#[derive(Clone, Copy, PartialEq)]
enum Claim {
    Itself,
    Slower,
}

impl Claim {
    const ALL: [Self; 2] = [Self::Itself, Self::Slower];

    fn says(self) -> &'static str {
        match self {
            Self::Itself => "one thing beside itself: same or unknown",
            Self::Slower => "slower by a tenth: worse",
        }
    }

    fn holds(self, change: Change) -> bool {
        match self {
            Self::Itself => matches!(change, Change::Same | Change::Unknown),
            Self::Slower => change == Change::Worse,
        }
    }
}

fn kinds(plan: &Plan) -> [Kind; 4] {
    let time = format!("--tenant engine --warm-up {} --run-for {}", plan.warm_up, plan.run_for);
    let side = |how: &str| format!("redis.rate-limit --set rate=max {time} {how}");
    let link = |delay: u32| side(&format!("--set clients=8 --faults delay-{delay}.yaml"));
    let busy = |clients: u32| side(&format!("--set clients={clients}"));
    let (itself, slower) = (Claim::Itself, Claim::Slower);
    let (all, middle) = ("ok/s,ok,p50,p90,p99", "p50");
    [
        Kind { says: "link of 20 ms, itself", sides: [link(20), link(20)], figures: all, claim: itself },
        Kind { says: "link of 20 ms, 22 ms", sides: [link(20), link(22)], figures: all, claim: slower },
        Kind {
            says: "processors, 20 clients, itself",
            sides: [busy(20), busy(20)],
            figures: all,
            claim: itself,
        },
        Kind {
            says: "processors, 20 clients, 22",
            sides: [busy(20), busy(22)],
            figures: middle,
            claim: slower,
        },
    ]
}

fn main() -> ExitCode {
    // Cargo passes `--bench`; a filter or anything else that a runner may pass changes nothing.
    let quick = env::args().any(|argument| argument == "--quick");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let measured = runtime
        .context("cannot start the runtime")
        .and_then(|runtime| runtime.block_on(measure(if quick { &QUICK } else { &FULL })));
    match measured {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn measure(plan: &Plan) -> Result<()> {
    if cfg!(debug_assertions) {
        println!("an unoptimised build: these figures say little");
    }
    let desk = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    fs::set_permissions(desk.path(), fs::Permissions::from_mode(0o711))?;
    for delay in [20, 22] {
        let Plan { whole, .. } = plan;
        let text = format!(
            "faults:\n  - latency: {{ service: redis, at: 0ms, for: {whole}, stream: downstream, delay: {delay}ms }}\n"
        );
        fs::write(desk.path().join(format!("delay-{delay}.yaml")), text)?;
    }
    // The common set, which every comparison joins: one start of the servers for all.
    let mut spec = TargetSpec::from_env(env!("CARGO_BIN_EXE_bulkhead"))?;
    spec.linger = Duration::ZERO;
    let session = Session::open(&spec, &|_| ()).await?;
    let mut came = Vec::new();
    for kind in kinds(plan) {
        for seed in 1..=plan.each {
            let (comparison, took) = compare(&kind, plan, seed, desk.path())?;
            let Comparison { change, rounds, figures, stopped, .. } = &comparison;
            came.push((kind.claim, kind.claim.holds(*change) && stopped.is_empty()));
            println!(
                "{:<32} seed {seed:>2}   {:<8} {rounds:>2} rounds   {:>5.1} s   noise {} {stopped}",
                kind.says,
                change.name(),
                took.as_secs_f64(),
                noisiest(figures).unwrap_or_default(),
            );
        }
    }
    session.close().await?;
    println!("\n{:<42} {:>7}   target", "comparison", "right");
    for claim in Claim::ALL {
        let of: Vec<_> = came.iter().filter(|(of, _)| *of == claim).map(|(_, right)| *right).collect();
        let right = of.iter().filter(|right| **right).count();
        let verdict = match of.len() {
            COMPARISONS if right >= RIGHT => "reached",
            COMPARISONS => "missed",
            _ => "too few to tell",
        };
        println!(
            "{:<42} {:>7}   ≥ {RIGHT}/{COMPARISONS} {verdict}",
            claim.says(),
            format!("{right}/{}", of.len())
        );
    }
    Ok(())
}

/// One comparison, and how long it took.
fn compare(kind: &Kind, plan: &Plan, seed: u64, desk: &Path) -> Result<(Comparison, Duration)> {
    let Kind { sides: [a, b], figures, .. } = kind;
    let times = if kind.claim == Claim::Slower { 2 } else { 1 };
    let (rounds, seed) = ((times * plan.rounds).to_string(), seed.to_string());
    let mut command = Command::new(env!("CARGO_BIN_EXE_bulkhead"));
    command.args(["bench", "compare", a, b, "--figure", figures, "--rounds", &rounds, "--seed", &seed]);
    command.args(["--format", "json", "--quiet", "--out", "out"]).current_dir(desk);
    let begun = Instant::now();
    let ran = command.stdin(Stdio::null()).output().context("cannot start `bulkhead`")?;
    let said = || format!("`bulkhead bench compare` said: {}", String::from_utf8_lossy(&ran.stderr));
    let comparison = serde_json::from_slice(&ran.stdout).with_context(said)?;
    fs::remove_dir_all(desk.join("out")).context("cannot clear away what was measured")?;
    Ok((comparison, begun.elapsed()))
}
