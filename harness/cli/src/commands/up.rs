//! `bulkhead up`: stand-ins for local development, until Ctrl-C or, detached, until `bulkhead down`.

use std::{
    io::{self, Write},
    time::Duration,
};

use anyhow::{Context, Result};
use bulkhead_model::{Problems, RunEvent, Topology};
use bulkhead_target::{
    Error, FirstSlices, Session, TargetSpec, TenantAccess, backends::auto::Settled, keeper,
};
use clap::Args;

use crate::{
    args::{Format, Place, TargetArg, Volume},
    closing, exit, failure,
    failure::Hinted,
    interrupt::Interrupt,
    look, places,
    stand_ins::{self, Wanted},
    standing,
};

const EXAMPLES: &str = "\
Examples:
  bulkhead up             stay in the foreground; Ctrl-C stops the servers
  bulkhead up --detach    leave them running; `bulkhead down` stops them
  bulkhead up --target docker --s3 embedded    in containers, but for S3, which the server inside this binary plays
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

/// What an `up` that found nothing standing came to.
enum Opened {
    Own(Session, Vec<TenantAccess>),
    Theirs(keeper::Status),
}

impl Up {
    /// Starts the servers, makes the topology's slices under its own names, says where they are.
    pub(crate) async fn run(self, volume: Volume) -> Result<u8> {
        if self.place.target == TargetArg::Env {
            let hint = "real services are up already; `bulkhead verify --target env` works on them";
            return Err(Hinted::error("`up` starts stand-ins only", hint));
        }
        let topology = Topology::load(self.place.topology.as_deref());
        let (topology, mut spec) = Problems::both(topology, stand_ins::of_this_project())?;
        spec.linger = Duration::ZERO;
        spec.first = Some(FirstSlices::of(&topology));
        let (settled, status) = self.settle(spec).await?;
        let spec = &settled.spec;
        if let Some(status) = status
            && !status.exact.is_empty()
        {
            return standing::report(&status, spec, &topology);
        }

        let mut interrupt = Interrupt::listen().context("cannot listen for Ctrl-C")?;
        let terminal = look::terminal(Format::Human, volume);
        let progress = |event| terminal.event(&event);
        if let Some(told) = settled.told() {
            progress(RunEvent::Note(told));
        }
        let opened = tokio::select! {
            opened = self.open(spec, &topology, &progress) => opened?,
            () = interrupt.asked() => return Ok(exit::UNKNOWN),
        };
        terminal.settle();
        let (session, tenants) = match opened {
            Opened::Own(session, tenants) => (session, tenants),
            Opened::Theirs(status) => return standing::report(&status, spec, &topology),
        };
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
        let over = tokio::select! {
            () = interrupt.asked() => None,
            over = session.over() => Some(over),
        };
        match over {
            None => Ok(match closing::stand_ins(session.close(), &mut interrupt).await {
                None => exit::PASS,
                Some(left) => {
                    failure::report(&left, &mut io::stderr());
                    exit::UNKNOWN
                }
            }),
            Some(Ok(why)) => {
                look::say(format!("{why}\n").as_bytes())?;
                Ok(exit::PASS)
            }
            Some(Err(error)) => {
                // The first error is the one to show; the keeper may be gone.
                let _ = closing::stand_ins(session.close(), &mut interrupt).await;
                Err(error.into())
            }
        }
    }

    /// Settles of which kind the servers are: where nobody names one, of that of those that run. Beside it is what keeps these.
    async fn settle(&self, spec: TargetSpec) -> Result<(Settled, Option<keeper::Status>), Error> {
        let mut wanted = Wanted::of(spec, &self.place, stand_ins::variable);
        let status = keeper::status(&wanted.native).await?;
        if let Some(running) = status.as_ref().and_then(|status| status.kind.as_ref()) {
            wanted = wanted.like(running);
        }
        Ok((wanted.settle().await?, status))
    }

    /// Makes the slices, or finds those of an `up` that was started at the same time and was faster.
    async fn open(
        &self,
        spec: &TargetSpec,
        topology: &Topology,
        progress: &(dyn Fn(RunEvent) + Send + Sync),
    ) -> Result<Opened, Error> {
        let session = Session::open(spec, progress).await?;
        let made = if self.detach {
            session.lasting_slices(topology).await
        } else {
            session.exact_slices(topology).await
        };
        match made {
            Ok(tenants) => Ok(Opened::Own(session, tenants)),
            Err(error) => {
                // The first error is the one to show; a stop that also fails would hide it.
                let _ = session.close().await;
                match keeper::status(spec).await {
                    Ok(Some(status)) if !status.exact.is_empty() => Ok(Opened::Theirs(status)),
                    _ => Err(error),
                }
            }
        }
    }
}
