//! A service's own load generator: a program that ends with the bench, what it says and what it costs.
//!
//! This same program is started in its place, asks for the kernel's death signal itself and then turns into the tool, so
//! that nothing has to run between fork and exec.

use std::{
    env,
    ffi::OsString,
    io::{BufRead, BufReader, Read as _},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, ExitCode, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use bulkhead_model::Secret;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};

/// The first argument of a child; the parent's id, the program and its arguments follow.
const CHILD: &str = "--child";

/// The longest that a tool may take, a slow machine's included.
const LIMIT: Duration = Duration::from_secs(120);

/// What a tool's lines end with, progress that overwrites itself included.
const ENDS: [u8; 2] = *b"\r\n";

/// The tool of that name on `PATH`.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    let folders: Vec<_> = env::split_paths(&env::var_os("PATH")?).collect();
    folders.into_iter().map(|folder| folder.join(name)).find(|program| program.is_file())
}

/// A tool with its arguments.
pub(crate) struct Tool {
    program: PathBuf,
    command: Command,
    /// What is blotted out of its complaints.
    password: Secret,
}

impl Tool {
    /// One that logs in with this password.
    pub(crate) fn new(program: &Path, password: Secret) -> Result<Self> {
        let mut command = Command::new(env::current_exe().context("cannot name this program")?);
        command.arg(CHILD).arg(std::process::id().to_string()).arg(program);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Ok(Self { program: program.to_owned(), command, password })
    }

    pub(crate) fn arguments(mut self, words: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        self.command.args(words.into_iter().map(Into::into));
        self
    }

    /// Where it finds what nobody is to read in a list of processes.
    pub(crate) fn variable(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.command.env(name, value.into());
        self
    }

    /// Runs it to its end. `heard` is given each line of its standard output when it comes, and the process. Call it on the
    /// main thread: the death signal follows the thread that forks. Returns the processor time of the whole process.
    pub(crate) fn run(mut self, mut heard: impl FnMut(&str, u32) -> Result<()>) -> Result<f64> {
        let name = self.program.display().to_string();
        let mut child = Reaped(self.command.spawn().with_context(|| format!("cannot start `{name}`"))?);
        let (stdout, stderr) = (child.0.stdout.take().context("no pipe")?, child.0.stderr.take());
        let complaints = thread::spawn(move || {
            let mut text = String::new();
            let _as_far_as_it_goes = stderr.map(|mut stderr| stderr.read_to_string(&mut text));
            text
        });
        let (over, watched) = mpsc::channel::<()>();
        let process = Pid::from_child(&child.0);
        let watch = thread::spawn(move || {
            if watched.recv_timeout(LIMIT) == Err(mpsc::RecvTimeoutError::Timeout) {
                let _gone = kill_process(process, Signal::KILL);
            }
        });
        let mut stdout = BufReader::new(stdout);
        let mut line = Vec::new();
        while line_of(&mut stdout, &mut line)? {
            heard(&String::from_utf8_lossy(&line), child.0.id())?;
        }
        let processor = child.spent()?;
        // Until it is waited for, its number is nobody else's.
        drop(over);
        let _watched = watch.join();
        let status = child.0.wait().with_context(|| format!("cannot wait for `{name}`"))?;
        let complaints = complaints.join().unwrap_or_default().replace(self.password.expose(), "…");
        ensure!(status.success(), "`{name}` ended with {status}: {}", complaints.trim());
        Ok(processor)
    }
}

/// Reads up to the end of a line; false at the end of all.
fn line_of(from: &mut impl BufRead, line: &mut Vec<u8>) -> Result<bool> {
    line.clear();
    loop {
        let ready = from.fill_buf().context("cannot read what a tool says")?;
        if ready.is_empty() {
            return Ok(!line.is_empty());
        }
        let end = ready.iter().position(|byte| ENDS.contains(byte));
        line.extend_from_slice(&ready[..end.unwrap_or(ready.len())]);
        let read = end.map_or(ready.len(), |end| end + 1);
        from.consume(read);
        if end.is_some() {
            return Ok(true);
        }
    }
}

/// A child, killed when it is dropped.
struct Reaped(Child);

impl Reaped {
    /// What it has used when it has ended: it is waited for and left there to be looked at.
    fn spent(&self) -> Result<f64> {
        let process = Pid::from_child(&self.0);
        waitid(WaitId::Pid(process), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT)
            .context("cannot wait for a tool")?;
        spent(&self.0.id().to_string())
    }
}

impl Drop for Reaped {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _reaped = self.0.wait();
    }
}

/// The processor time that a process, by its number or `self`, has used so far, in seconds, to a hundredth.
pub(crate) fn spent(process: &str) -> Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The name of the program, in brackets, may hold anything.
    let (_, fields) = stat.rsplit_once(')').context("no process")?;
    let ticks: Vec<f64> =
        fields.split_whitespace().skip(11).take(2).map(str::parse).collect::<Result<_, _>>()?;
    // Linux shows times to user space in hundredths of a second.
    Ok(ticks.iter().sum::<f64>() / 100.0)
}

/// Turns into the tool that the arguments name, if they name one.
pub(crate) fn role() -> Option<ExitCode> {
    let mut words = env::args_os().skip(1);
    if words.next()? != CHILD {
        return None;
    }
    let turned = tie(words.next()).and_then(|()| {
        let program = words.next().context("no program")?;
        let error = Command::new(&program).args(words).exec();
        Err::<(), _>(error).with_context(|| format!("cannot run {program:?}"))
    });
    if let Err(error) = turned {
        eprintln!("error: {error:#}");
    }
    Some(ExitCode::FAILURE)
}

fn tie(parent: Option<OsString>) -> Result<()> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    // The parent may have died before the line above: then no signal will ever come.
    let now = rustix::process::getppid().map(|pid| Pid::as_raw(Some(pid)).to_string());
    if now.map(OsString::from) != parent {
        bail!("the bench is gone");
    }
    Ok(())
}
