//! Addresses as Go reads them, on both servers: names of ports and zones of IPv6, to listen on and to dial. Each server
//! is asked alone, since two cannot listen on one named port.

use std::fs;

use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::{
    super::tools::skipped,
    differential::toxiproxy,
    echo::{Echo, HELLO, echoed},
    server::Server,
};

const NO_NAME: &str = "/etc/services names no free port; `apt-get install netbase` brings the file";

/// What a proxy that is to listen there comes to: the answer, its free port masked, and whether it carries bytes.
async fn listening(server: &mut Server, listen: &str, upstream: &str) -> String {
    let body = json!({"name": "a", "listen": listen, "upstream": upstream});
    let answer = server.ask("POST", "/proxies", &body.to_string()).await;
    let mut said = format!("{listen}: {} {}", answer.status, answer.body.replace(upstream, "UPSTREAM"));
    if answer.status == 201 {
        let made: Value = serde_json::from_str(&answer.body).unwrap();
        let bound = made["listen"].as_str().unwrap();
        let (host, port) = bound.rsplit_once(':').unwrap();
        let dialled = if host == "[::]" { format!("127.0.0.1:{port}") } else { bound.to_owned() };
        let carries = echoed(&dialled).await == HELLO;
        if listen.ends_with(":0") {
            said = said.replace(&format!(":{port}\""), ":FREE\"");
        }
        said.push_str(&format!(" carries: {carries}"));
        assert_eq!(server.ask("DELETE", "/proxies/a", "").await.status, 204);
    }
    said
}

/// Services of TCP whose ports need no rights and are free here, by name and port.
async fn named_ports() -> Vec<(String, u16)> {
    let text = fs::read_to_string("/etc/services").unwrap_or_default();
    let mut free = Vec::new();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        let (Some(name), Some(at)) = (words.next(), words.next()) else { continue };
        let port = at.strip_suffix("/tcp").and_then(|port| port.parse().ok()).filter(|port| *port >= 1024);
        if let Some(port) = port
            && TcpListener::bind(("127.0.0.1", port)).await.is_ok()
        {
            free.push((name.to_owned(), port));
        }
    }
    free
}

async fn both(ask: impl AsyncFn(&mut Server) -> Vec<String>) -> Option<[Vec<String>; 2]> {
    let mut genuine = Server::genuine(&toxiproxy()?).await;
    let theirs = ask(&mut genuine).await;
    let mut ours = Server::ours(&["--exact"]).await;
    Some([theirs, ask(&mut ours).await])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_listens_on_a_named_port_and_in_a_zone_as_the_genuine_server() {
    let Some((name, port)) = named_ports().await.into_iter().next() else { return skipped(NO_NAME) };
    let listens = [
        format!("127.0.0.1:{name}"),
        format!("localhost:{}", name.to_ascii_uppercase()),
        "127.0.0.1:no-such-service".to_owned(),
        "[::1%lo]:0".to_owned(),
        "[::1%no-such-zone]:0".to_owned(),
        format!("[::1%1]:{name}"),
        "127.0.0.1%lo:0".to_owned(),
        "[::1%]:0".to_owned(),
    ];
    let ask = async |server: &mut Server| {
        let echo = Echo::new().await;
        let mut said = Vec::new();
        for listen in &listens {
            said.push(listening(server, listen, &echo.address).await);
        }
        said
    };
    let Some([theirs, ours]) = both(ask).await else { return };
    assert_eq!(theirs, ours);
    let named = format!(r#"127.0.0.1:{name}: 201 {{"name":"a","listen":"127.0.0.1:{port}""#);
    assert!(ours[0].starts_with(&named) && ours[0].ends_with("carries: true"), "{}", ours[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_dials_a_named_port_a_zone_and_no_host_as_the_genuine_server() {
    // Another one than the other test's.
    let Some((name, number)) = named_ports().await.pop() else { return skipped(NO_NAME) };
    let (named, six) = (Echo::at(&format!("127.0.0.1:{number}")).await, Echo::at("[::1]:0").await);
    assert!(named.is_some(), "{name} is taken");
    let port = six.as_ref().map_or("1", |six| six.address.rsplit(':').next().unwrap());
    let upstreams = [
        format!("127.0.0.1:{name}"),
        format!("localhost:{name}"),
        format!(":{name}"),
        "127.0.0.1:no-such-service".to_owned(),
        format!("[::1%lo]:{port}"),
    ];
    let ask = async |server: &mut Server| {
        let mut said = Vec::new();
        for upstream in &upstreams {
            let told = listening(server, "127.0.0.1:0", upstream).await;
            said.push(format!("{upstream} {told}"));
        }
        said
    };
    let Some([theirs, ours]) = both(ask).await else { return };
    assert_eq!(theirs, ours);
    assert!(ours[..3].iter().all(|said| said.ends_with("carries: true")), "{ours:?}");
}
