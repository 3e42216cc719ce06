//! The janitor: the process that clears away what a run leaves, also when its keeper is killed.
//!
//! It is started before the run's folder exists, in a session of its own, and waits for the end of its standard input,
//! whose other end only the keeper holds. The end comes when an orderly stop is over and when the keeper dies: both
//! take the same way, so the one that is needed most is the one that always runs.

use std::{
    io::Read,
    path::{Path, PathBuf},
    process::{ExitCode, Stdio},
};

use crate::{Error, deadlines::JANITOR_DONE, process::RUN_VARIABLE};

use super::strays;

/// The janitor as its keeper sees it.
pub(crate) struct Janitor {
    child: tokio::process::Child,
}

impl Janitor {
    /// Starts the janitor of a run.
    ///
    /// # Errors
    /// When the process cannot be started.
    pub(super) fn start(executable: &Path, run: &str, dir: &Path) -> Result<Self, Error> {
        let mut command = tokio::process::Command::new(executable);
        command.arg("__janitor").arg(run).arg(dir).current_dir("/").env_remove(RUN_VARIABLE);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        super::detach(&mut command);
        let doing = || format!("start the janitor `{}`", executable.display());
        let child =
            command.spawn().map_err(|source| Error::Keeper { doing: doing(), source: source.into() })?;
        Ok(Self { child })
    }

    /// Whether it has ended though it was not told to.
    pub(super) fn is_gone(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(Some(_)))
    }

    /// Lets it clear the run away and waits until it has.
    ///
    /// # Errors
    /// When something of the run is left.
    pub(crate) async fn finish(mut self) -> Result<(), Error> {
        drop(self.child.stdin.take());
        let failed = |source| Error::Keeper { doing: String::from("clear the run away"), source };
        match tokio::time::timeout(JANITOR_DONE, self.child.wait()).await {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(status)) => Err(failed(format!("the janitor ended with {status}").into())),
            Ok(Err(error)) => Err(failed(error.into())),
            Err(_) => Err(failed(format!("the janitor is not done after {JANITOR_DONE:?}").into())),
        }
    }
}

/// The janitor's process: `bulkhead __janitor RUN FOLDER`.
pub fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(2);
    let (Some(run), Some(dir)) = (args.next(), args.next()) else { return ExitCode::from(64) };
    let (run, dir) = (run.to_string_lossy().into_owned(), PathBuf::from(dir));
    // Nothing is ever written: reading ends when no keeper holds the other end. An error is an end as well.
    let _end = std::io::stdin().read_to_end(&mut Vec::new());
    match strays::clear(&run, &dir) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
