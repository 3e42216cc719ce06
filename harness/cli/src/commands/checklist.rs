//! `bulkhead checklist`: the documents' integration checklist, gone through for every tenant.

use std::io::{self, Write};

use anyhow::Result;
use bulkhead_model::{
    Item, Problems, Topology,
    scenario::{self, Expected, Scenario},
};
use bulkhead_report::{checklist, json};
use clap::Args;

use crate::{
    args::{Format, Output, Place, Real, Volume},
    course::Course,
    look,
    plan::{self, Plan, Planned},
    project::Project,
    real::Asked,
};

const EXAMPLES: &str = "\
Examples:
  bulkhead checklist                    tick by tick, each with its evidence, as Markdown
  bulkhead checklist > CHECKLIST.md     to keep beside the code
  bulkhead checklist --format json      the document that `verify` prints, for a program";

/// `bulkhead checklist`
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Checklist {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    real: Real,
    #[command(flatten)]
    output: Output,
}

impl Checklist {
    /// Starts stand-ins, examines every item for every tenant, prints the list.
    pub(crate) async fn run(self, volume: Volume) -> Result<u8> {
        let project = &Project::here()?;
        let topology = Topology::load(self.place.topology.as_deref());
        let (topology, asked) = Problems::both(topology, Asked::of(&self.place, &self.real))?;
        let cases = scenario::expand(&[whole()], &topology)?;
        let repro = format!("bulkhead checklist{}", plan::options(&self.place, &self.real));
        let planned = cases.into_iter().map(|case| Planned { case, repro: repro.clone() }).collect();
        let plan = Plan { cases: planned, topology, seed: 0, repro };
        let output = &self.output;
        let opening = asked.settle().await?;
        // Stdout is for the list alone.
        let terminal = &look::on(io::stderr(), volume);
        let course = Course::new((&plan, &opening), (project, &self.place), (output, terminal), volume);
        let finished = course.run().await?;
        Ok(finished.conclude(output, |_| {
            terminal.settle();
            let mut out = io::stdout().lock();
            match output.format {
                Format::Human => checklist::write(&finished.driven.report, &mut out)?,
                Format::Json => json::write(&finished.driven.report, &mut out)?,
            }
            out.flush()
        }))
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
        checklist: Item::ALL.to_vec(),
        expect: vec![Expected::plain("checklist-done")],
        ..Scenario::default()
    }
}
