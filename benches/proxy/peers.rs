//! What stands between client and server: nothing, the bare relay, Toxiproxy, or this project's proxy.

use std::{
    env,
    fs::File,
    io::{Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use crate::children::{Role, Tied};

/// How long a proxy may take to start, and an answer of its API.
const PATIENCE: Duration = Duration::from_secs(15);

/// Pause between two attempts to reach an API.
const POLL: Duration = Duration::from_millis(5);

/// The four, in the order of the table's columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    Direct,
    Relay,
    Toxiproxy,
    Bulkhead,
}

impl Peer {
    pub(crate) const ALL: [Self; 4] = [Self::Direct, Self::Relay, Self::Toxiproxy, Self::Bulkhead];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Relay => "splice relay",
            Self::Toxiproxy => "toxiproxy",
            Self::Bulkhead => "bulkhead",
        }
    }
}

/// A fault proxy that runs, and its API.
pub(crate) struct Proxy {
    pub(crate) process: Tied,
    api: SocketAddr,
    log: tempfile::NamedTempFile,
}

impl Proxy {
    /// Starts the peer's program and waits until its API answers. `None` when the machine has no Toxiproxy.
    pub(crate) fn start(peer: Peer) -> Result<Option<Self>> {
        let mut words: Vec<_> = match peer {
            Peer::Toxiproxy => match toxiproxy() {
                Some(program) => vec![program.into_os_string()],
                None => return Ok(None),
            },
            Peer::Bulkhead => vec![env!("CARGO_BIN_EXE_bulkhead").into(), "proxy".into()],
            Peer::Direct | Peer::Relay => bail!("{} has no API", peer.name()),
        };
        let api = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        words.extend(["-host".into(), "127.0.0.1".into(), "-port".into(), api.port().to_string().into()]);
        let log = tempfile::NamedTempFile::new()?;
        // Both log to standard output what they log by default; nobody reads it.
        let process = Tied::spawn(Role::Program(words), Stdio::null(), File::create(log.path())?.into())?;
        let mut proxy = Self { process, api, log };
        proxy.wait().with_context(|| format!("{} did not start: {}", peer.name(), proxy.last_words()))?;
        Ok(Some(proxy))
    }

    /// Makes a proxy in front of the address and returns where it listens.
    pub(crate) fn create(&self, name: &str, upstream: SocketAddr) -> Result<SocketAddr> {
        let upstream = upstream.to_string();
        let body = json!({ "name": name, "listen": "127.0.0.1:0", "upstream": upstream });
        let made = self.ask("POST", "/proxies", &body)?;
        Ok(made["listen"].as_str().context("the answer has no `listen`")?.parse()?)
    }

    /// Adds a toxic that bears its type's name, on the way to the client.
    pub(crate) fn add(&self, proxy: &str, kind: &str, attributes: &Value) -> Result<()> {
        let body = json!({ "name": kind, "type": kind, "stream": "downstream", "attributes": attributes });
        self.ask("POST", &format!("/proxies/{proxy}/toxics"), &body).map(|_| ())
    }

    fn wait(&mut self) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let Err(error) = self.ask("GET", "/version", &Value::Null) else { return Ok(()) };
            if let Some(status) = self.process.ended()? {
                bail!("it ended by itself ({status})");
            }
            if Instant::now() > deadline {
                return Err(error);
            }
            thread::sleep(POLL);
        }
    }

    fn ask(&self, method: &str, path: &str, body: &Value) -> Result<Value> {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let mut stream =
            TcpStream::connect(self.api).with_context(|| format!("cannot reach {}", self.api))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let head = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close", self.api);
        stream.write_all(format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).with_context(|| format!("no answer to {method} {path}"))?;
        let (head, body) = answer.split_once("\r\n\r\n").context("the answer is no HTTP")?;
        let status = head.split(' ').nth(1).unwrap_or_default();
        ensure!(status.starts_with('2'), "{method} {path} was answered with {status}: {body}");
        if body.is_empty() { Ok(Value::Null) } else { Ok(serde_json::from_str(body)?) }
    }

    fn last_words(&self) -> String {
        let text = std::fs::read_to_string(self.log.path()).unwrap_or_default();
        text.lines().last().unwrap_or("it wrote nothing to standard error").to_owned()
    }
}

fn toxiproxy() -> Option<PathBuf> {
    if let Some(named) = env::var_os("BULKHEAD_TOXIPROXY_BIN") {
        return Some(named.into());
    }
    let folders: Vec<_> = env::split_paths(&env::var_os("PATH")?).collect();
    folders.into_iter().map(|folder| folder.join("toxiproxy-server")).find(|program| program.is_file())
}
