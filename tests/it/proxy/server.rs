//! A running server that speaks Toxiproxy's API, the genuine one or ours, and one client for both: by hand, so that it
//! can send what no library would.

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
    process::{Child, Command},
    time::timeout,
};

/// The longest wait for a start or an answer: only a hang reaches it.
pub(super) const CAP: Duration = Duration::from_secs(30);

/// Ours names keys here that mean nothing; no other server sends it.
pub(super) const IGNORED: &str = "x-bulkhead-ignored-keys";

/// Ours says here which values act otherwise than they read; no other server sends it.
pub(super) const NOTE: &str = "x-bulkhead-note";

/// The headers that a client may act on. Of an opaque one only the presence counts.
const HEADERS: [&str; 8] = [
    "content-type",
    "x-content-type-options",
    "location",
    "allow",
    "content-encoding",
    "x-toxiproxy-request-id",
    IGNORED,
    NOTE,
];

/// A server of its own process. It ends when this is dropped.
pub(super) struct Server {
    child: Child,
    pub(super) api: SocketAddr,
    open: Option<BufReader<TcpStream>>,
}

/// What a call came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: BTreeMap<String, String>,
    pub(super) body: String,
}

/// One request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Request<'a> {
    pub(super) method: &'a str,
    /// As it stands on the wire.
    pub(super) target: &'a str,
    pub(super) agent: &'a str,
    pub(super) body: &'a [u8],
}

/// The genuine server's program, or how to get it.
pub(super) fn genuine() -> Result<PathBuf, String> {
    find("BULKHEAD_TOXIPROXY_BIN", "toxiproxy-server", "server")
}

/// A program of Toxiproxy's: where a variable says or on PATH. Without the version Go installs a much older one.
pub(super) fn find(variable: &str, name: &str, command: &str) -> Result<PathBuf, String> {
    let named = env::var_os(variable).map(PathBuf::from);
    let path = env::var_os("PATH").unwrap_or_default();
    let on_path = env::split_paths(&path).map(|folder| folder.join(name));
    named.into_iter().chain(on_path).find(|file| file.is_file()).ok_or_else(|| {
        let install = format!("go install github.com/Shopify/toxiproxy/v2/cmd/{command}@v2.12.0");
        format!("no {name} on PATH; `{install}` makes one, and {variable} says where it is")
    })
}

impl Server {
    /// Starts the genuine server.
    pub(super) async fn genuine(program: &Path) -> Self {
        Self::start(program, &["-host", "127.0.0.1", "-port", "0"]).await
    }

    /// Starts ours.
    pub(super) async fn ours(arguments: &[&str]) -> Self {
        let program = Path::new(env!("CARGO_BIN_EXE_bulkhead"));
        let all = [&["proxy", "-host", "127.0.0.1", "-port", "0"], arguments].concat();
        Self::start(program, &all).await
    }

    pub(super) async fn start(program: &Path, arguments: &[&str]) -> Self {
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.env("LOG_LEVEL", "fatal").kill_on_drop(true).spawn().unwrap();
        let pid = child.id().unwrap();
        let begun = Instant::now();
        let port = loop {
            if let Some(port) = listening(pid).into_iter().next() {
                break port;
            }
            let ended = child.try_wait().unwrap();
            assert!(ended.is_none(), "{} {arguments:?} ended: {ended:?}", program.display());
            assert!(begun.elapsed() < CAP, "{} does not listen", program.display());
            tokio::time::sleep(Duration::from_millis(5)).await;
        };
        Self { child, api: SocketAddr::from((Ipv4Addr::LOCALHOST, port)), open: None }
    }

    /// Its process.
    pub(super) fn pid(&self) -> u32 {
        self.child.id().unwrap()
    }

    /// Lets go of the connection that was left open.
    pub(super) fn forget(&mut self) {
        self.open = None;
    }

    /// Whether it still runs.
    pub(super) fn lives(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits for its end, for a server that is expected to end by itself.
    pub(super) async fn end(mut self) -> String {
        match timeout(CAP, self.child.wait()).await {
            Ok(_) => "the server is dead".into(),
            Err(_) => "the server lives".into(),
        }
    }

    /// Asks for something, over the connection that the last answer left open where there is one.
    pub(super) async fn call(&mut self, request: Request<'_>) -> Answer {
        let answer = timeout(CAP, self.exchange(request)).await;
        let answer = answer.unwrap_or_else(|_| panic!("no answer within {CAP:?} to {request:?}"));
        let lives = self.lives();
        answer.unwrap_or_else(|error| panic!("{error} after {request:?}; the server lives: {lives}"))
    }

    /// `GET` or a call with a JSON text, as any client would.
    pub(super) async fn ask(&mut self, method: &str, target: &str, body: &str) -> Answer {
        self.call(Request { method, target, agent: "differential", body: body.as_bytes() }).await
    }

    async fn exchange(&mut self, request: Request<'_>) -> std::io::Result<Answer> {
        let Request { method, target, agent, body } = request;
        let length = body.len();
        let head = format!(
            "{method} {target} HTTP/1.1\r\nhost: {}\r\nuser-agent: {agent}\r\ncontent-length: {length}\r\n\r\n",
            self.api
        );
        let mut stream = match self.open.take() {
            Some(open) => open,
            None => BufReader::new(TcpStream::connect(self.api).await?),
        };
        stream.get_mut().write_all(&[head.as_bytes(), body].concat()).await?;
        let (answer, closes) = read(&mut stream, method == "HEAD").await?;
        self.open = (!closes).then_some(stream);
        Ok(answer)
    }
}

/// Reads one answer; true when the connection ends with it.
async fn read(stream: &mut BufReader<TcpStream>, bare: bool) -> std::io::Result<(Answer, bool)> {
    let first = line(stream).await?;
    let status = first.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    let mut all = BTreeMap::new();
    loop {
        let header = line(stream).await?;
        let Some((name, value)) = header.split_once(':') else { break };
        all.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let mut closes = all.get("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
    let mut body = Vec::new();
    if bare || matches!(status, 204 | 304) {
    } else if all.get("transfer-encoding").is_some_and(|value| value == "chunked") {
        loop {
            let size = usize::from_str_radix(&line(stream).await?, 16).unwrap_or(0);
            let mut chunk = vec![0; size];
            stream.read_exact(&mut chunk).await?;
            line(stream).await?;
            if size == 0 {
                break;
            }
            body.extend(chunk);
        }
    } else if let Some(length) = all.get("content-length") {
        body.resize(length.parse().unwrap_or(0), 0);
        stream.read_exact(&mut body).await?;
    } else {
        stream.read_to_end(&mut body).await?;
        closes = true;
    }
    all.retain(|name, _| HEADERS.contains(&name.as_str()));
    if let Some(id) = all.get_mut("x-toxiproxy-request-id") {
        *id = if id.is_empty() { "empty".into() } else { "some".into() };
    }
    Ok((Answer { status, headers: all, body: String::from_utf8_lossy(&body).into_owned() }, closes))
}

async fn line(stream: &mut BufReader<TcpStream>) -> std::io::Result<String> {
    let mut line = String::new();
    if stream.read_line(&mut line).await? == 0 {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    }
    Ok(line.trim_end().to_owned())
}

/// The ports of IPv4 on which a process listens, asked of the kernel: a server that picked its own port says it nowhere.
pub(super) fn listening(pid: u32) -> Vec<u16> {
    let files = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    let sockets: BTreeSet<_> = files
        .filter_map(|file| fs::read_link(file.path()).ok())
        .filter_map(|link| Some(link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned()))
        .collect();
    let table = fs::read_to_string("/proc/net/tcp").unwrap();
    let rows = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    rows.filter(|row| row.get(3) == Some(&"0A") && row.get(9).is_some_and(|inode| sockets.contains(*inode)))
        .filter_map(|row| u16::from_str_radix(row[1].split_once(':')?.1, 16).ok())
        .collect()
}
