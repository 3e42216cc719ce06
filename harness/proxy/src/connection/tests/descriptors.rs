//! A proxy whose process has run out of descriptors: a child process with a low limit, this one has both peers.

use std::{
    io::{Read as _, Write as _},
    process::{Child, Command, Stdio},
};

use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    net::{TcpListener, TcpStream},
};

use super::{receive, rest, send, soon, spec};
use crate::{Proxies, Settings, seed::Seed};

/// Tells the child where to dial, and that it is the child.
const UPSTREAM: &str = "BULKHEAD_TEST_UPSTREAM";

/// Descriptors that the child may have, enough for a few connections, of which each takes two: one of the limits is met
/// by accepting, the other by dialling.
const LIMITS: [usize; 2] = [40, 41];

/// Ends the child with the test.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = (self.0.kill(), self.0.wait());
    }
}

#[tokio::test]
async fn a_proxy_without_descriptors_keeps_what_it_has_refuses_new_ones_and_recovers() {
    if let Ok(upstream) = std::env::var(UPSTREAM) {
        return child(&upstream).await;
    }
    for limit in LIMITS {
        exhaust(limit).await;
    }
}

async fn exhaust(limit: usize) {
    let upstream = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (_child, address) = started(&upstream.local_addr().unwrap().to_string(), limit).await;

    let mut pairs = Vec::new();
    while let Some(pair) = tried(&address, &upstream).await {
        pairs.push(pair);
        assert!(pairs.len() < limit);
    }
    assert!(pairs.len() > 2, "only {} connections", pairs.len());
    for _ in 0..3 {
        assert!(tried(&address, &upstream).await.is_none());
    }
    for (client, server) in &mut pairs {
        send(client, b"kept").await;
        receive(server, b"kept").await;
        send(server, b"kept").await;
        receive(client, b"kept").await;
    }
    pairs.truncate(pairs.len() / 2);
    // The child learns of it in its own time; until then it refuses.
    let recovers = async { while tried(&address, &upstream).await.is_none() {} };
    soon(recovers).await;
}

/// A connection through the proxy, or nothing when it was closed instead.
async fn tried(address: &str, upstream: &TcpListener) -> Option<(TcpStream, TcpStream)> {
    let mut client = soon(TcpStream::connect(address)).await.unwrap();
    tokio::select! {
        accepted = upstream.accept() => Some((client, accepted.unwrap().0)),
        _ = rest(&mut client) => None,
    }
}

async fn started(upstream: &str, limit: usize) -> (Ended, String) {
    let name = std::thread::current().name().unwrap().to_owned();
    let mut child = Command::new("sh")
        .args(["-c", &format!("ulimit -n {limit} && exec \"$@\""), "sh"])
        .arg(std::env::current_exe().unwrap())
        .args([&name, "--exact", "--nocapture", "--test-threads=1"])
        .env(UPSTREAM, upstream)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let said = tokio::process::ChildStdout::from_std(child.stdout.take().unwrap()).unwrap();
    let child = Ended(child);
    let mut lines = BufReader::new(said).lines();
    loop {
        let line = soon(lines.next_line()).await.unwrap().unwrap();
        if let Some((_, address)) = line.split_once("listens at ") {
            return (child, address.to_owned());
        }
    }
}

async fn child(upstream: &str) {
    let proxies = Proxies::new(Settings { seed: Seed(7), whole_close: false });
    let view = proxies.create(spec(upstream, Vec::new())).await.unwrap();
    let mut out = std::io::stdout();
    out.write_all(format!("listens at {}\n", view.listen).as_bytes()).unwrap();
    out.flush().unwrap();
    let gone = tokio::task::spawn_blocking(|| std::io::stdin().read(&mut [0]));
    let _ = gone.await.unwrap();
}
