//! `bulkhead checklist`: the documents' integration checklist, gone through for every tenant.

use std::{
    io::{self, Write},
    path::PathBuf,
};

use anyhow::{Context, Result};
use bulkhead_model::{
    Item, Topology,
    scenario::{self, Scenario},
};
use bulkhead_report::{checklist, json};
use clap::Args;

use crate::{
    args::{Format, Place, Volume},
    drive::Drive,
    exit, failure,
    interrupt::Interrupt,
    look,
    output::Folder,
    plan::{Plan, Planned},
    stand_ins,
};

const EXAMPLES: &str = "\
Examples:
  bulkhead checklist                    tick by tick, each with its evidence
  bulkhead checklist > CHECKLIST.md     to keep beside the code
  bulkhead checklist --format json      for a program";

/// `bulkhead checklist`
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Checklist {
    #[command(flatten)]
    place: Place,
    /// What to print on stdout: Markdown, or the document that `verify` prints
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    format: Format,
    /// Folder for histories; each run makes one inside it
    #[arg(long, value_name = "DIR", default_value = "target/bulkhead")]
    out: PathBuf,
}

impl Checklist {
    /// Starts stand-ins, examines every item for every tenant, prints the list.
    pub(crate) async fn run(self, volume: Volume) -> Result<u8> {
        let topology = Topology::load(self.place.topology.as_deref())?;
        let cases = scenario::expand(&[whole()], &topology)?;
        let planned =
            cases.into_iter().map(|case| Planned { case, repro: String::from("bulkhead checklist") });
        let plan = Plan { cases: planned.collect(), topology, seed: 0 };
        let spec = stand_ins::common(&self.place)?;
        let folder = Folder::make(&self.out)?;
        let interrupt = Interrupt::listen().context("cannot listen for Ctrl-C")?;
        // Stdout is for the list alone.
        let terminal = look::on(io::stderr(), volume);
        let target = self.place.target.name();
        let jobs = super::verify::JOBS;
        let drive = Drive { plan: &plan, spec: &spec, target, jobs, folder: &folder, terminal: &terminal };
        let driven = match drive.run(interrupt).await {
            Ok(driven) => driven,
            Err(error) => {
                terminal.settle();
                folder.remove_if_empty();
                return Err(error);
            }
        };
        terminal.settle();
        let mut out = io::stdout().lock();
        let written = match self.format {
            Format::Human => checklist::write(&driven.report, &mut out),
            Format::Json => json::write(&driven.report, &mut out),
        };
        written.and_then(|()| out.flush()).context("could not write to stdout")?;
        if let Some(left) = &driven.left {
            failure::report(left, &mut io::stderr());
            return Ok(exit::UNKNOWN);
        }
        Ok(exit::settle(driven.report.verdict))
    }
}

/// The six items as one scenario.
fn whole() -> Scenario {
    Scenario {
        name: String::from("checklist"),
        title: String::from("The integration checklist holds"),
        why: String::from(
            "An app that was wired up by hand is wired up wrongly until each item was seen to hold.",
        ),
        tags: Vec::new(),
        tenants: None,
        probes: Vec::new(),
        checklist: Item::ALL.to_vec(),
        expect: vec![String::from("checklist-done")],
    }
}
