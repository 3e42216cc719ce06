//! Installs missing servers with the system's package manager, when that was asked for.
//!
//! The script is shown before it runs. Processes that want to install at the same time take turns, and each looks
//! again when its turn has come.

use std::{
    fs::File,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use bulkhead_model::RunEvent;
use nix::fcntl::{Flock, FlockArg};

use crate::{Error, TargetSpec};

use super::{
    find::{check, missing},
    packages::{MANAGERS, Manager},
};

/// The longest that one installation may take.
const PATIENCE: Duration = Duration::from_secs(30 * 60);

/// Installs what is missing for `spec`, telling `progress` the exact script first.
///
/// # Errors
/// [`Error::Missing`] when no known package manager is here or servers are still missing afterwards,
/// [`Error::Install`] with the end of its output when it failed.
pub(super) async fn install(
    spec: &TargetSpec,
    progress: &(dyn Fn(RunEvent) + Send + Sync),
) -> Result<(), Error> {
    let _turn = take_turn(&spec.temp).await?;
    let wanted = missing(spec);
    if wanted.is_empty() {
        return Ok(());
    }
    let Some(manager) = MANAGERS.iter().find(|manager| on_path(manager.program).is_some()) else {
        return Err(Error::Missing(wanted));
    };
    let packages: Vec<_> = wanted.iter().filter_map(|m| manager.package(m.service)).collect();
    if packages.is_empty() {
        return Err(Error::Missing(wanted));
    }
    let script = manager.script(&packages);
    let command = command(manager, &script);
    progress(RunEvent::Note(format!(
        "installing {} with `{}` and this script:\n{script}",
        packages.join(", "),
        command[..command.len() - 1].join(" ")
    )));
    run(&command).await?;
    check(spec)
}

/// The words of the command: `[sudo -n] sh -c SCRIPT`.
fn command(manager: &Manager, script: &str) -> Vec<String> {
    let sudo = manager.root && !nix::unistd::geteuid().is_root() && on_path("sudo").is_some();
    // Without `-n`, sudo would wait for a password that nobody is there to type.
    let words: &[&str] = if sudo { &["sudo", "-n", "sh", "-c"] } else { &["sh", "-c"] };
    words.iter().map(|word| String::from(*word)).chain([script.to_owned()]).collect()
}

async fn run(command: &[String]) -> Result<(), Error> {
    let failed = |why: String, log| Error::Install { why, log };
    let (program, args) = command.split_first().ok_or_else(|| failed("no command".into(), Vec::new()))?;
    let child =
        tokio::process::Command::new(program).args(args).stdin(Stdio::null()).kill_on_drop(true).output();
    let output = tokio::time::timeout(PATIENCE, child).await;
    let output = output.map_err(|_| failed(format!("not done after {PATIENCE:?}"), Vec::new()))?;
    let output =
        output.map_err(|source| failed(format!("could not start `{program}`: {source}"), Vec::new()))?;
    if output.status.success() {
        return Ok(());
    }
    let text =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let lines: Vec<_> = text.lines().map(str::to_owned).collect();
    Err(failed(output.status.to_string(), lines[lines.len().saturating_sub(20)..].to_vec()))
}

/// Waits until no other process of this user installs; the turn ends when the value is dropped.
async fn take_turn(temp: &Path) -> Result<Flock<File>, Error> {
    let path = temp.join(format!("bulkhead-install-{}.lock", nix::unistd::getuid()));
    let open = File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(nix::libc::O_NOFOLLOW)
        .open(&path);
    let file = open.map_err(Error::disk("open", &path))?;
    let waiting = tokio::task::spawn_blocking(move || Flock::lock(file, FlockArg::LockExclusive));
    let failed = |why: String| Error::Install { why, log: Vec::new() };
    let lock = waiting.await.map_err(|error| failed(error.to_string()))?;
    lock.map_err(|(_, error)| failed(format!("could not lock `{}`: {error}", path.display())))
}

/// Where a program is on PATH.
fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file())
}
