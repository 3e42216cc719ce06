//! Child processes that never outlive their parent.
//!
//! Three things see to it: the kernel signals the child when its parent dies (`PR_SET_PDEATHSIG`, set after any change
//! of user because that change clears it), every child carries the run's id in `BULKHEAD_RUN` and works below the
//! run's folder, so that the janitor can find strays, and [`Child::stop`] waits until the process is really gone.

use std::{
    collections::HashSet,
    ffi::OsString,
    fmt,
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use bulkhead_model::Service;
use nix::{sys::signal::Signal, unistd::Pid};

use crate::Error;

/// The variable that marks every process of a run.
pub const RUN_VARIABLE: &str = "BULKHEAD_RUN";

/// How much of a log's end is read for its last lines, in bytes.
const TAIL_BYTES: u64 = 64 * 1024;

/// How long the processes below one that was killed may take to be gone, which the kernel alone decides.
const FAMILY_GONE: Duration = Duration::from_secs(10);

/// What to start. The environment is exactly `env` plus `PATH`, `LANG`, `HOME`, `TMPDIR` and the run's mark.
#[derive(Clone)]
pub struct ChildSpec {
    /// The service that the process plays.
    pub service: Service,
    /// The run's id.
    pub run: String,
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// Its variables, of which some hold passwords.
    pub env: Vec<(OsString, OsString)>,
    /// Its working folder, below the run's folder.
    pub dir: PathBuf,
    /// Where standard output and error go, appended.
    pub log: PathBuf,
    /// User and group to become, when not our own.
    pub user: Option<(u32, u32)>,
    /// What the kernel sends the process when its parent dies: a signal upon which it ends at once.
    pub death_signal: Signal,
    /// Whether standard input and output are pipes for the parent (a control channel) instead of null and the log.
    pub piped: bool,
}

/// A running server.
#[derive(Debug)]
pub struct Child {
    service: Service,
    inner: tokio::process::Child,
    pid: Pid,
    log: PathBuf,
    death_signal: Signal,
}

impl fmt::Debug for ChildSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChildSpec")
            .field("program", &self.program)
            .field("args", &self.args)
            .finish_non_exhaustive()
    }
}

/// Has the kernel send the command's process that signal when its parent dies. It must be started on a thread that lives as
/// long as the parent process: the signal follows the thread, not the process.
pub(crate) fn tie(command: &mut tokio::process::Command, death_signal: Signal) {
    let parent = nix::unistd::getpid();
    let prepare = move || {
        nix::sys::prctl::set_pdeathsig(death_signal)?;
        // The parent may have died between fork and the line above: then no signal will ever come.
        if nix::unistd::getppid() == parent {
            Ok(())
        } else {
            Err(io::Error::from(io::ErrorKind::BrokenPipe))
        }
    };
    #[expect(
        unsafe_code,
        reason = "the closure makes two system calls, both async-signal-safe, and allocates nothing"
    )]
    unsafe {
        command.pre_exec(prepare);
    }
}

impl ChildSpec {
    /// Starts it.
    ///
    /// Must be called on a thread that lives as long as the parent process: the kernel's death signal follows the
    /// thread, not the process.
    ///
    /// # Errors
    /// When the log cannot be opened or the program cannot be started.
    pub fn spawn(self) -> Result<Child, Error> {
        let log = std::fs::OpenOptions::new().append(true).create(true).mode(0o600).open(&self.log);
        let log = log.map_err(Error::disk("open", &self.log))?;
        let errors = log.try_clone().map_err(Error::disk("open", &self.log))?;

        let mut command = tokio::process::Command::new(&self.program);
        command.args(&self.args).env_clear().env(RUN_VARIABLE, &self.run);
        command.env("PATH", std::env::var_os("PATH").unwrap_or_else(|| "/usr/bin:/bin".into()));
        command.env("LANG", "C.UTF-8").env("HOME", &self.dir).env("TMPDIR", &self.dir);
        command.envs(self.env).current_dir(&self.dir).stderr(errors);
        if self.piped {
            command.stdin(Stdio::piped()).stdout(Stdio::piped());
        } else {
            command.stdin(Stdio::null()).stdout(log);
        }
        if let Some((user, group)) = self.user {
            command.uid(user).gid(group);
        }
        let death_signal = self.death_signal;
        tie(&mut command, death_signal);
        let failed = |source| Error::Spawn { service: self.service, program: self.program.clone(), source };
        let inner = command.spawn().map_err(failed)?;
        let pid = inner.id().and_then(|pid| i32::try_from(pid).ok()).map(Pid::from_raw);
        let pid =
            pid.ok_or_else(|| failed(io::Error::other("the process ended before it could be watched")))?;
        Ok(Child { service: self.service, inner, pid, log: self.log, death_signal })
    }
}

/// A child that is let go ends as when its parent dies: a start that was given up must not leave more behind than a
/// killed one, and PostgreSQL keeps a System V segment when it is killed by SIGKILL.
impl Drop for Child {
    fn drop(&mut self) {
        self.signal(self.death_signal);
        self.signal(Signal::SIGCONT);
    }
}

impl Child {
    /// The process id.
    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// How it ended, if it has.
    ///
    /// # Errors
    /// When the system cannot say.
    pub fn exited(&mut self) -> io::Result<Option<ExitStatus>> {
        self.inner.try_wait()
    }

    /// The error for its having ended by itself, if it has, or for the system's not knowing.
    pub fn end(&mut self) -> Option<Error> {
        match self.exited() {
            Ok(None) => None,
            Ok(Some(status)) => Some(self.ended(status)),
            Err(source) => Some(Error::serve(self.service, "watch the server")(source)),
        }
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// When the system cannot say.
    pub async fn wait(&mut self) -> io::Result<ExitStatus> {
        self.inner.wait().await
    }

    /// Its pipes, once, when it was started with `piped`.
    pub fn pipes(&mut self) -> Option<(tokio::process::ChildStdin, tokio::process::ChildStdout)> {
        self.inner.stdin.take().zip(self.inner.stdout.take())
    }

    /// Sends a signal. Harmless after the end: the process is not reaped before [`Child::wait`] says so.
    pub fn signal(&self, signal: Signal) {
        if self.inner.id().is_some() {
            // It can only fail when the process is gone, which is what whoever signals is about to find out.
            let _gone = nix::sys::signal::kill(self.pid, signal);
        }
    }

    /// Stops the process and all below it where they are, or lets all of them go on.
    ///
    /// # Errors
    /// When the system cannot say which processes there are.
    pub fn pause(&self, paused: bool) -> io::Result<()> {
        self.tell_all(if paused { Signal::SIGSTOP } else { Signal::SIGCONT }).map(drop)
    }

    /// Kills the process and all below it, and returns when none of them is left.
    ///
    /// # Errors
    /// When the system cannot say which processes there are, or one of them does not go.
    pub async fn kill(&mut self) -> io::Result<()> {
        // Stopped first: what is killed one after another would see the others go and begin to clear up.
        let family: Vec<_> = self.tell_all(Signal::SIGSTOP)?.into_iter().filter_map(Process::read).collect();
        family.iter().for_each(|process| process.signal(Signal::SIGKILL));
        self.inner.wait().await?;
        if all_gone(&family, FAMILY_GONE).await {
            return Ok(());
        }
        Err(io::Error::new(
            io::ErrorKind::TimedOut,
            "a process below the server does not go although it was killed",
        ))
    }

    /// Sends a signal to the process and all below it, and says which they are.
    fn tell_all(&self, signal: Signal) -> io::Result<HashSet<i32>> {
        // The parent first, and again until no more are found: a stopped one makes no others.
        let mut told = HashSet::from([self.pid.as_raw()]);
        self.signal(signal);
        loop {
            let below: Vec<_> = parents()?
                .into_iter()
                .filter(|(pid, parent)| told.contains(parent) && !told.contains(pid))
                .collect();
            if below.is_empty() {
                return Ok(told);
            }
            for (pid, _) in below {
                // One that has ended meanwhile is no error.
                let _gone = nix::sys::signal::kill(Pid::from_raw(pid), signal);
                told.insert(pid);
            }
        }
    }

    /// Asks it to end with `signal`, gives it `grace`, then kills it; returns when it is gone.
    pub async fn stop(&mut self, signal: Signal, grace: Duration) {
        self.signal(signal);
        // A paused process sees no signal but SIGKILL until it goes on.
        self.signal(Signal::SIGCONT);
        if tokio::time::timeout(grace, self.inner.wait()).await.is_err() {
            self.signal(Signal::SIGKILL);
            let _status = self.inner.wait().await;
        }
    }

    /// The last `lines` lines of its log.
    pub fn log_tail(&self, lines: usize) -> Vec<String> {
        tail(&self.log, lines)
    }

    /// The error for its having ended by itself.
    pub fn ended(&self, status: ExitStatus) -> Error {
        Error::Exited { service: self.service, status, log: self.log_tail(20) }
    }
}

/// A process as Linux tells it apart from a later one with the same number.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Process {
    pid: i32,
    started: u64,
}

impl Process {
    /// The process, unless it is over and only waits for its parent to notice. None where there is no `/proc`.
    pub(crate) fn read(pid: i32) -> Option<Self> {
        let fields = stat(pid)?;
        let over = matches!(fields.first()?.as_str(), "Z" | "X");
        (!over).then_some(Self { pid, started: fields.get(19)?.parse().ok()? })
    }

    fn lives(&self) -> bool {
        Self::read(self.pid).as_ref() == Some(self)
    }

    /// Sends it a signal, if it lives.
    pub(crate) fn signal(&self, signal: Signal) {
        if self.lives() {
            // It may end in this very moment.
            let _gone = nix::sys::signal::kill(Pid::from_raw(self.pid), signal);
        }
    }
}

/// Waits until all of these are gone, and says whether they are in that time. Nothing tells of the end of a process
/// that is not one's child.
pub(crate) async fn all_gone(processes: &[Process], within: Duration) -> bool {
    let gone = async {
        while processes.iter().any(Process::lives) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(within, gone).await.is_ok()
}

/// What `/proc` says of a process after its name, from its state on (proc_pid_stat(5)).
fn stat(pid: i32) -> Option<Vec<String>> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The program's name is in parentheses and may hold anything, parentheses too.
    Some(stat.rsplit_once(')')?.1.split_ascii_whitespace().map(str::to_owned).collect())
}

/// The number of every process of the system. Nothing where there is no `/proc`.
pub(crate) fn all() -> io::Result<impl Iterator<Item = i32>> {
    Ok(std::fs::read_dir("/proc")?.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()))
}

/// Every process of the system with its parent.
fn parents() -> io::Result<Vec<(i32, i32)>> {
    Ok(all()?.filter_map(|pid| Some((pid, stat(pid)?.get(1)?.parse().ok()?))).collect())
}

/// The last `lines` lines of a file; nothing when it cannot be read.
pub(crate) fn tail(path: &Path, lines: usize) -> Vec<String> {
    let read = || -> io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
        let mut bytes = Vec::new();
        file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let text = read().unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let all: Vec<_> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].iter().map(|line| (*line).to_owned()).collect()
}
