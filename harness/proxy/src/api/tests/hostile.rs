//! What no client should do, done: the server answers or hangs up, and goes on.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{CAP, Options, Running};
use crate::server::Limits;

#[tokio::test]
async fn a_client_that_dribbles_its_head_is_hung_up_on() {
    let limits = Limits { head: Duration::from_millis(50), ..Limits::default() };
    let server = Running::with(Options::default(), |server| server.limits = limits).await;
    let mut slow = server.open().await;
    slow.write_all(b"GET /ver").await.unwrap();
    let mut rest = Vec::new();
    let end = tokio::time::timeout(CAP, slow.read_to_end(&mut rest)).await.unwrap();
    assert!(end.is_err() || rest.is_empty() || rest.starts_with(b"HTTP/1.1 4"), "{rest:?}");
    assert_eq!(server.call("GET", "/version", "").await.status, 200);
}

#[tokio::test]
async fn a_client_that_asks_for_nothing_more_is_hung_up_on() {
    let limits = Limits { idle: Duration::from_millis(50), ..Limits::default() };
    let server = Running::with(Options::default(), |server| server.limits = limits).await;
    // The second is answered while the server waits for something else than the client.
    for (request, body) in [
        ("GET /version", ""),
        ("POST /proxies", r#"{"name":"p","listen":"127.0.0.1:0","upstream":"127.0.0.1:1"}"#),
    ] {
        let mut stream = server.open().await;
        let head = format!("{request} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", body.len());
        stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let _ = tokio::time::timeout(CAP, stream.read_to_end(&mut answer)).await.expect("nobody hung up");
        assert!(answer.starts_with(b"HTTP/1.1 20"), "{answer:?}");
    }
}

#[tokio::test]
async fn more_dribbling_clients_than_there_is_room_for_make_way() {
    crate::accept::allow_open_files();
    // So patient that only its hurry, when room is short, lets anybody else in.
    let patient = Duration::from_secs(3600);
    let limits = Limits { idle: patient, head: patient, body: patient, handle: patient, ..Limits::default() };
    let body = b"POST /proxies HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{";
    for said in [&b""[..], b"GET /ver", body] {
        let server = Running::with(Options::default(), |server| server.limits = limits).await;
        let mut slow = Vec::new();
        for _ in 0..1100 {
            let mut stream = server.open().await;
            stream.write_all(said).await.unwrap();
            slow.push(stream);
        }
        assert_eq!(server.call("GET", "/version", "").await.status, 200);
    }
}

#[tokio::test]
async fn a_client_that_dribbles_its_body_is_refused() {
    let limits = Limits { body: Duration::from_millis(50), ..Limits::default() };
    let server = Running::with(Options::default(), |server| server.limits = limits).await;
    let request = b"POST /proxies HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 100\r\n\r\n{";
    let reply = server.raw(request).await;
    assert_eq!(reply.status, 400, "{reply:?}");
    assert!(reply.body.contains("did not arrive"), "{reply:?}");
}

#[tokio::test]
async fn what_takes_too_long_is_answered_without_a_body() {
    let limits = Limits { handle: Duration::from_millis(50), ..Limits::default() };
    let server = Running::with(Options::default(), |server| server.limits = limits).await;
    let request = b"POST /proxies HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 100\r\n\r\n{";
    server.raw(request).await.is_empty(503);
}

#[tokio::test]
async fn a_client_that_goes_away_in_the_middle_of_a_change_loses_no_proxy() {
    let server = Running::start().await;
    server.proxy("p").await;
    for number in 0..50 {
        let body = format!(r#"{{"listen":"localhost:0","upstream":"127.0.0.1:{number}"}}"#);
        let mut stream = server.open().await;
        let length = body.len();
        let head = format!("PATCH /proxies/p HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n");
        stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
        drop(stream);
        assert_eq!(server.call("GET", "/proxies/p", "").await.status, 200);
    }
    // A change that waits behind all of those finds a proxy that works.
    let up = server.call("PATCH", "/proxies/p", r#"{"listen":"127.0.0.1:0"}"#).await;
    assert_eq!(up.status, 200, "{up:?}");
    tokio::net::TcpStream::connect(server.proxies.get("p").unwrap().listen).await.unwrap();
}

#[tokio::test]
async fn a_change_that_is_cut_off_is_finished_all_the_same() {
    let server = Running::start().await;
    server.proxy("p").await;
    let change = crate::spec::ProxyChange { enabled: Some(false), ..Default::default() };
    let mut changing = Box::pin(server.proxies.change("p", change));
    // Polled once, so it has begun, and then dropped.
    let waker = std::task::Waker::noop();
    let first = std::future::Future::poll(changing.as_mut(), &mut std::task::Context::from_waker(waker));
    assert!(first.is_pending());
    drop(changing);
    let again = crate::spec::ProxyChange::default();
    assert!(!server.proxies.change("p", again).await.unwrap().enabled);
}

#[tokio::test]
async fn bodies_beyond_all_measure_are_refused() {
    let server = Running::start().await;
    let deep = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    for body in [deep(20_000), "[".repeat(1 << 20), "{\"a\":".repeat(1 << 18)] {
        for path in ["/proxies", "/populate"] {
            assert_eq!(server.call("POST", path, &body).await.status, 400);
        }
    }
    // Within the bound of Go it is only ignored.
    let nested = format!(r#"{{"name":"a","upstream":"x:1","enabled":false,"x":{}}}"#, deep(9_000));
    assert_eq!(server.call("POST", "/proxies", &nested).await.status, 201);
    let huge = format!(r#"{{"name":"{}"}}"#, "x".repeat(17 << 20));
    let reply = server.call("POST", "/proxies", &huge).await;
    assert_eq!(reply.status, 413, "{reply:?}");
    server.call("GET", "/version", "").await;
}

#[tokio::test]
async fn what_is_no_http_hurts_nobody() {
    let server = Running::start().await;
    for nonsense in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"\0\0\0\0\r\n\r\n",
        b"GET\r\n\r\n",
        &[b'A'; 100_000],
    ] {
        let mut stream = server.open().await;
        let _ = stream.write_all(nonsense).await;
        let _ = stream.shutdown().await;
        let mut rest = Vec::new();
        let _ = tokio::time::timeout(CAP, stream.read_to_end(&mut rest)).await.unwrap();
    }
    for path in ["/proxies/%zz", "/proxies/%", "/proxies/%f"] {
        let reply = server.call("GET", path, "").await;
        reply.is(400, &["Content-Type: text/plain; charset=utf-8"], "400 Bad Request");
    }
    assert_eq!(server.call("GET", "/proxies/%ff%00", "").await.status, 404);
    assert_eq!(server.call("GET", "/version", "").await.status, 200);
}

#[tokio::test]
async fn ten_thousand_toxics_on_one_proxy_stay_usable() {
    let server = Running::start().await;
    server.proxy("p").await;
    let toxic = |number: usize| format!(r#"{{"type":"noop","name":"t{number}"}}"#);
    let toxics: Vec<String> = (0..9_900).map(toxic).collect();
    let body = format!(
        r#"[{{"name":"q","listen":"127.0.0.1:0","upstream":"{}","toxics":[{}]}}]"#,
        super::echo().await,
        toxics.join(",")
    );
    assert_eq!(server.call("POST", "/populate", &body).await.status, 201);
    for number in 9_900..10_000 {
        assert_eq!(server.call("POST", "/proxies/q/toxics", &toxic(number)).await.status, 200);
    }
    let last = server.call("GET", "/proxies/q/toxics/t9999", "").await;
    assert_eq!(last.status, 200, "{last:?}");
    let all = server.call("GET", "/proxies/q/toxics", "").await.body;
    assert_eq!(all.matches("\"type\":\"noop\"").count(), 10_000);
    let mut stream = tokio::net::TcpStream::connect(server.proxies.get("q").unwrap().listen).await.unwrap();
    stream.write_all(b"through all of them").await.unwrap();
    let mut back = [0; 19];
    tokio::time::timeout(CAP, stream.read_exact(&mut back)).await.unwrap().unwrap();
    assert_eq!(&back, b"through all of them");
    server.call("DELETE", "/proxies/q/toxics/t5000", "").await.is_empty(204);
    server.call("POST", "/reset", "").await.is_empty(204);
    server.call("GET", "/proxies/q/toxics", "").await.is_json(200, "[]");
}
