//! `bulkhead up`: stand-ins for local development, until Ctrl-C or, detached, until `bulkhead down`.

use std::{io::Write, time::Duration};

use anyhow::{Context, Result};
use bulkhead_model::{Problems, Topology};
use bulkhead_target::{Session, keeper};
use clap::Args;

use crate::{
    args::{Format, Place, Volume},
    exit,
    interrupt::Interrupt,
    look, places, stand_ins, standing,
};

const EXAMPLES: &str = "\
Examples:
  bulkhead up             stay in the foreground; Ctrl-C stops the servers
  bulkhead up --detach    leave them running; `bulkhead down` stops them
  eval \"$(bulkhead env --tenant engine)\"    point a shell at them";

/// `bulkhead up`
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Up {
    #[command(flatten)]
    place: Place,
    /// Leave the servers running and return
    #[arg(long)]
    detach: bool,
}

impl Up {
    /// Starts the servers, makes the topology's slices under its own names, says where they are.
    pub(crate) async fn run(self, volume: Volume) -> Result<u8> {
        let topology = Topology::load(self.place.topology.as_deref());
        let (topology, mut spec) = Problems::both(topology, stand_ins::of_this_project())?;
        spec.s3 = self.place.s3.into();
        spec.install |= self.place.install;
        spec.linger = Duration::ZERO;

        if let Some(status) = keeper::status(&spec).await?
            && !status.exact.is_empty()
        {
            return standing::report(&status, &spec, &topology);
        }

        let mut interrupt = Interrupt::listen().context("cannot listen for Ctrl-C")?;
        let terminal = look::terminal(Format::Human, volume);
        let progress = |event| terminal.event(&event);
        let opened = async {
            let session = Session::open(&spec, &progress).await?;
            match session.exact_slices(&topology).await {
                Ok(tenants) => Ok((session, tenants)),
                Err(error) => {
                    // The first error is the one to show; a stop that also fails would hide it.
                    let _ = session.close().await;
                    Err(error)
                }
            }
        };
        let (session, tenants) = tokio::select! {
            opened = opened => opened?,
            () = interrupt.asked() => return Ok(exit::UNKNOWN),
        };
        terminal.settle();
        {
            let mut out = Vec::new();
            places::print(&tenants, &mut out)?;
            places::usage(&tenants, &mut out)?;
            if !self.detach {
                writeln!(out, "\nCtrl-C stops the servers and removes their folders")?;
            }
            look::say(&out)?;
        }
        if self.detach {
            session.detach().await?;
            return Ok(exit::PASS);
        }
        tokio::select! {
            () = interrupt.asked() => {
                session.close().await?;
            }
            over = session.over() => match over {
                Ok(why) => look::say(format!("{why}\n").as_bytes())?,
                Err(error) => {
                    // The first error is the one to show; the keeper may be gone.
                    let _ = session.close().await;
                    return Err(error.into());
                }
            },
        }
        Ok(exit::PASS)
    }
}
