//! `bulkhead verify`: the main job.

use std::{
    io::{self, Write},
    path::PathBuf,
};

use anyhow::Result;
use bulkhead_model::Problems;
use bulkhead_report::json;
use clap::Args;

use crate::{
    args::{Format, LinksArg, Output, Place, Real, Volume},
    breaking::Breaking,
    course::{Course, JOBS},
    dry, exit, look,
    plan::{Choice, Plan},
    project::Project,
    real::Asked,
};

const EXAMPLES: &str = "\
Examples:
  bulkhead verify                                     every scenario, on stand-ins started for the run
  bulkhead verify scenarios/isolation                 those of one folder
  bulkhead verify scenarios/isolation/s3/read.yaml --seed 7 --case engine:plane
                                                      one case again, as a report prints it
  bulkhead verify --tag rabbitmq --fail-fast          what concerns RabbitMQ, up to the first that does not pass
  bulkhead verify --retries 2                         tells what fails now and then from what fails always
  bulkhead verify --target docker                     on servers in containers, though there are some on this machine
  bulkhead verify --target env --env-file compose/engine.env
                                                      on the services that a file's variables name
  bulkhead verify --links toxiproxy --tag chaos       the links broken by Toxiproxy, in a container
  bulkhead verify --dry-run --seed 7                  what would be run
  bulkhead verify --format json | jq .verdict         for a program
  bulkhead verify --junit junit.xml --markdown \"$GITHUB_STEP_SUMMARY\"
                                                      for CI";

/// `bulkhead verify`
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Verify {
    /// Scenario files and folders [default: scenarios/ beside bulkhead.toml, or here; else the built-in ones]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    real: Real,
    /// Which proxy breaks links. Toxiproxy is driven by builds with `--features toxiproxy`; faults that it has no toxic for are
    /// skipped
    #[arg(long, value_name = "PROXY", default_value = "own")]
    links: LinksArg,
    /// The number that every made-up value derives from [default: a fresh one, which the report names]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Cases that run side by side, of which one without a workload counts for two; on real services one with a workload is
    /// alone
    #[arg(long, value_name = "N", default_value_t = JOBS, value_parser = jobs)]
    jobs: usize,
    /// Only scenarios with this tag; may be repeated
    #[arg(long, value_name = "TAG")]
    tag: Vec<String>,
    /// End with the first case that does not pass
    #[arg(long)]
    fail_fast: bool,
    /// Try a case that did not pass again, so often at most; one that passes only then is `flaky`, which is no pass
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = retries)]
    retries: usize,
    /// Print what would be run, and start nothing
    #[arg(long)]
    dry_run: bool,
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

fn retries(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(retries @ 0..=10) => Ok(retries),
        _ => Err(String::from("a number from 0 to 10")),
    }
}

impl Verify {
    /// Plans, runs, reports.
    pub(crate) async fn run(self, volume: Volume) -> Result<u8> {
        let project = &Project::here()?;
        let choice = Choice {
            project,
            place: &self.place,
            real: &self.real,
            paths: &self.paths,
            keys: &self.case,
            tags: &self.tag,
            seed: self.seed,
            links: self.links,
        };
        let asked = Problems::both(Asked::of(&self.place, &self.real), Breaking::of(self.links));
        let (plan, (asked, breaking)) = Problems::both(Plan::make(&choice), asked)?;
        let output = &self.output;
        if self.dry_run {
            look::say(&dry::told(&plan, output.format)?)?;
            return Ok(exit::PASS);
        }
        let opening = asked.settle().await?;
        let terminal = &look::terminal(output.format, volume);
        let course = Course {
            jobs: self.jobs,
            retries: self.retries,
            fail_fast: self.fail_fast,
            breaking: &breaking,
            ..Course::new((&plan, &opening), (project, &self.place), (output, terminal), volume)
        };
        let finished = course.run().await?;
        Ok(finished.conclude(output, |code| {
            let report = &finished.driven.report;
            let path = finished.folder.report().display().to_string();
            let shown = terminal.finish(report, Some(&path), code);
            if output.format == Format::Human {
                return shown;
            }
            let mut out = io::stdout().lock();
            shown.and(json::write(report, &mut out).and_then(|()| out.flush()))
        }))
    }
}
