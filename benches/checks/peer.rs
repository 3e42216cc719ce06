//! Porcupine in a process of its own, built by Go of the program beside this file. It is given files and asked for
//! verdicts, one after another. A file of its own, so that the suite asks the same one.

use std::{
    io::{BufRead as _, BufReader, Lines, Write as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use bulkhead_model::Verdict;

/// Porcupine, which ends when it is dropped or when nobody can ask it any more.
pub(crate) struct Porcupine {
    child: Child,
    questions: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Drop for Porcupine {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

impl Porcupine {
    /// Builds the program below that folder. Nothing where the machine has no Go.
    pub(crate) fn build(folder: &Path) -> Result<Option<PathBuf>> {
        if Command::new("go").arg("version").output().is_err() {
            return Ok(None);
        }
        let program = folder.join("porcupine");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/checks/porcupine");
        let mut go = Command::new("go");
        go.args(["build", "-o"]).arg(&program).arg(".").current_dir(source).stdin(Stdio::null());
        let output = go.output().context("cannot run `go build`")?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "`go build` of Porcupine failed: {}", said.trim());
        Ok(Some(program))
    }

    /// Starts it and waits until it has read these histories.
    pub(crate) fn start(program: &Path, histories: &[PathBuf]) -> Result<Self> {
        let mut command = Command::new(program);
        command.args(histories).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().context("cannot start Porcupine")?;
        let questions = child.stdin.take().context("no pipe")?;
        let answers = BufReader::new(child.stdout.take().context("no pipe")?).lines();
        let mut porcupine = Self { child, questions, answers };
        let said = porcupine.line()?;
        ensure!(said == "ready", "Porcupine began with `{said}`");
        Ok(porcupine)
    }

    /// Its verdict on the history of that number, and how long it took without reading it.
    pub(crate) fn judge(&mut self, history: usize) -> Result<(Verdict, Duration)> {
        writeln!(self.questions, "{history}").context("Porcupine is gone")?;
        let said = self.line()?;
        let (verdict, time) = said.split_once(' ').with_context(|| format!("Porcupine said `{said}`"))?;
        let verdict = match verdict {
            "ok" => Verdict::Pass,
            "illegal" => Verdict::Fail,
            "unknown" => Verdict::Unknown,
            other => bail!("Porcupine came to `{other}`"),
        };
        Ok((verdict, Duration::from_nanos(time.parse().context("Porcupine's time is no number")?)))
    }

    fn line(&mut self) -> Result<String> {
        self.answers
            .next()
            .context("Porcupine ended without an answer")?
            .context("cannot read Porcupine's answer")
    }
}
