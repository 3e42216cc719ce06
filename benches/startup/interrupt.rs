//! Ctrl-C on a `bulkhead up` in the foreground: from the signal until nothing of it is left, neither a process nor a
//! file. A port or socket needs a process, so that these are gone too.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use nix::{sys::signal::Signal, unistd::Pid};
use tokio::io::{AsyncBufReadExt, BufReader};

/// Pause between two looks at what is left.
const POLL: Duration = Duration::from_millis(5);

/// After which it is a fault and no figure.
const PATIENCE: Duration = Duration::from_secs(60);

/// Starts everything in a folder of its own, interrupts it once it is up, and sees it vanish.
pub(crate) async fn interrupt() -> Result<Duration> {
    let folder = tempfile::Builder::new().prefix("bulkhead-bench-").tempdir()?;
    let temp = folder.path().join("tmp");
    fs::create_dir(&temp)?;
    for path in [folder.path(), &temp] {
        // PostgreSQL, which will not run as root, must be able to pass through.
        fs::set_permissions(path, fs::Permissions::from_mode(0o711))?;
    }
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_bulkhead"));
    // The folder is the project that it is up for, and the place of all that it makes.
    command.arg("up").current_dir(folder.path()).env("TMPDIR", &temp).kill_on_drop(true);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn()?;
    let mut lines = BufReader::new(child.stdout.take().context("no output")?).lines();
    let up = async {
        while let Some(line) = lines.next_line().await? {
            if line.contains("Ctrl-C stops") {
                return Ok(());
            }
        }
        anyhow::bail!("`bulkhead up` ended before it was up")
    };
    tokio::time::timeout(PATIENCE, up).await.context("`bulkhead up` is not up in time")??;
    ensure!(!left(&temp).is_empty(), "nothing of a running `bulkhead up` is to be seen");

    let pid = child.id().and_then(|pid| i32::try_from(pid).ok()).context("`bulkhead up` ended by itself")?;
    let start = Instant::now();
    nix::sys::signal::kill(Pid::from_raw(pid), Signal::SIGINT)?;
    let status = tokio::time::timeout(PATIENCE, child.wait()).await.context("Ctrl-C does not end it")??;
    ensure!(status.success(), "after Ctrl-C it ended with {status}");
    loop {
        let left = left(&temp);
        if left.is_empty() {
            return Ok(start.elapsed());
        }
        ensure!(start.elapsed() < PATIENCE, "still there: {left:?}");
        tokio::time::sleep(POLL).await;
    }
}

/// Files below the folder, and processes that work there or were started with its name.
fn left(folder: &Path) -> Vec<String> {
    let name = folder.as_os_str().as_encoded_bytes();
    let names = |bytes: Vec<u8>| bytes.windows(name.len()).any(|window| window == name);
    let entries = |path: &Path| fs::read_dir(path).into_iter().flatten().flatten();
    let files = entries(folder).map(|entry| entry.path().display().to_string());
    let processes = entries(Path::new("/proc")).filter(|process| {
        ["environ", "cmdline"]
            .iter()
            .any(|file| names(fs::read(process.path().join(file)).unwrap_or_default()))
    });
    files.chain(processes.map(|process| process.path().display().to_string())).collect()
}
