//! `bulkhead prove`: every invariant fails on a system that is sabotaged on purpose, and holds on a sound one.

use std::{io, path::PathBuf};

use anyhow::{Context, Result};
use bulkhead_engine::sabotage::{self, Sabotage};
use bulkhead_model::{Problem, Problems, Topology};
use bulkhead_report::proof;
use clap::Args;

use crate::{
    args::{Format, Place, TargetArg, Volume},
    commands::verify::jobs,
    course::JOBS,
    exit, failure,
    interrupt::Interrupt,
    look,
    output::Folder,
    project::Project,
    proof::Proof,
    real::Asked,
};

const EXAMPLES: &str = "\
Examples:
  bulkhead prove                                      each sabotage with 20 seeds, and 20 on a sound system
  bulkhead prove --list                               what is sabotaged, and which invariant must say so
  bulkhead prove ack-before-work swapped-part         those two alone
  bulkhead prove dropped-write --seeds 1 --seed 7     one run again, as a report prints it
  bulkhead prove --format json | jq .verdict          for a program

It works on stand-ins only. Of the runs of a sabotage one in twenty may be missed; of those on the sound system, none.

Exit codes: 0 all is proven, 1 something is not, 2 it was interrupted, 3 could not start, 64 usage";

/// `bulkhead prove`
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Prove {
    /// What to sabotage, by the names that `--list` prints [default: everything]
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// With how many seeds each is played
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=1000))]
    seeds: u64,
    /// The first of them; the others follow it
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(..=1_000_000_000_000))]
    seed: u64,
    /// Runs side by side
    #[arg(long, value_name = "N", default_value_t = JOBS, value_parser = jobs)]
    jobs: usize,
    /// Say what there is, and start nothing
    #[arg(long)]
    list: bool,
    /// What to print on stdout
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    format: Format,
    /// Folder for reports and histories; each run makes one inside it
    /// [default: target/bulkhead beside bulkhead.toml, or here where there is none]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Install missing servers with the system's package manager, after printing the command
    #[arg(long)]
    install: bool,
}

impl Prove {
    /// Plays everything, prints the table.
    pub(crate) async fn run(self, volume: Volume) -> Result<u8> {
        let place = Place { target: TargetArg::Native, topology: None, s3: None, install: self.install };
        let chosen = chosen(&self.names)?;
        if self.list {
            look::say(&list(&chosen, self.format)?)?;
            return Ok(exit::PASS);
        }
        let opening = Asked::of(&place, &crate::args::Real::default())?.settle().await?;
        let folder = match &self.out {
            Some(out) => Folder::make(out)?,
            None => Folder::make(&Project::here()?.results())?,
        };
        // Stdout is for the table alone.
        let terminal = &look::on(io::stderr(), volume);
        let proof = Proof {
            chosen: &chosen,
            topology: &Topology::builtin(),
            seeds: self.seed..self.seed + self.seeds,
            jobs: self.jobs,
            opening: &opening,
            volume,
            folder: &folder,
            terminal,
        };
        let interrupt = Interrupt::listen().context("cannot listen for Ctrl-C")?;
        let (report, left) = match proof.run(interrupt).await {
            Ok(ended) => ended,
            Err(error) => {
                terminal.settle();
                folder.remove_if_empty();
                return Err(error);
            }
        };
        terminal.settle();
        let saved = folder.write_proof(&report);
        let mut out = Vec::new();
        match self.format {
            Format::Human => {
                let path = folder.proof().display().to_string();
                proof::write(&report, Some(&path), look::page_width(), &mut out)?;
            }
            Format::Json => proof::json(&report, &mut out)?,
        }
        let shown = look::say(&out).context("could not show the result");
        let errors = [saved.err(), shown.err(), left];
        for error in errors.iter().flatten() {
            failure::report(error, &mut io::stderr());
        }
        let doubtful = errors[0].is_some() || errors[2].is_some();
        let least = if doubtful { bulkhead_model::Verdict::Unknown } else { report.verdict };
        Ok(exit::settle(report.verdict.max(least)))
    }
}

/// Those of these names, or all where none is named.
fn chosen(names: &[String]) -> Result<Vec<&'static Sabotage>, Problems> {
    let strange = names.iter().filter(|name| sabotage::find(name).is_none());
    let known = || sabotage::ALL.map(|sabotage| sabotage.name).join(", ");
    let problems = strange.map(|name| {
        Problem::new("", format!("no sabotage is called `{name}`")).hint(format!("there are {}", known()))
    });
    let named = |sabotage: &&Sabotage| names.is_empty() || names.iter().any(|name| name == sabotage.name);
    Problems::unless(problems.collect(), sabotage::ALL.into_iter().filter(named).collect())
}

fn list(chosen: &[&Sabotage], format: Format) -> io::Result<Vec<u8>> {
    let mut out = Vec::new();
    let row = |sabotage: &&Sabotage| {
        let Sabotage { name, expect, breaks, .. } = sabotage;
        [name, expect, breaks].map(|cell| (*cell).to_owned())
    };
    match format {
        Format::Human => {
            let rows: Vec<_> = chosen.iter().map(row).collect();
            proof::table(&rows, ["sabotage", "invariant", "what is broken"], &mut out)?;
        }
        Format::Json => {
            let entries = chosen.iter().map(|sabotage| {
                serde_json::json!({
                    "name": sabotage.name,
                    "breaks": sabotage.breaks,
                    "subject": sabotage.subject,
                    "workload": sabotage.workload,
                    "run_for": sabotage.run_for,
                    "fault": sabotage.fault,
                    "invariant": sabotage.expect,
                    "says": sabotage.says,
                })
            });
            serde_json::to_writer_pretty(&mut out, &entries.collect::<Vec<_>>())?;
            out.push(b'\n');
        }
    }
    Ok(out)
}
