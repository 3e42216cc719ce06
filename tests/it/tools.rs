//! Programs that nobody here wrote and that a test needs beside the servers: brought where that is allowed, as the
//! servers are, else a reason to skip.
//!
//! Only Debian's packages are named. Go is never brought: Debian 12's is too old for what is built with it.

use std::{
    env,
    process::{Command, Output},
    sync::{Mutex, PoisonError},
    thread,
};

use crate::support::{ensure_now, say};

/// Says that the test is skipped and why; fails it where nothing may be skipped.
pub(crate) fn skipped(reason: &str) {
    assert!(
        env::var_os("BULKHEAD_NO_SKIP").is_none_or(|value| value != "1"),
        "skipped although nothing may be: {reason}"
    );
    left_out(reason);
}

/// Says that the test is skipped and why, with its name first, by which it can be run elsewhere.
pub(crate) fn left_out(reason: &str) {
    let test = thread::current();
    say(&format!("skipped: {}: {reason}", test.name().unwrap_or("?")));
}

/// What `check` finds, once Debian's `packages` were installed with `BULKHEAD_INSTALL=1` if it found nothing before.
pub(crate) fn bring<T>(packages: &[&str], check: impl Fn() -> Result<T, String>) -> Result<T, String> {
    // One at a time, since `apt-get update` waits for nobody.
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    check().or_else(|missing| {
        let packages = packages.join(" ");
        if env::var_os("BULKHEAD_INSTALL").is_none_or(|value| value != "1") {
            return Err(format!("{missing}; BULKHEAD_INSTALL=1 or `apt-get install {packages}` brings it"));
        }
        // Where servers are missing too, their installation has its end first.
        ensure_now();
        install(&packages)?;
        check()
    })
}

fn install(packages: &str) -> Result<(), String> {
    let apt = "apt-get -o DPkg::Lock::Timeout=600";
    let script = format!("{apt} update && {apt} install --yes --no-install-recommends {packages}");
    let root: &[&str] =
        if nix::unistd::geteuid().is_root() { &["sh", "-c"] } else { &["sudo", "-n", "sh", "-c"] };
    say(&format!("installing {packages} with `{}` and this script:\n{script}", root.join(" ")));
    let mut command = Command::new(root[0]);
    command.args(&root[1..]).arg(&script).env("DEBIAN_FRONTEND", "noninteractive");
    succeed(&mut command).map(drop)
}

/// Runs a command to its end; what it wrote when it failed.
pub(crate) fn succeed(command: &mut Command) -> Result<Output, String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| format!("could not start `{program}`: {error}"))?;
    if output.status.success() {
        Ok(output)
    } else {
        Err(format!("`{program}` failed ({}): {}", output.status, written(&output).trim()))
    }
}

/// All that a program wrote.
pub(crate) fn written(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
