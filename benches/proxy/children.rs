//! Child processes that end with the bench: this same program in another role, or a program that it turns into.
//!
//! A child asks for the kernel's death signal itself and then goes on as what it is to be, so that nothing has to run
//! between fork and exec.

use std::{
    env,
    ffi::OsString,
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    os::unix::process::CommandExt as _,
    process::{Child, Command, ExitCode, Stdio},
};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Resource, Rlimit, Signal};

use crate::{bare, server};

/// The first argument of a child; the parent's id and the role follow.
const CHILD: &str = "--child";

/// Open files that are enough for everything here.
const OPEN_FILES: u64 = 65_536;

/// What a child is to be.
pub(crate) enum Role {
    /// The server behind all peers.
    Server,
    /// The bare relay in front of these addresses.
    Relay([SocketAddr; 2]),
    /// A program with its arguments.
    Program(Vec<OsString>),
}

/// A child, killed when it is dropped.
pub(crate) struct Tied(Child);

impl Drop for Tied {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _reaped = self.0.wait();
    }
}

impl Tied {
    /// Starts a child. Call it on the main thread: the death signal follows the thread that forks.
    pub(crate) fn spawn(role: Role, stdout: Stdio, stderr: Stdio) -> Result<Self> {
        let mut command = Command::new(env::current_exe().context("cannot name this program")?);
        command.arg(CHILD).arg(std::process::id().to_string());
        match role {
            Role::Server => command.arg("server"),
            Role::Relay(upstreams) => command.arg("relay").args(upstreams.map(|address| address.to_string())),
            Role::Program(words) => command.arg("program").args(words),
        };
        // What the caller's shell says about logging is not to slow one of the peers.
        command.env_remove("LOG_LEVEL").env_remove("RUST_LOG");
        command.stdin(Stdio::null()).stdout(stdout).stderr(stderr);
        Ok(Self(command.spawn().context("cannot start a child")?))
    }

    /// Starts one of this program's own roles and reads where it listens.
    pub(crate) fn listening(role: Role) -> Result<(Self, [SocketAddr; 2])> {
        let mut child = Self::spawn(role, Stdio::piped(), Stdio::inherit())?;
        let mut line = String::new();
        BufReader::new(child.0.stdout.take().context("no pipe")?).read_line(&mut line)?;
        let addresses: Vec<SocketAddr> = line.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
        let addresses = addresses.try_into().ok().context("a child did not say where it listens")?;
        Ok((child, addresses))
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> Result<Option<std::process::ExitStatus>> {
        Ok(self.0.try_wait()?)
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }

    /// Its resident memory in bytes.
    pub(crate) fn resident(&self) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
        let kibibytes: u64 = line.trim().trim_end_matches(" kB").parse().context("VmRSS is no number")?;
        Ok(kibibytes * 1024)
    }
}

/// The processor time that a process has used so far, in seconds, to a hundredth.
pub(crate) fn spent(process: u32) -> Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The name of the program, in brackets, may hold anything.
    let (_, fields) = stat.rsplit_once(')').context("no process")?;
    let ticks: Vec<f64> =
        fields.split_whitespace().skip(11).take(2).map(str::parse).collect::<Result<_, _>>()?;
    // Linux shows times to user space in hundredths of a second.
    Ok(ticks.iter().sum::<f64>() / 100.0)
}

/// Plays the role that the arguments name, if they name one.
pub(crate) fn role() -> Option<ExitCode> {
    let mut words = env::args_os().skip(1);
    if words.next()? != CHILD {
        return None;
    }
    let played =
        tie(words.next()).and_then(|()| match words.next().and_then(|role| role.into_string().ok()) {
            Some(role) if role == "server" => server::run(),
            Some(role) if role == "relay" => bare::run(words),
            Some(role) if role == "program" => {
                let program = words.next().context("no program")?;
                Err(Command::new(&program).args(words).exec())
                    .with_context(|| format!("cannot run {program:?}"))
            }
            other => bail!("no such role: {other:?}"),
        });
    if let Err(error) = played {
        eprintln!("error: {error:#}");
        return Some(ExitCode::FAILURE);
    }
    Some(ExitCode::SUCCESS)
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

/// Raises the limit on open files, for this process and its children, as far as it may. Returns the limit.
pub(crate) fn allow_open_files() -> u64 {
    let wanted = Rlimit { current: Some(OPEN_FILES), maximum: Some(OPEN_FILES) };
    let old = rustix::process::getrlimit(Resource::Nofile);
    let raised = Rlimit { current: old.maximum, maximum: old.maximum };
    if old.maximum.is_some_and(|maximum| maximum < OPEN_FILES)
        && rustix::process::setrlimit(Resource::Nofile, wanted).is_ok()
    {
        return OPEN_FILES;
    }
    let _ = rustix::process::setrlimit(Resource::Nofile, raised);
    rustix::process::getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}
