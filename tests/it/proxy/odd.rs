//! Requests as no client sends them, byte by byte: what Go's server answers before it looks for a route, ours answers too.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use super::{
    differential::toxiproxy,
    server::{CAP, Server},
};

/// Heads that both answer alike, each with a line that asks for the connection's end.
const HEADS: [&str; 14] = [
    "OPTIONS * HTTP/1.1\r\nHost: x",
    "GET * HTTP/1.1\r\nHost: x",
    "GET /proxies HTTP/1.1",
    "GET /proxies HTTP/1.0",
    "GET /proxies HTTP/1.1\r\nHost:",
    "GET /proxies HTTP/1.1\r\nHost: a b",
    "GET /proxies HTTP/1.1\r\nHost: a/b",
    "GET /proxies HTTP/1.1\r\nHost: x\r\nHost: y",
    "GET http://elsewhere/proxies HTTP/1.1\r\nHost: x",
    "GET proxies HTTP/1.1\r\nHost: x",
    "CONNECT a:1 HTTP/1.1\r\nHost: x",
    "get /proxies HTTP/1.1\r\nHost: x",
    "GET /proxies?#x HTTP/1.1\r\nHost: x",
    "GET /proxies?a;b HTTP/1.1\r\nHost: x",
];

/// The status, where it leads, the kind of body and the body of what comes back, up to the end of the connection.
pub(super) async fn raw(api: SocketAddr, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(api).await.unwrap();
    let (mut read, mut write) = stream.split();
    let mut answer = Vec::new();
    let exchange = async {
        // Whoever refuses a head does not read all of it.
        let (_, _) = tokio::join!(write.write_all(request), read.read_to_end(&mut answer));
    };
    timeout(CAP, exchange).await.expect("an answer and an end");
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1).unwrap_or("nothing");
    let told = ["location:", "content-type:"].map(|name| {
        let lines = head.lines().find(|line| line.to_ascii_lowercase().starts_with(name));
        lines.map_or(String::new(), |line| format!("[{}] ", line.to_ascii_lowercase()))
    });
    format!("{status} {}{body}|", told.concat())
}

#[tokio::test]
async fn odd_requests_are_answered_as_by_the_genuine_server() {
    let Some(program) = toxiproxy() else { return };
    let (theirs, ours) = (Server::genuine(&program).await, Server::ours(&[]).await);
    let lines: String = (0..1000).map(|number| format!("\r\nX-Line-{number}: y")).collect();
    let long = format!("\r\nX-Long: {}", "y".repeat(900_000));
    let heads = HEADS.iter().map(ToString::to_string);
    let large = [lines, long].map(|more| format!("GET /proxies HTTP/1.1\r\nHost: x{more}"));
    for head in heads.chain(large) {
        let request = format!("{head}\r\nConnection: close\r\n\r\n");
        let told = [raw(theirs.api, request.as_bytes()).await, raw(ours.api, request.as_bytes()).await];
        assert_eq!(told[0], told[1], "{head:.200}");
    }
    // The negative control: what differs is seen to.
    let request = b"GET /version HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    assert_ne!(raw(theirs.api, request).await, raw(ours.api, request).await);
    for (server, status) in [(theirs, "431"), (ours, "431")] {
        let request = format!("GET / HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "y".repeat(2 << 20));
        assert!(raw(server.api, request.as_bytes()).await.starts_with(status));
    }
}
