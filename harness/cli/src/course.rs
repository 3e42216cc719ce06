//! The course of a command that runs cases, from its plan to its exit code. What each shows at the end is its own.

use std::io;

use anyhow::{Context, Result};
use bulkhead_model::{Verdict, scenario::Case};
use bulkhead_report::Terminal;

use crate::{
    args::{Output, Place, Volume},
    breaking::Breaking,
    drive::{Drive, Driven},
    exit, failure,
    interrupt::Interrupt,
    look::read_enough,
    output::Folder,
    plan::Plan,
    project::Project,
    real::Opening,
};

/// Cases wait for servers and for faults to pass more than they compute, so more of them run than there are cores.
pub(crate) const JOBS: usize = 8;

/// What to run, and where its results go.
pub(crate) struct Course<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) place: &'a Place,
    pub(crate) project: &'a Project,
    pub(crate) opening: &'a Opening,
    pub(crate) volume: Volume,
    pub(crate) jobs: usize,
    /// How often a case that did not pass is tried again.
    pub(crate) retries: usize,
    /// Whether it ends with the first case that does not pass.
    pub(crate) fail_fast: bool,
    pub(crate) breaking: &'a Breaking,
    pub(crate) output: &'a Output,
    pub(crate) terminal: &'a Terminal,
}

/// A run that happened.
pub(crate) struct Finished {
    pub(crate) driven: Driven,
    pub(crate) folder: Folder,
}

impl<'a> Course<'a> {
    /// One that runs as many cases side by side as usual, each once and all of them, over links that the own proxy breaks.
    pub(crate) fn new(
        (plan, opening): (&'a Plan, &'a Opening),
        (project, place): (&'a Project, &'a Place),
        (output, terminal): (&'a Output, &'a Terminal),
        volume: Volume,
    ) -> Self {
        let (jobs, retries, fail_fast, breaking) = (JOBS, 0, false, &Breaking::Own);
        Self { plan, place, project, opening, volume, jobs, retries, fail_fast, breaking, output, terminal }
    }

    /// Brings servers up, runs every case, lets the servers go.
    ///
    /// # Errors
    /// When nothing could be run; then no folder is left.
    pub(crate) async fn run(&self) -> Result<Finished> {
        let Self {
            plan,
            place,
            project,
            opening,
            volume,
            jobs,
            retries,
            fail_fast,
            breaking,
            output,
            terminal,
        } = *self;
        let cases = plan.cases.iter().map(|planned| &planned.case);
        let unable = |case: &Case| opening.unable(case).or_else(|| breaking.unable(case));
        let able: Vec<_> = cases.filter(|case| unable(case).is_none()).collect();
        let admission = opening.admit(&plan.topology, (&able, retries + 1))?;
        let folder = match &output.out {
            Some(out) => Folder::make(out)?,
            None => Folder::make(&project.results())?,
        };
        let interrupt = Interrupt::listen().context("cannot listen for Ctrl-C")?;
        let topology = &project.topology(place.topology.as_deref());
        let drive = Drive {
            plan,
            opening,
            volume,
            topology,
            jobs,
            retries,
            fail_fast,
            breaking,
            admission,
            folder: &folder,
            terminal,
        };
        match drive.run(interrupt).await {
            Ok(driven) => Ok(Finished { driven, folder }),
            Err(error) => {
                terminal.settle();
                folder.remove_if_empty();
                Err(error)
            }
        }
    }
}

impl Finished {
    /// Writes the reports, has the result shown with the exit code that it comes to, and gives that code.
    ///
    /// A run that happened keeps its verdict whatever becomes of its reports; a pass that could not be written down
    /// whole, or whose servers may be left, is doubtful.
    pub(crate) fn conclude(&self, output: &Output, show: impl FnOnce(u8) -> io::Result<()>) -> u8 {
        let verdict = self.driven.report.verdict;
        let saved = self.folder.write(&self.driven.report, output);
        let doubtful = saved.is_err() || self.driven.left.is_some();
        let code = exit::settle(if doubtful { verdict.max(Verdict::Unknown) } else { verdict });
        let shown = read_enough(show(code));
        let errors = [saved.err(), shown.context("could not show the result").err()];
        for error in errors.iter().flatten().chain(&self.driven.left) {
            failure::report(error, &mut io::stderr());
        }
        code
    }
}
