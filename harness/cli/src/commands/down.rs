//! `bulkhead down`: stops what `up` started.

use anyhow::Result;
use bulkhead_target::keeper;
use clap::Args;

use crate::{exit, look, stand_ins};

/// `bulkhead down`
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  bulkhead down    stop the stand-ins of this project and remove their folders"
)]
pub(crate) struct Down {}

impl Down {
    /// Stops them and waits until they are gone.
    pub(crate) async fn run(self) -> Result<u8> {
        let spec = stand_ins::of_this_project()?;
        if !keeper::stop(&spec).await? {
            return Err(stand_ins::not_up());
        }
        look::say(b"stopped; nothing is left of them\n")?;
        Ok(exit::PASS)
    }
}
