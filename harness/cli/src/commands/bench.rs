//! `bulkhead bench`: what the services bear and how long they take, with the invariants on and under faults.

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result};
use bulkhead_engine::{faults, seed::Seed, workload};
use bulkhead_model::{
    Amount, Problem, Problems, Topology, Unit, Verdict,
    bench::gate::{self, Threshold},
    scenario::{self, Case, Scenario, Subject},
};
use bulkhead_report::bench;
use clap::{Args, Subcommand};

use crate::{
    args::{Format, Place, Real, Volume},
    commands::compare::Compare,
    exit, failure,
    interrupt::Interrupt,
    load::{self, Benched},
    look,
    output::Folder,
    plan::fresh_seed,
    project::Project,
    real::Asked,
    scenarios,
};

const EXAMPLES: &str = "\
Examples:
  bulkhead bench redis.sessions                       as its scenario has it, ten seconds, each tenant on its own
  bulkhead bench redis.sessions --set rate=2000/s --set clients=16
                                                      an open loop at that rate: time counts from when each was due
  bulkhead bench rabbitmq.tasks --set rate=max        a closed loop: as fast as answers come
  bulkhead bench redis.sessions --set clients=16 --sweep 100/s..5000/s
                                                      up to which rate the service keeps up
  bulkhead bench postgres.ledger --faults cold-start  before, during and after a fault
  bulkhead bench scenarios/chaos/redis/sessions-link.yaml
                                                      the workloads and faults of a scenario
  bulkhead bench --gate gate.txt                      the workloads of a gate at its rates, and whether they pass; a line is
                                                      redis.sessions: p99 < 5ms at 2000/s
  bulkhead bench compare 'redis.sessions --set clients=4' 'redis.sessions --set clients=8'
                                                      whether one is faster than the other, beyond the noise
  bulkhead bench redis.query-cache --format json | jq '.cases[].loads[].acts[].latency.p99'

`bulkhead scenario reference` lists workloads, what each may be told, and faults. Beside each history lies an HdrHistogram log
of its times. What was lost, done twice, out of order or foreign fails a bench as it fails a case of `verify`.

Exit codes: 0 all invariants and thresholds held, 1 one did not, 2 something could not be judged, 3 could not start, 64 usage";

/// How long a workload that is named alone is measured.
const RUN_FOR: &str = "10s";

/// `bulkhead bench`
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
#[command(disable_help_subcommand = true)]
pub(crate) struct Bench {
    #[command(subcommand)]
    action: Option<Action>,
    /// Names of workloads, and scenario files that have some
    #[arg(value_name = "WORKLOAD|FILE", required_unless_present = "gate")]
    what: Vec<String>,
    /// A file of thresholds, whose workloads are measured besides, each at the rate that it names
    #[arg(long, value_name = "FILE")]
    gate: Option<PathBuf>,
    /// With workloads by name: what each is told, as a scenario would; may be repeated
    #[arg(long, value_name = "NAME=VALUE")]
    set: Vec<String>,
    /// With workloads by name: each at several rates between these two, in an order that the seed decides, to find up to
    /// which one the service keeps up
    #[arg(long, value_name = "RATE..RATE", value_parser = sweep)]
    sweep: Option<Sweep>,
    /// How many rates `--sweep` tries
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = clap::value_parser!(u32).range(2..=50), requires = "sweep")]
    steps: u32,
    /// With workloads by name: how long each is measured
    #[arg(long, value_name = "TIME", default_value = RUN_FOR, value_parser = time)]
    run_for: Duration,
    /// With workloads by name: a file with `faults:` as a scenario has them, or the name of one fault that is on for the
    /// second third of what is measured
    #[arg(long, value_name = "FILE|NAME")]
    faults: Option<String>,
    /// How long each works before it is measured
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = time)]
    warm_up: Duration,
    /// Only this tenant [default: each in turn]
    #[arg(long, value_name = "NAME")]
    tenant: Option<String>,
    /// The number that every made-up value derives from [default: a fresh one, which the report names]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    #[command(flatten)]
    pub(crate) place: Place,
    #[command(flatten)]
    real: Real,
    /// What to print on stdout
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    format: Format,
    /// Folder for results and histories; each run makes one inside it
    /// [default: target/bulkhead beside bulkhead.toml, or here where there is none]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// What `bench` does besides measuring.
#[derive(Debug, Subcommand)]
enum Action {
    /// Measure two sides in turns and say whether they differ by more than the noise.
    Compare(Box<Compare>),
}

/// The lowest and the highest rate that are tried, in operations a minute.
#[derive(Clone, Copy, Debug)]
struct Sweep {
    from: u64,
    to: u64,
}

impl Sweep {
    /// So many rates, each as many times the one before it.
    fn rates(self, steps: u32) -> Vec<u64> {
        let ratio = float(self.to) / float(self.from);
        let rate = |step: u32| {
            let rate =
                float(self.from) * ratio.powf(f64::from(step) / f64::from(steps.saturating_sub(1).max(1)));
            // Whole operations a second, but for the slowest.
            if rate >= 600.0 { (rate / 60.0).round() * 60.0 } else { rate.round() }
        };
        let mut rates: Vec<_> = (0..steps).map(rate).map(whole).collect();
        rates.dedup();
        rates
    }
}

#[expect(clippy::cast_precision_loss, reason = "rates are far below 2^53")]
fn float(number: u64) -> f64 {
    number as f64
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "rates are small and above zero")]
fn whole(number: f64) -> u64 {
    number as u64
}

fn sweep(text: &str) -> Result<Sweep, String> {
    let like = || String::from("two rates, the lower first, such as 100/s..5000/s");
    let (from, to) = text.split_once("..").ok_or_else(like)?;
    let rate = |text: &str| Amount::parse(text, Unit::Rate).map(|amount| amount.value);
    match (rate(from), rate(to)) {
        (Ok(from), Ok(to)) if 0 < from && from < to => Ok(Sweep { from, to }),
        _ => Err(like()),
    }
}

fn time(text: &str) -> Result<Duration, String> {
    Amount::parse(text, Unit::Time).map(Amount::time)
}

impl Bench {
    /// Measures, prints the tables.
    pub(crate) async fn run(mut self, volume: Volume) -> Result<u8> {
        if let Some(Action::Compare(compare)) = self.action.take() {
            return compare.run(volume).await;
        }
        let project = Project::here()?;
        let topology = Topology::load(self.place.topology.as_deref());
        let (topology, asked) = Problems::both(topology, Asked::of(&self.place, &self.real))?;
        let gate = self.gate.as_deref().map_or_else(|| Ok(Vec::new()), gate_of)?;
        let seed = self.seed.unwrap_or_else(fresh_seed);
        let mut cases = self.cases(&project, &topology, &gate)?;
        if self.sweep.is_some() {
            // What warms up or fills up from case to case must not look like the rate's doing.
            let order = Seed::new(seed).child("sweep");
            cases.sort_by_cached_key(|case| order.child(&case.id).number());
        }
        let opening = asked.settle().await?;
        let able: Vec<_> = cases.iter().filter(|case| opening.unable(case).is_none()).collect();
        let admission = opening.admit(&topology, (&able, 1))?;
        let folder = match &self.out {
            Some(out) => Folder::make(out)?,
            None => Folder::make(&project.results())?,
        };
        // Stdout is for the tables alone.
        let terminal = &look::on(io::stderr(), volume);
        let bench = load::Bench {
            cases,
            gate: &gate,
            topology: &topology,
            layout: &project.topology(self.place.topology.as_deref()),
            seed,
            warm_up: self.warm_up,
            opening: &opening,
            admission,
            volume,
            folder: &folder,
            terminal,
        };
        let interrupt = Interrupt::listen().context("cannot listen for Ctrl-C")?;
        let benched = bench.run(interrupt).await;
        terminal.settle();
        match benched {
            Ok(benched) => self.conclude(&benched, &folder),
            Err(error) => {
                folder.remove_if_empty();
                Err(error)
            }
        }
    }

    /// Writes and shows what it came to, and gives the exit code.
    fn conclude(&self, Benched { report, left }: &Benched, folder: &Folder) -> Result<u8> {
        let saved = folder.write_bench(report);
        let mut out = Vec::new();
        match self.format {
            Format::Human => {
                let path = folder.bench().display().to_string();
                bench::write(report, Some(&path), look::page_width(), &mut out)?;
            }
            Format::Json => bench::json(report, &mut out)?,
        }
        let shown = look::say(&out).context("could not show the result");
        let doubtful = saved.is_err() || !left.is_empty();
        for error in saved.err().iter().chain(&shown.err()).chain(left) {
            failure::report(error, &mut io::stderr());
        }
        Ok(exit::settle(if doubtful { report.verdict.max(Verdict::Unknown) } else { report.verdict }))
    }

    /// Everything that is to be measured.
    pub(crate) fn cases(
        &self,
        project: &Project,
        topology: &Topology,
        gate: &[Threshold],
    ) -> Result<Vec<Case>, Problems> {
        let (mut wanted, mut problems) = (Vec::new(), Vec::new());
        let mut loads: Vec<_> = gate.iter().map(|line| (line.workload.as_str(), line.at)).collect();
        loads.sort_unstable();
        loads.dedup();
        let gated = loads.into_iter().map(|(workload, at)| self.named(workload, at));
        let named = self.what.iter().flat_map(|what| match (workload::find(what), self.sweep) {
            (Some(_), None) => vec![self.named(what, None)],
            (Some(_), Some(sweep)) => {
                sweep.rates(self.steps).into_iter().map(|rate| self.named(what, Some(rate))).collect()
            }
            (None, _) => vec![in_file(what, project)],
        });
        for found in gated.chain(named) {
            match found {
                Ok(found) => wanted.extend(found),
                Err(found) => problems.extend(found.iter().cloned()),
            }
        }
        let wanted = Problems::unless(problems, wanted)?;
        let mut cases = scenario::expand(&wanted, topology)?;
        if let Some(name) = &self.tenant {
            let Some(tenant) = topology.tenant(name) else {
                let what = format!("the topology has no tenant `{name}`");
                let names: Vec<_> = topology.tenants.iter().map(|tenant| tenant.name.as_str()).collect();
                return Err(Problem::new("--tenant", what)
                    .hint(format!("there are {}", names.join(", ")))
                    .into());
            };
            cases.retain(|case| matches!(&case.subject, Subject::Tenant(of) if *of == tenant.name));
        }
        Ok(cases)
    }

    /// A scenario of that workload alone, at so many operations a minute.
    fn named(&self, workload: &str, at: Option<u64>) -> Result<Vec<Scenario>, Problems> {
        let at = at.map(|rate| Amount { unit: Unit::Rate, value: rate });
        let beside = at.map_or_else(String::new, |rate| format!(" at {rate}"));
        let (name, file) = (format!("bench/{workload}{beside}"), "the command line");
        let text = self.text(workload, at)?;
        let mut scenarios = scenarios::with_known(|known| Scenario::parse(&name, &text, file, known))?;
        // A scenario must expect something; here every invariant is looked at that can be.
        scenarios.iter_mut().for_each(|scenario| scenario.expect.clear());
        Ok(scenarios)
    }

    fn text(&self, workload: &str, at: Option<Amount>) -> Result<String, Problems> {
        let pairs = self.set.iter().map(|pair| match pair.split_once('=') {
            Some((name, value)) => Ok(format!("{name}: {value}")),
            None => {
                let problem = Problem::new("--set", format!("`{pair}` says no value"));
                Err(problem.hint("write `--set rate=500/s`"))
            }
        });
        let rate = at.map(|rate| Ok(format!("rate: {rate}")));
        let settings = pairs.chain(rate).collect::<Result<Vec<_>, Problem>>()?.join(", ");
        let total = (self.warm_up + self.run_for).as_millis();
        let mut text = format!(
            "title: The load of {workload}\nwhy: What it bears and how long it takes is measured.\nworkload:\n  - {workload}: \
             {{ {settings} }}\nrun-for: {total}ms\nexpect:\n  - nothing-foreign\n"
        );
        if let Some(faults) = &self.faults {
            text.push_str(&self.faults(faults, workload)?);
        }
        Ok(text)
    }

    /// The `faults:` of the scenario.
    fn faults(&self, given: &str, workload: &str) -> Result<String, Problems> {
        if faults::find(given).is_none() {
            return scenarios::faults_file(given);
        }
        let third = (self.run_for / 3).as_millis();
        let at = self.warm_up.as_millis() + third;
        let service = workload::find(workload).map_or("", |workload| workload.service().name());
        Ok(format!("faults:\n  - {given}: {{ service: {service}, at: {at}ms, for: {third}ms }}\n"))
    }
}

/// The thresholds of that file.
fn gate_of(path: &Path) -> Result<Vec<Threshold>, Problems> {
    let file = path.display().to_string();
    let text = std::fs::read_to_string(path)
        .map_err(|error| Problem::new("--gate", format!("could not read `{file}`: {error}")))?;
    gate::parse(&text, &file, &workload::ALL.map(|workload| workload.shape().name))
}

/// The scenarios of a file or folder that have a workload.
fn in_file(what: &str, project: &Project) -> Result<Vec<Scenario>, Problems> {
    let found = scenarios::load(&[PathBuf::from(what)], project).map_err(|problems| {
        if Path::new(what).exists() {
            return problems;
        }
        let names = workload::ALL.map(|workload| workload.shape().name).join(", ");
        let problem = Problem::new("", format!("`{what}` is no workload, and no scenario file"));
        problem.hint(format!("the workloads are {names}")).into()
    })?;
    let scenarios = found.into_iter().map(|source| source.scenario);
    let loads: Vec<_> = scenarios.filter(|scenario| !scenario.workload.is_empty()).collect();
    if loads.is_empty() {
        let problem = Problem::new(what, "no scenario here has a workload to measure");
        return Err(problem.hint("name a scenario below `scenarios/chaos`, or a workload").into());
    }
    Ok(loads)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sweep_goes_from_one_rate_to_the_other_by_equal_factors() {
        let rates = |text: &str, steps| sweep(text).unwrap().rates(steps);
        assert_eq!(rates("100/s..10000/s", 5), [6_000, 18_960, 60_000, 189_720, 600_000]);
        assert_eq!(rates("1/min..2/min", 6), [1, 2], "a rate is tried once");
        for wrong in ["100/s", "100/s..10/s", "100..200", "0/s..5/s", "5/s..5/s"] {
            assert!(sweep(wrong).is_err(), "{wrong}");
        }
    }
}
