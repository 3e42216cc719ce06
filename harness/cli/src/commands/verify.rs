//! `bulkhead verify`: the main job.

use std::{
    io::{self, Write},
    path::PathBuf,
};

use anyhow::{Context, Result};
use bulkhead_model::Verdict;
use bulkhead_report::{Terminal, json};
use clap::Args;

use crate::{
    args::{Format, Output, Place, Volume},
    drive::{Drive, Driven},
    exit, failure,
    interrupt::Interrupt,
    look,
    output::Folder,
    plan::{Choice, Plan},
    stand_ins,
};

const EXAMPLES: &str = "\
Examples:
  bulkhead verify                                     every scenario, on stand-ins started for the run
  bulkhead verify scenarios/isolation                 those of one folder
  bulkhead verify scenarios/isolation/s3/read.yaml --seed 7 --case engine:plane
                                                      one case again, as a report prints it
  bulkhead verify --format json | jq .verdict         for a program
  bulkhead verify --junit junit.xml --markdown \"$GITHUB_STEP_SUMMARY\"
                                                      for CI";

/// Cases wait for servers more than they compute, so more of them run than there are cores, within reason.
pub(crate) const JOBS: usize = 4;

/// `bulkhead verify`
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Verify {
    /// Scenario files and folders [default: scenarios/, or the built-in ones]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    place: Place,
    /// The number that every made-up value derives from [default: a fresh one, which the report names]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Cases that run side by side
    #[arg(long, value_name = "N", default_value_t = JOBS, value_parser = jobs)]
    jobs: usize,
    /// Only these cases: `engine`, `engine:plane`, or a whole id; may be repeated
    #[arg(long, value_name = "KEY")]
    case: Vec<String>,
    #[command(flatten)]
    output: Output,
}

pub(crate) fn jobs(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(jobs @ 1..=64) => Ok(jobs),
        _ => Err(String::from("a number from 1 to 64")),
    }
}

impl Verify {
    /// Plans, runs, reports.
    pub(crate) async fn run(self, volume: Volume) -> Result<u8> {
        let choice = Choice { place: &self.place, paths: &self.paths, keys: &self.case, seed: self.seed };
        let plan = Plan::make(&choice)?;
        let spec = stand_ins::common(&self.place)?;
        let folder = Folder::make(&self.output.out)?;
        let interrupt = Interrupt::listen().context("cannot listen for Ctrl-C")?;
        let terminal = look::terminal(self.output.format, volume);
        let target = self.place.target.name();
        let drive =
            Drive { plan: &plan, spec: &spec, target, jobs: self.jobs, folder: &folder, terminal: &terminal };
        let driven = match drive.run(interrupt).await {
            Ok(driven) => driven,
            Err(error) => {
                terminal.settle();
                folder.remove_if_empty();
                return Err(error);
            }
        };
        Ok(show(&driven, &folder, &self.output, &terminal))
    }
}

/// Writes every report and settles the exit code.
///
/// A run that happened keeps its verdict whatever becomes of its reports; a pass that could not be written down whole,
/// or whose servers may be left, is doubtful.
fn show(driven: &Driven, folder: &Folder, output: &Output, terminal: &Terminal) -> u8 {
    let report = &driven.report;
    let saved = folder.write(report, output);
    let doubtful = saved.is_err() || driven.left.is_some();
    let code = exit::settle(if doubtful { report.verdict.max(Verdict::Unknown) } else { report.verdict });
    let mut shown = terminal.finish(report, Some(&folder.report().display().to_string()), code);
    if output.format == Format::Json {
        let mut out = io::stdout().lock();
        let json = json::write(report, &mut out).and_then(|()| out.flush());
        shown = shown.and(json);
    }
    // A reader that has seen enough is no failure.
    let shown =
        shown.or_else(|error| if error.kind() == io::ErrorKind::BrokenPipe { Ok(()) } else { Err(error) });
    let errors = [saved.err(), shown.context("could not show the result").err()];
    for error in errors.iter().flatten().chain(&driven.left) {
        failure::report(error, &mut io::stderr());
    }
    code
}
