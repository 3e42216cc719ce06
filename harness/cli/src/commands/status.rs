//! `bulkhead status`: what `up` started and where it is.

use std::io::Write;

use anyhow::Result;
use bulkhead_target::keeper;
use clap::Args;

use crate::{exit, look, places, stand_ins};

/// `bulkhead status`
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  bulkhead status    what is up, tenant by tenant; exit code 3 when nothing is"
)]
pub(crate) struct Status {}

impl Status {
    /// Asks the keeper and prints. A server that ended by itself makes the command fail.
    pub(crate) async fn run(self) -> Result<u8> {
        let spec = stand_ins::of_this_project()?;
        let Some(status) = keeper::status(&spec).await? else { return Err(stand_ins::not_up()) };
        let mut out = Vec::new();
        let state = if status.servers.is_empty() { "starting" } else { "up" };
        writeln!(out, "{state}: run {}, keeper {}, folder {}", status.run, status.pid, status.dir.display())?;
        for server in &status.servers {
            writeln!(out, "  {:<9} {} {}", server.service, server.product, server.version)?;
        }
        places::print(&status.exact, &mut out)?;
        for error in &status.dead {
            writeln!(out, "ended by itself: {}", bulkhead_report::redact::text(error))?;
        }
        look::say(&out)?;
        Ok(if status.dead.is_empty() { exit::PASS } else { exit::FAIL })
    }
}
