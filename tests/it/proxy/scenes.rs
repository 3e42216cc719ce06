//! What is seen of a server in a scene of its own, as a line of text: how each departure is shown on both servers, and
//! that the table holds no entry that is not met.

use std::time::{Duration, Instant};

use tokio::{
    io::AsyncWriteExt as _,
    net::{TcpListener, TcpSocket, TcpStream},
    time::timeout,
};

use super::{
    departures::{Shown, TABLE},
    differential::toxiproxy,
    echo::{Echo, HELLO, back, echoed},
    odd::raw,
    server::{IGNORED, NOTE, Request, Server},
};

/// How long nothing must come where something is held for ten minutes.
const SILENCE: Duration = Duration::from_secs(3);

/// A scene.
#[derive(Clone, Copy, Debug)]
pub(super) enum Scene {
    /// Calls; the answer to the last one is told.
    Calls(&'static [Call]),
    /// A client says that it has said all and waits for the answer.
    HalfClose,
    /// A connection is older than the `reset_peer` that meets it.
    OldReset,
    /// A `reset_peer` is removed that has met its data and waits.
    RemovedReset,
    /// The server resets a connection.
    PeerReset,
    /// The upstream accepts nobody.
    Undialled,
    /// A toxic of toxicity 0.5 that spared a connection gets neighbours.
    Coin,
    /// A proxy with a toxic of toxicity 0.5 is made twice.
    Again,
    /// A connection is cut on the one way while a `slow_close` is on the other.
    HeldCut,
    /// A toxic that holds ten bytes is updated to what it is.
    HeldUpdate,
    /// A `timeout` of no toxicity is removed.
    SparedTimeout,
    /// A toxic with absurd attributes meets ten bytes.
    Absurd(&'static str),
    /// A request byte by byte.
    Raw(&'static str),
    /// A request whose head has so many lines.
    Lines(usize),
    /// A proxy whose JSON text has so many bytes.
    Large(usize),
    /// A toxic is removed while a client does not read.
    Unread,
}

/// A call; `{origin}` in its body becomes the address of a server.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call {
    pub(super) method: &'static str,
    pub(super) target: &'static str,
    pub(super) body: &'static str,
}

impl Scene {
    async fn told(self, mut server: Server) -> String {
        let echo = Echo::new().await;
        match self {
            Self::Calls(calls) => {
                let mut told = String::new();
                for call in calls {
                    let body = call.body.replace("{origin}", &echo.address);
                    let (method, target, agent) = (call.method, call.target, "scenes");
                    let answer = server.call(Request { method, target, agent, body: body.as_bytes() }).await;
                    let header = |name| answer.headers.get(name).map_or("none", String::as_str);
                    let (ignored, note) = (header(IGNORED), header(NOTE));
                    told = format!("{} {} ignored: {ignored} note: {note}", answer.status, answer.body);
                }
                told
            }
            Self::HalfClose => half_close(&mut server).await,
            Self::OldReset => {
                let mut stream = opened(&mut server, &echo).await;
                toxic(&mut server, r#"{"type":"reset_peer"}"#).await;
                stream.write_all(HELLO).await.unwrap();
                account(&mut stream).await
            }
            Self::RemovedReset => removed_reset(&mut server, &echo).await,
            Self::PeerReset => peer_reset(&mut server).await,
            Self::Undialled => undialled(&mut server).await,
            Self::Coin => coin(&mut server, &echo).await,
            Self::Again => again(&mut server, &echo).await,
            Self::HeldCut => {
                let mut stream = opened(&mut server, &echo).await;
                toxic(&mut server, r#"{"type":"slow_close","attributes":{"delay":600000}}"#).await;
                toxic(&mut server, r#"{"type":"limit_data","stream":"upstream"}"#).await;
                stream.write_all(HELLO).await.unwrap();
                timeout(SILENCE, account(&mut stream))
                    .await
                    .unwrap_or_else(|_| "0 bytes, then silence".into())
            }
            Self::Raw(request) => raw(server.api, request.as_bytes()).await,
            Self::Lines(lines) => {
                let lines: String = (0..lines).map(|_| "X: y\r\n").collect();
                let head = format!("GET /version HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{lines}\r\n");
                raw(server.api, head.as_bytes()).await
            }
            Self::Large(bytes) => {
                let long = "x".repeat(bytes);
                let body =
                    format!(r#"{{"name":"a","listen":"127.0.0.1:0","upstream":"x","unknown":"{long}"}}"#);
                let answer = server.ask("POST", "/proxies", &body).await;
                format!("{} {}", answer.status, answer.body)
            }
            Self::Unread => unread(&mut server).await,
            Self::HeldUpdate => held_update(&mut server, &echo).await,
            Self::SparedTimeout => {
                let mut stream = opened(&mut server, &echo).await;
                toxic(&mut server, r#"{"type":"timeout","name":"t","toxicity":0}"#).await;
                server.ask("DELETE", "/proxies/a/toxics/t", "").await;
                // An end that comes before these bytes makes them fail, which is seen below.
                let _ = stream.write_all(HELLO).await;
                account(&mut stream).await
            }
            Self::Absurd(body) => {
                let mut stream = opened(&mut server, &echo).await;
                toxic(&mut server, body).await;
                stream.write_all(HELLO).await.unwrap();
                let account = account(&mut stream).await;
                if account.ends_with("bytes") { account } else { server.end().await }
            }
        }
    }
}

/// The upstream answers only after the end of what it was asked.
async fn half_close(server: &mut Server) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let upstream = listener.local_addr().unwrap().to_string();
    let mut stream = TcpStream::connect(proxy(server, &upstream).await).await.unwrap();
    stream.write_all(HELLO).await.unwrap();
    stream.shutdown().await.unwrap();
    let (mut asked, _) = listener.accept().await.unwrap();
    assert_eq!(back(&mut asked, HELLO.len() + 1).await, (HELLO.to_vec(), Some("end")));
    let _ = asked.write_all(HELLO).await;
    account(&mut stream).await
}

/// The bytes are at the toxic long before its time is over, and the call is made then.
async fn removed_reset(server: &mut Server, echo: &Echo) -> String {
    const TIMEOUT: Duration = Duration::from_secs(8);
    let listen = proxy(server, &echo.address).await;
    toxic(server, r#"{"type":"reset_peer","name":"t","attributes":{"timeout":8000}}"#).await;
    let mut stream = TcpStream::connect(listen).await.unwrap();
    let sent = Instant::now();
    stream.write_all(HELLO).await.unwrap();
    timeout(SILENCE / 2, account(&mut stream)).await.expect_err("nothing comes before its time");
    let answer = server.ask("DELETE", "/proxies/a/toxics/t", "").await;
    let when = if sent.elapsed() < TIMEOUT { "before" } else { "in" };
    format!("removed {when} its time: {}, {}", answer.status, account(&mut stream).await)
}

async fn peer_reset(server: &mut Server) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let upstream = listener.local_addr().unwrap().to_string();
    let mut stream = TcpStream::connect(proxy(server, &upstream).await).await.unwrap();
    stream.write_all(HELLO).await.unwrap();
    let (mut asked, _) = listener.accept().await.unwrap();
    assert_eq!(back(&mut asked, HELLO.len()).await, (HELLO.to_vec(), None));
    asked.set_zero_linger().unwrap();
    drop(asked);
    account(&mut stream).await
}

/// A listener whose queue is full.
async fn undialled(server: &mut Server) -> String {
    const LIMIT: Duration = Duration::from_secs(10);
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut waiting = Vec::new();
    while let Ok(stream) = timeout(SILENCE / 10, TcpStream::connect(address)).await {
        waiting.push(stream.unwrap());
    }
    let listen = proxy(server, &address.to_string()).await;
    let began = Instant::now();
    let mut stream = TcpStream::connect(listen).await.unwrap();
    match timeout(LIMIT + 2 * SILENCE, account(&mut stream)).await {
        Ok(account) if began.elapsed() >= LIMIT => format!("{account} after {} s", LIMIT.as_secs()),
        Ok(account) => format!("{account} too soon"),
        Err(_) => "0 bytes, then silence".into(),
    }
}

/// What the toxic strikes is late by a length of time that no noise has.
async fn coin(server: &mut Server, echo: &Echo) -> String {
    const LATE: Duration = Duration::from_secs(2);
    let listen = proxy(server, &echo.address).await;
    toxic(server, r#"{"type":"latency","toxicity":0.5,"attributes":{"latency":2000}}"#).await;
    let mut stream = TcpStream::connect(&listen).await.unwrap();
    while struck(&mut stream, LATE).await {
        stream = TcpStream::connect(&listen).await.unwrap();
    }
    for _ in 0..20 {
        toxic(server, r#"{"type":"noop","name":"neighbour"}"#).await;
        server.ask("DELETE", "/proxies/a/toxics/neighbour", "").await;
        if struck(&mut stream, LATE).await {
            return "struck later".into();
        }
    }
    "spared to the end".into()
}

/// Whether ten bytes come back that late.
async fn struck(stream: &mut TcpStream, late: Duration) -> bool {
    let sent = Instant::now();
    stream.write_all(HELLO).await.unwrap();
    assert_eq!(back(stream, HELLO.len()).await, (HELLO.to_vec(), None));
    sent.elapsed() >= late
}

async fn again(server: &mut Server, echo: &Echo) -> String {
    let mut choices = Vec::new();
    for _ in 0..2 {
        let listen = proxy(server, &echo.address).await;
        toxic(server, r#"{"type":"limit_data","toxicity":0.5}"#).await;
        let mut spared = Vec::new();
        for _ in 0..32 {
            spared.push(echoed(&listen).await == HELLO);
        }
        assert!(spared.contains(&true) && spared.contains(&false), "both sides of the coin: {spared:?}");
        choices.push(spared);
        server.ask("DELETE", "/proxies/a", "").await;
    }
    if choices[0] == choices[1] { "the same choices".into() } else { "other choices".into() }
}

async fn held_update(server: &mut Server, echo: &Echo) -> String {
    let mut stream = opened(server, echo).await;
    let body = r#"{"type":"latency","name":"t","attributes":{"latency":600000}}"#;
    toxic(server, body).await;
    stream.write_all(HELLO).await.unwrap();
    // Again and again, since nothing tells when the bytes have come to the toxic.
    for _ in 0..10 {
        server.ask("PATCH", "/proxies/a/toxics/t", body).await;
        if let Ok(account) = timeout(SILENCE / 10, account(&mut stream)).await {
            return account;
        }
    }
    "0 bytes, then silence".into()
}

async fn unread(server: &mut Server) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let upstream = listener.local_addr().unwrap().to_string();
    let _client = TcpStream::connect(proxy(server, &upstream).await).await.unwrap();
    let (asked, _) = listener.accept().await.unwrap();
    toxic(server, r#"{"type":"noop","name":"t"}"#).await;
    // Full is full when nothing is taken for a while.
    let bytes = vec![0; 1 << 16];
    while timeout(SILENCE / 3, asked.writable()).await.is_ok() {
        let _ = asked.try_write(&bytes);
    }
    let answer = server.ask("DELETE", "/proxies/a/toxics/t", "").await;
    format!("removed: {}", answer.status)
}

/// Makes the proxy `a` and says where it listens.
async fn proxy(server: &mut Server, upstream: &str) -> String {
    let body = format!(r#"{{"name":"a","listen":"127.0.0.1:0","upstream":"{upstream}"}}"#);
    let answer = server.ask("POST", "/proxies", &body).await;
    let proxy: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    proxy["listen"].as_str().unwrap().to_owned()
}

/// A connection through the proxy `a` that has already carried bytes.
async fn opened(server: &mut Server, echo: &Echo) -> TcpStream {
    let mut stream = TcpStream::connect(proxy(server, &echo.address).await).await.unwrap();
    stream.write_all(HELLO).await.unwrap();
    assert_eq!(back(&mut stream, HELLO.len()).await, (HELLO.to_vec(), None));
    stream
}

async fn toxic(server: &mut Server, body: &str) {
    let answer = server.ask("POST", "/proxies/a/toxics", body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

/// How many of ten bytes came back, and how it ended if it did before all of them.
async fn account(stream: &mut TcpStream) -> String {
    let (bytes, end) = back(stream, HELLO.len()).await;
    let end = end.map(|end| format!(", then {end}")).unwrap_or_default();
    format!("{} bytes{end}", bytes.len())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_departure_with_a_scene_is_met() {
    let Some(program) = toxiproxy() else { return };
    let (mut shown, mut problems) = (0, Vec::new());
    for departure in TABLE {
        let Shown::Told { scene, theirs, ours } = departure.shown else { continue };
        let (theirs_told, ours_told) =
            tokio::join!(async { scene.told(Server::genuine(&program).await).await }, async {
                scene.told(Server::ours(&[]).await).await
            },);
        let told = [theirs_told, ours_told];
        let expected = [theirs, ours];
        for (at, told) in told.iter().enumerate() {
            if !told.contains(expected[at]) || told.contains(expected[1 - at]) {
                let server = ["the genuine server", "ours"][at];
                problems.push(format!("{} on {server}: {:?}, not {told:?}", departure.name, expected[at]));
            }
        }
        shown += 1;
    }
    assert!(problems.is_empty(), "not so, or no departure any more:\n{}", problems.join("\n"));
    assert!(shown > 5, "the table holds {shown} scenes");
}

#[test]
fn every_departure_has_a_name_of_its_own_and_a_reason() {
    let names: std::collections::BTreeSet<_> = TABLE.iter().map(|departure| departure.name).collect();
    assert_eq!(names.len(), TABLE.len());
    assert!(TABLE.iter().all(|departure| departure.reason.len() > 20));
}
