//! `bulkhead clean`: removes what a killed run left on real services.

use std::path::PathBuf;

use anyhow::Result;
use bulkhead_engine::leavings::LEAVINGS;
use bulkhead_model::Topology;
use bulkhead_report::text::count;
use bulkhead_target::backends::env::{RunId, clean};
use clap::Args;

use crate::{
    args::{Real, Volume},
    exit,
    failure::Hinted,
    look,
    real::Variables,
};

const EXAMPLES: &str = "\
Examples:
  bulkhead clean                        what killed runs left of the tenants that have variables set
  bulkhead clean --run 65f1a2b3c0ffee   what that run left, and nothing of any other

It removes names that bear Bulkhead's marker and a run's id, in the slices of the topology, and nothing else. A run that
still lasts is left alone; stand-ins need none of this.

Exit codes: 0 nothing is left, 2 a run still lasts, 3 something could not be reached or removed";

/// `bulkhead clean`
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Clean {
    /// Only what this run left
    #[arg(long, value_name = "ID", value_parser = run_id)]
    run: Option<RunId>,
    /// Who shares what [default: bulkhead.toml here or in a folder above, or the built-in layout]
    #[arg(long, value_name = "FILE")]
    topology: Option<PathBuf>,
    #[command(flatten)]
    real: Real,
}

fn run_id(text: &str) -> Result<RunId, String> {
    RunId::new(text)
        .ok_or_else(|| String::from("a run's id is 14 of 0-9 and a-f, as the run says at its start"))
}

impl Clean {
    /// Looks for what is left and removes it.
    pub(crate) async fn run(self, volume: Volume) -> Result<u8> {
        let topology = Topology::load(self.topology.as_deref())?;
        let variables = Variables::read(&topology, &self.real)?;
        variables.look(volume).await?;
        let cleaned = clean(&variables.seats, LEAVINGS, self.run.as_ref()).await.map_err(|error| {
            let hint = "names of a run may be left; run it again when that is mended";
            Hinted::error(error.chain(), hint)
        })?;
        let mut text = String::new();
        for (run, cases) in &cleaned.removed {
            text.push_str(&format!("removed what run {run} left: the names of {}\n", count(*cases, "case")));
        }
        for run in &cleaned.lasting {
            text.push_str(&format!("run {run} still lasts and was left alone\n"));
        }
        if text.is_empty() {
            text.push_str("nothing is left of any run\n");
        }
        for seat in variables.seats.iter().filter(|seat| seat.access.is_none()) {
            text.push_str(&format!("not looked at: `{}`, whose variables are not set\n", seat.tenant.name));
        }
        look::say(text.as_bytes())?;
        Ok(if cleaned.lasting.is_empty() { exit::PASS } else { exit::UNKNOWN })
    }
}
