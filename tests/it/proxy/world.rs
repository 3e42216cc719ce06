//! One server with everything around it: the origin that its proxies lead to, and the connections through them. What
//! differs between two worlds by nature, the ports, is made equal here; nothing else is.

use std::{
    fmt,
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    task::JoinHandle,
    time::timeout,
};

use super::{
    server::{Answer, Request, Server},
    steps::{End, Step},
};

/// Told whenever something arrives or ends anywhere.
pub(super) type Events = Arc<watch::Sender<()>>;

/// The longest that a write of a few kilobytes may take.
const WRITE: Duration = Duration::from_secs(10);

/// A server, an origin and the connections between them.
pub(super) struct World {
    pub(super) server: Server,
    origin: Origin,
    connections: Vec<Connection>,
    changed: Events,
}

/// The server behind all proxies: it says nothing of its own.
struct Origin {
    address: String,
    accepted: Arc<Mutex<Vec<Side>>>,
    accepting: JoinHandle<()>,
}

/// One connection from the client's side, and which of the origin's it became.
struct Connection {
    client: Option<Side>,
    at_origin: usize,
}

/// One end of a connection.
#[derive(Clone)]
struct Side {
    write: Arc<tokio::sync::Mutex<OwnedWriteHalf>>,
    got: Arc<Mutex<Got>>,
    sent: usize,
}

/// What has arrived at one end.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Got {
    bytes: usize,
    hash: u64,
    ended: bool,
}

/// All that is to be seen of one connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    opened: bool,
    at_client: Option<Got>,
    at_origin: Option<Got>,
    /// Whether all that was sent has arrived.
    pub(super) whole: bool,
}

impl Seen {
    /// Whether nothing can come of it any more.
    pub(super) fn over(&self) -> bool {
        let ended = |got: Option<Got>| got.is_none_or(|got| got.ended);
        ended(self.at_client) && ended(self.at_origin)
    }

    /// As if one bit of what arrived at the origin were another.
    pub(super) fn corrupt(&mut self) {
        if let Some(got) = self.at_origin.as_mut().filter(|got| got.bytes > 0) {
            got.hash ^= 1;
        }
    }
}

impl World {
    pub(super) async fn new(server: Server, changed: Events) -> Self {
        Self { server, origin: Origin::new(changed.clone()).await, connections: Vec::new(), changed }
    }

    /// Nothing is left of what was before.
    pub(super) async fn clear(&mut self) {
        let proxies = self.server.ask("GET", "/proxies", "").await.body;
        let proxies: Value = serde_json::from_str(&proxies).unwrap();
        for name in proxies.as_object().unwrap().keys() {
            let target = format!("/proxies/{}", encoded(name));
            // A name with a slash in it cannot be addressed: such a proxy stays to the end.
            self.server.ask("DELETE", &target, "").await;
        }
        self.connections.clear();
        self.origin.accepted.lock().unwrap().clear();
    }

    /// Takes a step. What it did to connections is seen [later](Self::seen).
    pub(super) async fn take(&mut self, step: &Step) -> Option<Answer> {
        match step {
            Step::Call { method, target, agent, body } => {
                let body = self.filled(body).await;
                let request = Request { method, target, agent, body: &body };
                return Some(normal(self.server.call(request).await));
            }
            Step::Open { proxy } => self.open(proxy).await,
            Step::Send { connection, from, bytes } => self.send(*connection, *from, *bytes).await,
            Step::Finish { connection, from } => {
                if let Some(side) = self.side(*connection, *from) {
                    let _ = side.write.lock().await.shutdown().await;
                }
            }
        }
        None
    }

    /// All that is to be seen of all connections.
    pub(super) fn seen(&self) -> Vec<Seen> {
        let accepted = self.origin.accepted.lock().unwrap();
        let seen = self.connections.iter().map(|connection| {
            let origin = accepted.get(connection.at_origin).filter(|_| connection.client.is_some());
            let got = |side: &Side| *side.got.lock().unwrap();
            let (at_client, at_origin) = (connection.client.as_ref().map(got), origin.map(got));
            let carried = |from: Option<&Side>, to: Option<Got>| {
                from.map_or(0, |side| side.sent) == to.map_or(0, |got| got.bytes)
            };
            let whole = carried(connection.client.as_ref(), at_origin) && carried(origin, at_client);
            Seen { opened: connection.client.is_some(), at_client, at_origin, whole }
        });
        seen.collect()
    }

    /// The body with this world's addresses in it.
    async fn filled(&mut self, body: &[u8]) -> Vec<u8> {
        let Ok(text) = std::str::from_utf8(body) else { return body.to_vec() };
        let mut text = text.replace("{origin}", &self.origin.address);
        for name in ["a", "b"] {
            let mark = format!("{{listen:{name}}}");
            if text.contains(&mark) {
                let listen = self.listen(name).await.unwrap_or_else(|| "127.0.0.1:0".into());
                text = text.replace(&mark, &listen);
            }
        }
        text.into_bytes()
    }

    async fn listen(&mut self, proxy: &str) -> Option<String> {
        let answer = self.server.ask("GET", &format!("/proxies/{}", encoded(proxy)), "").await;
        let proxy: Value = serde_json::from_str(&answer.body).unwrap();
        proxy["listen"].as_str().map(str::to_owned)
    }

    /// Connects, and waits until the origin has the connection or it has ended.
    async fn open(&mut self, proxy: &str) {
        let at_origin = self.origin.accepted.lock().unwrap().len();
        let mut events = self.changed.subscribe();
        let stream = match self.listen(proxy).await {
            Some(listen) => TcpStream::connect(listen).await.ok(),
            None => None,
        };
        let client = stream.map(|stream| Side::new(stream, self.changed.clone()));
        let open = client.is_some();
        self.connections.push(Connection { client, at_origin });
        let settled = || {
            let seen = self.seen().pop();
            seen.is_some_and(|seen| seen.at_origin.is_some() || seen.at_client.is_some_and(|got| got.ended))
        };
        while open && !settled() {
            let event = timeout(WRITE, events.changed()).await;
            event.expect("a new connection is dialled on or ended").unwrap();
        }
    }

    async fn send(&mut self, connection: usize, from: End, bytes: usize) {
        let Some(side) = self.side(connection, from) else { return };
        let pattern = |at: usize| u8::try_from((at * 31 + connection * 7 + from as usize) % 251).unwrap();
        let data: Vec<u8> = (side.sent..side.sent + bytes).map(pattern).collect();
        let mut write = side.write.lock().await;
        // On a connection that has ended there is nobody to write to, which is seen at both ends.
        let _ = timeout(WRITE, write.write_all(&data)).await.expect("a few kilobytes are taken");
        drop(write);
        self.count(connection, from, bytes);
    }

    fn count(&mut self, connection: usize, from: End, bytes: usize) {
        let index = connection % self.connections.len();
        let connection = &mut self.connections[index];
        let mut accepted = self.origin.accepted.lock().unwrap();
        let side = match from {
            End::Client => connection.client.as_mut(),
            End::Origin => accepted.get_mut(connection.at_origin),
        };
        if let Some(side) = side {
            side.sent += bytes;
        }
    }

    fn side(&self, connection: usize, end: End) -> Option<Side> {
        let connection = self.connections.get(connection.checked_rem(self.connections.len())?)?;
        let client = connection.client.clone()?;
        match end {
            End::Client => Some(client),
            End::Origin => self.origin.accepted.lock().unwrap().get(connection.at_origin).cloned(),
        }
    }
}

impl Origin {
    async fn new(changed: Events) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let accepted: Arc<Mutex<Vec<Side>>> = Arc::default();
        let all = accepted.clone();
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                all.lock().unwrap().push(Side::new(stream, changed.clone()));
                changed.send_replace(());
            }
        });
        Self { address, accepted, accepting }
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Side {
    fn new(stream: TcpStream, changed: Events) -> Self {
        let (read, write) = stream.into_split();
        let got: Arc<Mutex<Got>> = Arc::default();
        tokio::spawn(collect(read, got.clone(), changed));
        Self { write: Arc::new(tokio::sync::Mutex::new(write)), got, sent: 0 }
    }
}

/// Reads to the end. A reset is an end like any other: what the kernel still held back is another program's choice.
async fn collect(mut read: OwnedReadHalf, got: Arc<Mutex<Got>>, changed: Events) {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let count = read.read(&mut buffer).await.unwrap_or(0);
        {
            let mut got = got.lock().unwrap();
            got.add(&buffer[..count]);
            got.ended = count == 0;
        }
        changed.send_replace(());
        if count == 0 {
            break;
        }
    }
}

impl Got {
    fn add(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len();
        for byte in bytes {
            self.hash = (self.hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3).rotate_left(5);
        }
    }
}

impl fmt::Debug for Got {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "{} bytes #{:04x}{}",
            self.bytes,
            self.hash & 0xffff,
            if self.ended { ", end" } else { "" }
        )
    }
}

/// The answer without this world's ports.
fn normal(mut answer: Answer) -> Answer {
    let mut body = String::new();
    let mut rest = answer.body.as_str();
    while let Some(at) = rest.find("127.0.0.1:") {
        let (before, port) = rest.split_at(at + "127.0.0.1:".len());
        let digits = port.bytes().take_while(u8::is_ascii_digit).count();
        body.push_str(before);
        body.push_str(if digits >= 4 { "PORT" } else { &port[..digits] });
        rest = &port[digits..];
    }
    body.push_str(rest);
    answer.body = body;
    answer
}

/// A name as a segment of a path.
pub(super) fn encoded(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    name.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}
