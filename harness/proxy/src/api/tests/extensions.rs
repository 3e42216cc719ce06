//! What Toxiproxy does not have: extra members, extra headers, `/x/` and the metrics.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
};

use super::{CAP, Options, Running, echo};
use crate::{
    server::Limits,
    spec::Direction,
    tape::{Effect, Entry},
};

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// A proxy named `p` in front of an echo, with a toxic that delays what comes back.
async fn delayed(server: &Running) -> TcpStream {
    let toxics = json!([{"type": "latency", "name": "slow", "attributes": {"latency": 5}}]);
    let body = json!({"name": "p", "listen": "127.0.0.1:0", "upstream": echo().await, "toxics": toxics});
    let reply = server.call("POST", "/proxies", &body.to_string()).await;
    assert_eq!(reply.status, 201, "{reply:?}");
    TcpStream::connect(server.proxies.get("p").unwrap().listen).await.unwrap()
}

async fn echoed(stream: &mut TcpStream, bytes: &[u8]) {
    stream.write_all(bytes).await.unwrap();
    let mut back = vec![0; bytes.len()];
    tokio::time::timeout(CAP, stream.read_exact(&mut back)).await.unwrap().unwrap();
    assert_eq!(back, bytes);
}

#[tokio::test]
async fn toxics_and_triggers_come_with_a_proxy_or_not_at_all() {
    let server = Running::start().await;
    let proxy =
        |toxics: &str| format!(r#"{{"name":"a","upstream":"x:1","enabled":false,"toxics":[{toxics}]}}"#);
    let both = r#"{"type":"noop","stream":"both","trigger":{"from_connection":2,"connections":3}}"#;
    let shown = r#"{"attributes":{},"name":"noop_both","type":"noop","stream":"both","toxicity":1,"trigger":{"from_connection":2,"connections":3}}"#;
    let twice = format!("{both},{both}");
    server.call("POST", "/proxies", &proxy(&twice)).await.refuses(409, "toxic already exists");
    server.call("GET", "/proxies", "").await.is_json(200, "{}");
    let listen = r#""listen":"""#;
    let answer = format!(r#"{{"name":"a",{listen},"upstream":"x:1","enabled":false,"toxics":[{shown}]}}"#);
    server.call("POST", "/proxies", &proxy(both)).await.is_json(201, &answer);
    // What is printed is read again as the same.
    server.call("DELETE", "/proxies/a", "").await.is_empty(204);
    server
        .call("POST", "/populate", &format!("[{answer}]"))
        .await
        .is_json(201, &format!(r#"{{"proxies":[{answer}]}}"#));
}

#[tokio::test]
async fn ignored_keys_and_values_that_mean_something_else_are_named_in_headers() {
    let server = Running::start().await;
    server.proxy("p").await;
    let body =
        "{\"type\":\"bandwidth\",\"tüpe\\n\":1,\"toxicity\":7.5,\"attributes\":{\"rate\":-1,\"speed\":2}}";
    let reply = server.call("POST", "/proxies/p/toxics", body).await;
    assert_eq!(reply.headers["X-Bulkhead-Ignored-Keys"], "t%C3%BCpe%0A, attributes.speed");
    let note = "a rate below 0 is unlimited, a toxicity below 0 acts as 0 and one above 1 as 1";
    assert_eq!(reply.headers["X-Bulkhead-Note"], note);
    assert!(reply.body.ends_with(r#""toxicity":7.5}"#), "{reply:?}");

    let whole = server.call("GET", "/proxies/p", "").await.body;
    let reply = server.call("PATCH", "/proxies/p", &whole).await;
    assert_eq!(reply.headers["X-Bulkhead-Ignored-Keys"], "toxics");
    let many: Vec<String> = (0..10_000).map(|number| format!("\"key{number}\":1")).collect();
    let reply = server.call("PATCH", "/proxies/p", &format!("{{{}}}", many.join(","))).await;
    let named = &reply.headers["X-Bulkhead-Ignored-Keys"];
    assert!(named.ends_with("...") && named.len() < 1100, "{named}");
}

#[tokio::test]
async fn a_trigger_can_be_changed_and_begins_anew() {
    let server = Running::start().await;
    let mut stream = delayed(&server).await;
    echoed(&mut stream, b"one").await;
    let change = r#"{"trigger":{"from_connection":1,"connections":1}}"#;
    let changed = server.call("PATCH", "/proxies/p/toxics/slow", change).await;
    assert!(changed.body.ends_with(r#""trigger":{"from_connection":1,"connections":1}}"#), "{changed:?}");
    assert_eq!(changed.headers.get("X-Bulkhead-Ignored-Keys"), None);
    let acting = async || {
        let open = json(&server.call("GET", "/x/connections", "").await.body);
        open.as_array().unwrap().iter().map(|open| open["toxics"].clone()).collect::<Vec<_>>()
    };
    // The connections that were there before the change are not counted.
    assert_eq!(acting().await, [json!([])]);
    let mut second = TcpStream::connect(server.proxies.get("p").unwrap().listen).await.unwrap();
    echoed(&mut second, b"two").await;
    assert_eq!(acting().await, [json!([]), json!(["slow"])]);

    let always = server.call("PATCH", "/proxies/p/toxics/slow", r#"{"trigger":null}"#).await;
    assert!(!always.body.contains("trigger"), "{always:?}");
    assert_eq!(acting().await, [json!(["slow"]), json!(["slow"])]);
    for wrong in [r#"{"trigger":{"connections":0}}"#, r#"{"trigger":[]}"#, r#"{"trigger":{"often":1}}"#] {
        let refused = server.call("PATCH", "/proxies/p/toxics/slow", wrong).await;
        assert_eq!(refused.status, 400, "{wrong}: {refused:?}");
    }
}

#[tokio::test]
async fn a_window_is_given_in_milliseconds_from_a_start_in_milliseconds() {
    let server = Running::start().await;
    let mut stream = delayed(&server).await;
    echoed(&mut stream, b"one").await;
    server.call("DELETE", "/proxies/p/toxics/slow", "").await.is_empty(204);
    let toxic =
        r#"{"type":"latency","attributes":{"latency":3600000},"trigger":{"for_ms":1000,"After_ms":400}}"#;
    let began = std::time::Instant::now();
    let shown = server.call("POST", "/proxies/p/toxics", toxic).await;
    assert!(shown.body.ends_with(r#""trigger":{"after_ms":400,"for_ms":1000}}"#), "{shown:?}");
    let acting = async |expected: Value| {
        let find = async {
            while json(&server.call("GET", "/x/connections", "").await.body)[0]["toxics"] != expected {}
        };
        tokio::time::timeout(CAP, find).await.unwrap();
        began.elapsed()
    };
    assert!(acting(json!(["latency_downstream"])).await >= Duration::from_millis(400));
    stream.write_all(b"held").await.unwrap();
    assert!(acting(json!([])).await >= Duration::from_millis(1400));
    let mut back = [0; 4];
    tokio::time::timeout(CAP, stream.read_exact(&mut back)).await.unwrap().unwrap();
    assert_eq!(&back, b"held");
    for wrong in [r#"{"trigger":{"for_ms":0}}"#, r#"{"trigger":{"after_ms":-1}}"#] {
        let refused = server.call("PATCH", "/proxies/p/toxics/latency_downstream", wrong).await;
        assert_eq!(refused.status, 400, "{wrong}: {refused:?}");
    }
}

#[tokio::test]
async fn words_in_the_query_of_a_list_that_mean_nothing_are_named() {
    let server = Running::start().await;
    let reply = server.call("POST", "/populate?apply=foo&apply=enabled", "[]").await;
    assert_eq!((reply.status, reply.headers["X-Bulkhead-Ignored-Keys"].as_str()), (201, "?apply=foo"));
    let reply = server.call("POST", "/populate?apply=enabled", "[]").await;
    assert_eq!((reply.status, reply.headers.get("X-Bulkhead-Ignored-Keys")), (201, None));
}

#[tokio::test]
async fn the_tape_and_the_connections_show_what_was_done() {
    let server = Running::start().await;
    server.call("GET", "/x/tape", "").await.is_json(200, r#"{"last":0,"missed":0,"entries":[]}"#);
    let mut stream = delayed(&server).await;
    echoed(&mut stream, b"one").await;
    let tape = json(&server.call("GET", "/x/tape?after=0", "").await.body);
    let entry = &tape["entries"][0];
    assert_eq!(tape["last"], 1);
    for (member, value) in [
        ("number", json!(1)),
        ("proxy", json!("p")),
        ("connection", json!(1)),
        ("direction", json!("downstream")),
        ("toxic", json!("slow")),
        ("offset", json!(0)),
        ("bytes", json!(3)),
        ("effect", json!("delayed")),
        ("by_us", json!(5000)),
    ] {
        assert_eq!(entry[member], value, "{member}: {tape}");
    }
    server.call("GET", "/x/tape?after=1", "").await.is_json(200, r#"{"last":1,"missed":0,"entries":[]}"#);
    server
        .call("GET", "/x/tape?after=0&limit=0", "")
        .await
        .is_json(200, r#"{"last":1,"missed":0,"entries":[]}"#);
    for query in ["after=x", "before=1", "after"] {
        assert_eq!(server.call("GET", &format!("/x/tape?{query}"), "").await.status, 400, "{query}");
    }

    let open = json(&server.call("GET", "/x/connections", "").await.body);
    let here = stream.local_addr().unwrap().to_string();
    let traffic = json!({"received": 3, "sent": 3});
    for (member, value) in [
        ("proxy", json!("p")),
        ("connection", json!(1)),
        ("client", json!(here)),
        ("up", traffic.clone()),
        ("down", traffic),
        ("toxics", json!(["slow"])),
    ] {
        assert_eq!(open[0][member], value, "{member}: {open}");
    }
    let health = json(&server.call("GET", "/x/health", "").await.body);
    assert_eq!(
        (&health["status"], &health["proxies"], &health["connections"]),
        (&json!("ok"), &json!(1), &json!(1))
    );
}

#[tokio::test]
async fn a_shape_is_a_word_and_the_tape_says_what_came_of_it() {
    let server = Running::start().await;
    let mut stream = delayed(&server).await;
    let square = r#"{"attributes":{"latency":100,"jitter":60,"shape":"square","period":3600000}}"#;
    let changed = server.call("PATCH", "/proxies/p/toxics/slow", square).await;
    assert!(changed.body.contains(r#""shape":"square","period":3600000"#), "{changed:?}");
    let sent = std::time::Instant::now();
    echoed(&mut stream, b"one").await;
    assert!(sent.elapsed() >= Duration::from_millis(160));
    let tape = json(&server.call("GET", "/x/tape", "").await.body);
    // The first half of the first hour.
    assert_eq!(tape["entries"][0]["by_us"], json!(160_000), "{tape}");
}

/// An effect as the tape shows it.
fn shown(effect: &Effect) -> Value {
    match effect {
        Effect::Delayed(_) => json!({"effect": "delayed", "by_us": 5000}),
        Effect::DelayedBetween(..) => json!({"effect": "delayed", "by_us": 5000, "to_us": 7000}),
        Effect::Held => json!({"effect": "held"}),
        Effect::Dropped => json!({"effect": "dropped"}),
        Effect::Sliced(_) => json!({"effect": "sliced", "pieces": 4}),
        Effect::Corrupted(_) => json!({"effect": "corrupted", "bits": 2}),
        Effect::Closed => json!({"effect": "closed"}),
        Effect::Reset => json!({"effect": "reset"}),
        Effect::Refused(_) => json!({"effect": "refused", "how": "a RST"}),
        Effect::Trusted(_) => json!({"effect": "trusted", "what": "it"}),
    }
}

#[tokio::test]
async fn the_tape_shows_every_effect_with_its_numbers() {
    let server = Running::start().await;
    let millis = Duration::from_millis;
    let effects = [
        Effect::Delayed(millis(5)),
        Effect::DelayedBetween(millis(5), millis(7)),
        Effect::Held,
        Effect::Dropped,
        Effect::Sliced(4),
        Effect::Corrupted(2),
        Effect::Closed,
        Effect::Reset,
        Effect::Refused("a RST"),
        Effect::Trusted("it"),
    ];
    for effect in effects.clone() {
        server.proxies.tape().write(Entry {
            number: 0,
            at: millis(1),
            proxy: "p".into(),
            connection: 3,
            direction: Direction::Upstream,
            toxic: "t".into(),
            offset: 10,
            bytes: 20,
            effect,
        });
    }
    let tape = json(&server.call("GET", "/x/tape", "").await.body);
    assert_eq!(tape["entries"].as_array().unwrap().len(), effects.len());
    for (at, effect) in effects.iter().enumerate() {
        let mut expected = json!({
            "number": at + 1, "at_us": 1000, "proxy": "p", "connection": 3, "direction": "upstream", "toxic": "t",
            "offset": 10, "bytes": 20,
        });
        expected.as_object_mut().unwrap().extend(shown(effect).as_object().unwrap().clone());
        assert_eq!(tape["entries"][at], expected);
    }
}

#[tokio::test]
async fn the_seed_can_be_read_and_set_for_connections_to_come() {
    let server = Running::start().await;
    server.call("GET", "/x/seed", "").await.is_json(200, r#"{"seed":7}"#);
    server.call("PUT", "/x/seed", r#"{"Seed":-3}"#).await.is_json(200, r#"{"seed":-3}"#);
    server.call("POST", "/x/seed", "{}").await.refuses(400, "missing required field: seed");
    assert_eq!(server.call("POST", "/x/seed", r#"{"seed":1.5}"#).await.status, 400);
    server.call("GET", "/x/seed", "").await.is_json(200, r#"{"seed":-3}"#);
}

/// Reads a stream of events up to one that has all of these texts.
async fn until(lines: &mut BufReader<TcpStream>, wanted: &[&str]) -> String {
    let find = async {
        loop {
            let mut line = String::new();
            assert_ne!(lines.read_line(&mut line).await.unwrap(), 0, "the stream ended before {wanted:?}");
            if wanted.iter().all(|wanted| line.contains(wanted)) {
                return line;
            }
        }
    };
    tokio::time::timeout(CAP, find).await.unwrap()
}

async fn listen(server: &Running, accept: &str) -> BufReader<TcpStream> {
    let mut stream = server.open().await;
    let request = format!("GET /x/events HTTP/1.1\r\nHost: x\r\nAccept: {accept}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut lines = BufReader::new(stream);
    until(&mut lines, &["\"event\":\"listening\""]).await;
    lines
}

#[tokio::test]
async fn events_are_told_as_they_happen() {
    let server = Running::start().await;
    let mut plain = listen(&server, "*/*").await;
    let mut sse = listen(&server, "text/event-stream").await;
    let mut stream = delayed(&server).await;
    echoed(&mut stream, b"one").await;
    server.call("DELETE", "/proxies/p/toxics/slow", "").await;
    drop(stream);
    server.call("DELETE", "/proxies/p", "").await;
    for lines in [&mut plain, &mut sse] {
        until(lines, &[r#""event":"proxy""#, r#""proxy":"p","change":"added""#]).await;
        until(lines, &[r#""event":"connection""#, r#""connection":1"#, r#""change":"added""#]).await;
        until(lines, &[r#""event":"fault","number":1"#, r#""effect":"delayed","by_us":5000"#]).await;
        until(lines, &[r#""toxic":"slow","change":"removed""#]).await;
    }
    until(&mut plain, &[r#""event":"proxy""#, r#""change":"removed""#]).await;
    assert!(until(&mut sse, &[r#""event":"proxy""#, "removed"]).await.starts_with("data: {"));
}

#[tokio::test]
async fn a_listener_outlives_the_limit_of_idle_clients_but_not_the_server() {
    let limits = Limits { idle: Duration::from_millis(50), ..Limits::default() };
    let server = Running::with(Options::default(), |server| server.limits = limits).await;
    let mut lines = listen(&server, "*/*").await;
    // Another client that came later is hung up on, so the listener's time would be over.
    let mut idle = server.open().await;
    let _ = tokio::time::timeout(CAP, idle.read_to_end(&mut Vec::new())).await.unwrap();
    server.proxy("p").await;
    until(&mut lines, &[r#""event":"proxy""#, r#""change":"added""#]).await;
    drop(server);
    let end = tokio::time::timeout(CAP, lines.read_to_end(&mut Vec::new())).await.unwrap();
    end.unwrap();
}

#[tokio::test]
async fn a_listener_that_is_too_slow_is_told_how_much_it_missed() {
    let server = Running::start().await;
    let mut lines = listen(&server, "*/*").await;
    // Far more than the socket and the queue hold together; nobody reads meanwhile.
    let name = "n".repeat(2000);
    let toxic = crate::spec::ToxicSpec {
        name: "t".into(),
        kind: crate::toxics::find("noop").unwrap(),
        stream: "downstream".into(),
        side: crate::spec::Side::One(crate::spec::Direction::Downstream),
        toxicity: 1.0,
        attributes: crate::toxics::Attributes::of(&[]),
        trigger: crate::trigger::Trigger::default(),
    };
    server.proxy(&name).await;
    for _ in 0..8000 {
        server.proxies.add_toxic(&name, toxic.clone()).await.unwrap();
        server.proxies.remove_toxic(&name, "t").await.unwrap();
    }
    let missed = json(&until(&mut lines, &[r#""event":"missed""#]).await);
    assert!(missed["events"].as_u64().unwrap() > 0, "{missed}");
}

#[tokio::test]
async fn metrics_are_there_only_when_asked_for_and_count_live() {
    let options = Options { proxy_metrics: true, runtime_metrics: true, ..Options::default() };
    let server = Running::with(options, |_| {}).await;
    let mut stream = delayed(&server).await;
    echoed(&mut stream, b"one").await;
    let reply = server.call("GET", "/metrics", "").await;
    assert_eq!(
        reply.headers["Content-Type"],
        "text/plain; version=0.0.4; charset=utf-8; escaping=underscores"
    );
    let view = server.proxies.get("p").unwrap();
    let place = format!(r#"listener="{}",proxy="p",upstream="{}""#, view.listen, view.upstream);
    for line in [
        "# TYPE toxiproxy_proxy_received_bytes_total counter".to_owned(),
        format!(r#"toxiproxy_proxy_received_bytes_total{{direction="upstream",{place}}} 3"#),
        format!(r#"toxiproxy_proxy_sent_bytes_total{{direction="downstream",{place}}} 3"#),
        r#"bulkhead_proxy_connections_open{proxy="p"} 1"#.to_owned(),
        r#"bulkhead_proxy_toxic_touches_total{proxy="p",toxic="slow"} 1"#.to_owned(),
        r#"bulkhead_proxy_toxic_bytes_total{proxy="p",toxic="slow"} 3"#.to_owned(),
        "# TYPE bulkhead_proxy_uptime_seconds gauge".to_owned(),
    ] {
        assert!(reply.body.lines().any(|found| found == line), "{line}\n{}", reply.body);
    }
    // A counter never goes back: what a proxy counted outlives it, and one of the same place goes on from there.
    server.call("DELETE", "/proxies/p", "").await.is_empty(204);
    let gone = server.call("GET", "/metrics", "").await.body;
    let sent =
        |sum: u32| format!(r#"toxiproxy_proxy_sent_bytes_total{{direction="downstream",{place}}} {sum}"#);
    let touches = r#"bulkhead_proxy_toxic_touches_total{proxy="p",toxic="slow"} 1"#;
    assert!(gone.contains(&sent(3)) && gone.contains(touches), "{gone}");
    let again = json!({"name": "p", "listen": view.listen, "upstream": view.upstream}).to_string();
    assert_eq!(server.call("POST", "/proxies", &again).await.status, 201);
    echoed(&mut TcpStream::connect(&view.listen).await.unwrap(), b"again").await;
    let again = server.call("GET", "/metrics", "").await.body;
    assert!(
        again.contains(&sent(8)) && again.matches(&format!("downstream\",{place}")).count() == 2,
        "{again}"
    );

    let server = Running::with(Options { runtime_metrics: true, ..Options::default() }, |_| {}).await;
    assert!(!server.call("POST", "/metrics", "").await.body.contains("toxiproxy_proxy"));
}
