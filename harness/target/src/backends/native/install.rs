//! Installs missing servers with the system's package manager, when that was asked for.
//!
//! The script is shown before it runs. Processes that want to install at the same time take turns, and each looks
//! again when its turn has come.

use std::{io, path::PathBuf, process::Stdio, time::Duration};

use bulkhead_model::RunEvent;
use tokio::{io::AsyncReadExt, net::UnixListener};

use crate::{Error, Missing, TargetSpec, keeper::name};

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
    let _turn = take_turn(&format!("bulkhead-install-{}", nix::unistd::getuid())).await?;
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
    let command = command(manager, &manager.script(&packages));
    announced(&packages, &command, progress).await?;
    check(spec)
}

/// Whether a package manager of this machine brings all that is missing.
pub(crate) fn can_install(missing: &[Missing]) -> bool {
    let manager = MANAGERS.iter().find(|manager| on_path(manager.program).is_some());
    manager.is_some_and(|manager| missing.iter().all(|missing| manager.package(missing.service).is_some()))
}

/// Runs the command once it was shown whole.
async fn announced(
    packages: &[&str],
    command: &[String],
    progress: &(dyn Fn(RunEvent) + Send + Sync),
) -> Result<(), Error> {
    let (words, script) = command.split_at(command.len().saturating_sub(1));
    progress(RunEvent::Note(format!(
        "installing {} with `{}` and this script:\n{}",
        packages.join(", "),
        words.join(" "),
        script.concat()
    )));
    run(command).await
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

/// Waits until no other process of this user installs. The turn ends with the value, and with its process whatever ends
/// that: it is an abstract socket, which leaves nothing in a folder.
async fn take_turn(name: &str) -> Result<UnixListener, Error> {
    let failed =
        |error: io::Error| Error::Install { why: format!("could not take a turn: {error}"), log: Vec::new() };
    loop {
        if let Some(turn) = name::listen(name).map_err(failed)? {
            return Ok(turn);
        }
        if let Some(mut other) = name::connect(name).map_err(failed)? {
            // It answers nobody; that it breaks off is the answer.
            let _broken_off = other.read(&mut [0]).await;
        }
    }
}

/// Where a program is on PATH.
fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file())
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use futures::poll;

    use super::*;

    #[tokio::test]
    async fn what_is_going_to_run_is_shown_before_it_runs() {
        let folder = tempfile::tempdir().unwrap();
        let (apt_get, ran) = (folder.path().join("apt-get"), folder.path().join("ran"));
        std::fs::write(&apt_get, format!("#!/bin/sh\necho \"$@\" >> '{}'\n", ran.display())).unwrap();
        std::fs::set_permissions(&apt_get, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let apt = MANAGERS.iter().find(|manager| manager.program == "apt-get").unwrap();
        let policy = folder.path().join("policy-rc.d");
        let script = apt.script(&["redis-server"]).replace("/usr/sbin/policy-rc.d", policy.to_str().unwrap());
        let script = format!("PATH='{}':/usr/bin:/bin\n{script}", folder.path().display());
        let command = ["sh", "-c", &script].map(String::from);

        let shown = Mutex::new(Vec::new());
        let progress = |event| {
            if let RunEvent::Note(note) = event {
                shown.lock().unwrap().push((note, ran.exists()));
            }
        };
        announced(&["redis-server"], &command, &progress).await.unwrap();
        let note = format!("installing redis-server with `sh -c` and this script:\n{script}");
        assert_eq!(*shown.lock().unwrap(), [(note, false)]);
        let ran = std::fs::read_to_string(ran).unwrap();
        assert!(ran.ends_with("install --yes --no-install-recommends redis-server\n"), "{ran}");
    }

    #[tokio::test]
    async fn those_who_install_take_turns() {
        let name = format!("bulkhead-install-test-{}", std::process::id());
        let first = take_turn(&name).await.unwrap();
        let mut second = Box::pin(take_turn(&name));
        let mut third = Box::pin(take_turn(&name));
        assert!(poll!(&mut second).is_pending() && poll!(&mut third).is_pending());
        drop(first);
        let second = second.await.unwrap();
        assert!(poll!(&mut third).is_pending());
        drop(second);
        third.await.unwrap();
    }
}
