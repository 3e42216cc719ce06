//! What the command takes from the system for itself.

use std::{process::Stdio, time::Duration};

use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::Command,
    time::timeout,
};

/// The usual limit on open files is for interactive programs; a proxy takes two for a connection.
#[tokio::test]
async fn the_command_raises_its_limit_on_open_files() {
    let low = "ulimit -Sn 256 && exec \"$0\" proxy -host 127.0.0.1 -port 0";
    let mut command = Command::new("sh");
    command.args(["-c", low, env!("CARGO_BIN_EXE_bulkhead")]).env_remove("LOG_LEVEL").kill_on_drop(true);
    let mut proxy = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(proxy.stdout.take().unwrap()).lines();
    // It says first that it starts, and then where: by then the limit is raised.
    let listens = async { while !lines.next_line().await.unwrap().unwrap().contains("HTTP server") {} };
    timeout(Duration::from_secs(30), listens).await.unwrap();
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", proxy.id().unwrap())).unwrap();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files")).unwrap();
    let mut words = line.split_whitespace();
    let (soft, hard) = (words.next().unwrap(), words.next().unwrap());
    assert_ne!(soft, "256");
    assert_eq!(soft, hard);
}
