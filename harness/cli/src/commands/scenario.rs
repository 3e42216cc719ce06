//! `bulkhead scenario`: the scenario files, listed, checked, described.

use std::{io::Write, path::PathBuf};

use anyhow::Result;
use bulkhead_model::{Problems, Topology, scenario};
use bulkhead_report::text;
use clap::{Args, Subcommand};

use crate::{
    exit, look,
    project::Project,
    scenarios::{self, Source},
};

const EXAMPLES: &str = "\
Examples:
  bulkhead scenario list                       what there is, and what each expands to
  bulkhead scenario check my/scenarios         every problem with its place
  bulkhead scenario reference                  workloads, faults and invariants with their settings
  bulkhead scenario schema > scenario.json     a JSON Schema for editors";

/// `bulkhead scenario`
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Scenario {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// List scenarios with their titles and numbers of cases
    #[command(after_help = "Examples:\n  bulkhead scenario list scenarios/isolation")]
    List(Chosen),
    /// Read scenario files and name every problem in them
    #[command(after_help = "Examples:\n  bulkhead scenario check scenarios")]
    Check(Chosen),
    /// Print what scenario files may say of workloads, faults and invariants, as Markdown
    #[command(after_help = "Examples:\n  bulkhead scenario reference")]
    Reference,
    /// Print the JSON Schema of scenario files
    #[command(after_help = "Examples:\n  bulkhead scenario schema > scenario.schema.json")]
    Schema,
}

#[derive(Debug, Args)]
struct Chosen {
    /// Files and folders [default: scenarios/ beside bulkhead.toml, or here; else the built-in ones]
    paths: Vec<PathBuf>,
    /// Who shares what [default: bulkhead.toml here or in a folder above, or the built-in layout]
    #[arg(long, value_name = "FILE")]
    topology: Option<PathBuf>,
}

impl Scenario {
    /// Does it. Touches no server.
    pub(crate) fn run(self) -> Result<u8> {
        let mut out = Vec::new();
        let project = Project::here()?;
        match self.what {
            What::Schema => {
                serde_json::to_writer_pretty(&mut out, &scenario::schema())?;
                writeln!(out)?;
            }
            What::Reference => out.extend(scenarios::reference().into_bytes()),
            What::List(chosen) => {
                let sources = chosen.counted(&project)?;
                for (source, cases) in &sources {
                    let cases = text::count(*cases, "case");
                    writeln!(out, "{:<40} {cases:>9}  {}", source.path, source.scenario.title)?;
                }
                writeln!(
                    out,
                    "{} {}, topology {}",
                    text::count(sources.len(), "scenario"),
                    scenarios::place(&chosen.paths, &project),
                    project.topology(chosen.topology.as_deref())
                )?;
            }
            What::Check(chosen) => {
                let sources = chosen.counted(&project)?;
                let cases = sources.iter().map(|(_, cases)| cases).sum();
                let (scenarios, cases) = (text::count(sources.len(), "scenario"), text::count(cases, "case"));
                writeln!(out, "{scenarios}, {cases}: nothing wrong")?;
            }
        }
        look::say(&out)?;
        Ok(exit::PASS)
    }
}

impl Chosen {
    /// The scenarios, each with the number of its cases.
    ///
    /// # Errors
    /// Every problem in the topology and in all of the scenarios.
    fn counted(&self, project: &Project) -> Result<Vec<(Source, usize)>, Problems> {
        let topology = Topology::load(self.topology.as_deref());
        let (topology, sources) = Problems::both(topology, scenarios::load(&self.paths, project))?;
        let mut problems = Vec::new();
        let mut counted: Vec<(Source, usize)> = Vec::new();
        for source in sources {
            match scenario::expand(std::slice::from_ref(&source.scenario), &topology) {
                Ok(cases) => match counted.last_mut() {
                    // Another scenario of the same file.
                    Some((earlier, count)) if earlier.path == source.path => *count += cases.len(),
                    _ => counted.push((source, cases.len())),
                },
                Err(found) => problems.extend(found.into_vec()),
            }
        }
        Problems::unless(problems, counted)
    }
}
