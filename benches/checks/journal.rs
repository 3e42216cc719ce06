//! What the journal costs: `redis.sessions` as fast as its clients can, on the real stand-in, with its journal and with a
//! scribe that only counts, turn by turn.
//!
//! Redis answers faster than the other services, so nothing weighs more there. Links are those of a case, in which every
//! workload goes through them; without, there is nothing but the client and the server. What the journal costs is bounded
//! by one `write` an event, two an operation: a line is on disk when it has happened, so none may wait for the next.

use std::{
    collections::BTreeMap,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use bulkhead_engine::{
    links::Links,
    recorder::{Clock, Recorder},
    scribe::Scribe,
    seed::Seed,
    workload::{self, Phase, Stage, Terms, Workload},
};
use bulkhead_model::{
    Amount, Service, Topology, Unit,
    scenario::{Chosen, Setting},
};
use bulkhead_target::{Session, TargetSpec, TenantAccess};
use tokio::sync::watch;

use crate::{
    Plan,
    processor::spent,
    table::{Table, middle},
};

const WORKLOAD: &str = "redis.sessions";

/// Clients: enough for the server never to be idle.
const CLIENTS: u64 = 16;

/// Turns of each, and how long one takes.
const TURNS: usize = 41;
const TURN: Duration = Duration::from_millis(500);

/// What journal and bookkeeping may cost of the throughput.
const TARGET: f64 = 0.05;

const ONE_TENANT: &str = r#"
[tenants.engine]
postgres = { database = "enginedb" }
redis    = { prefix = "engine:" }
rabbitmq = { vhost = "/engine" }
s3       = { bucket = "tl-engine" }
"#;

/// Measures both, on servers of its own.
pub(crate) async fn measure(plan: Plan, table: &mut Table) -> Result<()> {
    let mut spec = TargetSpec::from_env(env!("CARGO_BIN_EXE_bulkhead"))?;
    spec.name = Some(format!("bench {}", std::process::id()));
    spec.linger = Duration::ZERO;
    let session = Session::open(&spec, &|_| ()).await?;
    let topology = Topology::parse(ONE_TENANT, "bench")?;
    table.head(["the journal's cost", "with", "without", "cost", "target"]);
    let made = session.slices(&topology).await?;
    let access = made.first().context("no tenant")?;
    let seed = Seed::new(1);
    let links = Links::new(&seed)?;
    let through = links.through(access, &[Service::Redis]).await?;
    for (name, access) in [("through its link", &through), ("straight to the server", access)] {
        compare(name, access, &seed, plan, table).await?;
    }
    links.close().await?;
    session.release(made).await?;
    session.close().await?;
    Ok(())
}

async fn compare(
    name: &str,
    access: &TenantAccess,
    seed: &Seed,
    plan: Plan,
    table: &mut Table,
) -> Result<()> {
    let folder = tempfile::tempdir_in(Path::new(env!("CARGO_TARGET_TMPDIR")))?;
    let journal = folder.path().join("journal.jsonl");
    let (mut with, mut without, mut costs) = (Turns::default(), Turns::default(), Vec::new());
    for turn in 0..=TURNS / plan.fewer {
        let mut recorder = Recorder::begin(journal.clone(), Clock::start());
        let kept = play(access, Some(&mut recorder), &seed.child(&format!("with {turn}"))).await?;
        let (history, _) = recorder.finish();
        ensure!(history.len() > 1000, "the journal has {} events", history.len());
        let counted = play(access, None, &seed.child(&format!("without {turn}"))).await?;
        // The first turn meets cold caches.
        if turn > 0 {
            costs.push(1.0 - kept.rate / counted.rate);
            with.add(&kept);
            without.add(&counted);
        }
    }
    let rates = [&with, &without].map(|turns| format!("{:.0}/s", middle(&turns.rates)));
    table.cost(format!("{WORKLOAD} {name}"), rates, middle(&costs), TARGET);
    let each = [&with, &without].map(|turns| turns.processor / turns.operations * 1e6);
    let [kept, counted] = each;
    let shown = each.map(|microseconds| format!("{microseconds:.1} µs"));
    table.cost(String::from("  processor time an operation"), shown, 1.0 - counted / kept, TARGET);
    Ok(())
}

/// What one turn came to.
struct Turn {
    operations: f64,
    /// Operations a second.
    rate: f64,
    /// Processor time of this process, in seconds.
    processor: f64,
}

/// What all turns of one kind came to.
#[derive(Default)]
struct Turns {
    rates: Vec<f64>,
    operations: f64,
    processor: f64,
}

impl Turns {
    fn add(&mut self, turn: &Turn) {
        self.rates.push(turn.rate);
        self.operations += turn.operations;
        self.processor += turn.processor;
    }
}

/// One turn, with a journal where there is one.
async fn play(access: &TenantAccess, journal: Option<&mut Recorder>, seed: &Seed) -> Result<Turn> {
    let scribe = journal.map_or_else(Scribe::mute, Scribe::new);
    let workload = workload::find(WORKLOAD).context("no such workload")?;
    let chosen = chosen(workload);
    let (phase, watched) = watch::channel(Phase::Work);
    let terms = Terms::default();
    let (granted, seed) = (&access.tenant.slices, seed.clone());
    let stage =
        Stage { access, granted, chosen: &chosen, seed, scribe: &scribe, phase: watched, terms, meter: None };
    workload.prepare(&stage).await?;
    let (begun, before) = (Instant::now(), spent()?);
    let over = async {
        tokio::time::sleep(TURN).await;
        let reached = (scribe.begun(), begun.elapsed());
        phase.send_replace(Phase::Drain(Instant::now().into()));
        reached
    };
    let (worked, (operations, took)) = futures::join!(workload.work(&stage), over);
    worked?;
    let (operations, processor) = (f64::from(u32::try_from(operations)?), spent()? - before);
    Ok(Turn { operations, rate: operations / took.as_secs_f64(), processor })
}

/// The workload's usual settings, but for how many clients it has and how fast they are.
fn chosen(workload: &dyn Workload) -> Chosen {
    let amount = |unit, value| Setting::Amount(Amount { unit, value });
    let settings = [
        ("clients", amount(Unit::Count, CLIENTS)),
        ("sessions", amount(Unit::Count, 64)),
        ("rate", Setting::Word("max")),
        ("ttl", amount(Unit::Time, 400)),
    ];
    let settings: BTreeMap<_, _> =
        settings.into_iter().map(|(name, setting)| (name.to_owned(), setting)).collect();
    Chosen { name: workload.shape().name.to_owned(), settings }
}
