//! Every row of the contract's transport rules and table of routes: status, headers, and body to the byte.

use super::{Options, Running};

const SHOWN: &str = r#""upstream":"127.0.0.1:1","enabled":true,"toxics":[]"#;

#[tokio::test]
async fn paths_methods_and_agents_are_answered_before_any_route() {
    let server = Running::start().await;
    let text = ["Content-Type: text/plain; charset=utf-8", "X-Content-Type-Options: nosniff"];
    for path in ["/", "/nope", "/proxies/", "/version/", "/proxies/a/b", "/metrics", "/x", "/x/nope"] {
        server.call("GET", path, "").await.is(404, &text, "404 page not found\n");
    }
    for (method, path) in [
        ("PUT", "/proxies"),
        ("HEAD", "/proxies"),
        ("HEAD", "/version"),
        ("DELETE", "/proxies"),
        ("GET", "/reset"),
        ("GET", "/populate"),
        ("PUT", "/proxies/a"),
        ("PATCH", "/proxies/a/toxics"),
        ("PUT", "/proxies/a/toxics/t"),
        ("POST", "/x/tape"),
    ] {
        server.call(method, path, "").await.is(405, &[], "");
    }
    server.call("GET", "//proxies?q=1", "").await.is(301, &["Location: /proxies?q=1"], "");
    server.call("POST", "/proxies//a%20b/", "").await.is(301, &["Location: /proxies/a%20b/"], "");

    let browser = |path: &str| {
        format!("GET {path} HTTP/1.1\r\nHost: x\r\nUser-Agent: Mozilla/5.0\r\nConnection: close\r\n\r\n")
    };
    let forbidden = [text[0], text[1], "X-Toxiproxy-Request-Id"];
    server.raw(browser("/version").as_bytes()).await.is(403, &forbidden, "User agent not allowed\n");
    server.raw(browser("/nope").as_bytes()).await.is(404, &text, "404 page not found\n");
}

#[tokio::test]
async fn the_version_has_a_form_of_its_own() {
    let server = Running::start().await;
    let headers = ["Content-Type: application/json;charset=utf-8", "X-Toxiproxy-Request-Id"];
    server.call("GET", "/version", "").await.is(200, &headers, "{\"version\": \"2.12.0\"}\n");
}

#[tokio::test]
async fn a_proxy_lives_from_its_creation_to_its_deletion() {
    let server = Running::start().await;
    server.call("GET", "/proxies", "").await.is_json(200, "{}");
    let body = r#"{"name":"a b","listen":"localhost:0","upstream":"127.0.0.1:1"}"#;
    let created = server.call("POST", "/proxies", body).await;
    let listen = server.proxies.get("a b").unwrap().listen;
    assert!(listen.starts_with("127.0.0.1:") && !listen.ends_with(":0"), "{listen}");
    let shown = format!(r#"{{"name":"a b","listen":"{listen}",{SHOWN}}}"#);
    created.is_json(201, &shown);
    server.call("GET", "/proxies/a%20b", "").await.is_json(200, &shown);
    server.call("GET", "/proxies", "").await.is_json(200, &format!(r#"{{"a b":{shown}}}"#));

    let down = shown.replace("true", "false");
    server.call("PATCH", "/proxies/a%20b", r#"{"enabled":false}"#).await.is_json(200, &down);
    tokio::net::TcpStream::connect(&listen).await.unwrap_err();
    server.call("POST", "/proxies/a%20b", r#"{"enabled":true,"name":"other"}"#).await.is_json(200, &shown);
    tokio::net::TcpStream::connect(&listen).await.unwrap();
    let moved = shown.replace("127.0.0.1:1\"", "127.0.0.1:2\"");
    server.call("PATCH", "/proxies/a%20b", r#"{"UPSTREAM":"127.0.0.1:2"}"#).await.is_json(200, &moved);
    server.call("PATCH", "/proxies/a%20b", r#"{"listen":null}"#).await.is_json(200, &moved);

    server.call("DELETE", "/proxies/a%20b", "").await.is_empty(204);
    tokio::net::TcpStream::connect(&listen).await.unwrap_err();
    server.call("GET", "/proxies", "").await.is_json(200, "{}");
}

#[tokio::test]
async fn a_proxy_that_is_not_enabled_keeps_its_address_as_given() {
    let server = Running::start().await;
    let body = r#"{"name":"a","listen":"localhost:0","upstream":"127.0.0.1:1","enabled":false} trailing"#;
    let shown = r#"{"name":"a","listen":"localhost:0","upstream":"127.0.0.1:1","enabled":false,"toxics":[]}"#;
    server.call("POST", "/proxies", body).await.is_json(201, shown);
    // A name with a slash can be made but never be addressed; names are sorted.
    let slash = r#"{"name":"A/<&>\u2028","upstream":"127.0.0.1:1"}"#;
    assert_eq!(server.call("POST", "/proxies", slash).await.status, 201);
    assert_eq!(server.call("GET", "/proxies/A%2F%3C&%3E%E2%80%A8", "").await.status, 404);
    let all = server.call("GET", "/proxies", "").await.body;
    assert!(
        all.starts_with(
            r#"{"A/\u003c\u0026\u003e\u2028":{"name":"A/\u003c\u0026\u003e\u2028","listen":"[::]:"#
        ),
        "{all}"
    );
    assert!(all.ends_with(&format!(r#","a":{shown}}}"#)), "{all}");
}

#[tokio::test]
async fn populate_creates_keeps_and_replaces() {
    let server = Running::start().await;
    let populate =
        async |query: &str, body: &str| server.call("POST", &format!("/populate{query}"), body).await;
    populate("", "[]").await.is_json(201, r#"{"proxies":null}"#);
    populate("", "null").await.is_json(201, r#"{"proxies":null}"#);
    let listen = server.proxy("a").await;
    server.call("POST", "/proxies/a/toxics", r#"{"type":"noop"}"#).await;
    let with_toxic = server.call("GET", "/proxies/a", "").await.body;

    // The same addresses: left alone with its toxics, and `enabled` is not applied unless asked for.
    let same = format!(r#"[{{"name":"a","listen":"{listen}","upstream":"127.0.0.1:1","enabled":false}}]"#);
    populate("", &same).await.is_json(201, &format!(r#"{{"proxies":[{with_toxic}]}}"#));
    let down = with_toxic.replace("true", "false");
    populate("?apply=enabled", &same).await.is_json(201, &format!(r#"{{"proxies":[{down}]}}"#));
    let up = same.replace("false", "true");
    populate("?apply=enabled", &up).await.is_json(201, &format!(r#"{{"proxies":[{with_toxic}]}}"#));

    // Another upstream: replaced, its toxics lost.
    let other = same.replace("127.0.0.1:1\"", "127.0.0.1:2\"").replace("false", "true");
    let shown =
        format!(r#"{{"name":"a","listen":"{listen}","upstream":"127.0.0.1:2","enabled":true,"toxics":[]}}"#);
    populate("", &other).await.is_json(201, &format!(r#"{{"proxies":[{shown}]}}"#));
}

#[tokio::test]
async fn a_toxic_lives_from_its_creation_to_its_deletion() {
    let server = Running::start().await;
    server.proxy("p").await;
    let toxics = "/proxies/p/toxics";
    server.call("GET", toxics, "").await.is_json(200, "[]");
    let plain = r#"{"attributes":{"latency":0,"jitter":0},"name":"latency_downstream","type":"latency","stream":"downstream","toxicity":1}"#;
    server.call("POST", toxics, r#"{"type":"latency","attributes":null}"#).await.is_json(200, plain);
    let loud = r#"{"attributes":{"latency":5,"jitter":0},"name":"latency_UPSTREAM","type":"latency","stream":"UPSTREAM","toxicity":0.1}"#;
    let body = r#"{"TYPE":"latency","stream":"UPSTREAM","toxicity":0.1,"attributes":{"Latency":5}}"#;
    server.call("POST", toxics, body).await.is_json(200, loud);
    // Upstream first, then downstream.
    server.call("GET", toxics, "").await.is_json(200, &format!("[{loud},{plain}]"));
    let one = "/proxies/p/toxics/latency_downstream";
    server.call("GET", one, "").await.is_json(200, plain);

    let merged = plain.replace("\"jitter\":0", "\"jitter\":3").replace(":1}", ":0.5}");
    server.call("PATCH", one, r#"{"attributes":{"jitter":3},"toxicity":0.5}"#).await.is_json(200, &merged);
    let merged = merged.replace("\"latency\":0", "\"latency\":9");
    let ignored = r#"{"name":"x","type":"y","stream":5,"attributes":{"latency":9}}"#;
    server.call("POST", one, ignored).await.is_json(200, &merged);
    // All or nothing.
    let half = server.call("PATCH", one, r#"{"toxicity":0,"attributes":{"latency":1,"jitter":"x"}}"#).await;
    assert_eq!(half.status, 400);
    server.call("GET", one, "").await.is_json(200, &merged);

    server.call("DELETE", one, "").await.is_empty(204);
    server.call("GET", toxics, "").await.is_json(200, &format!("[{loud}]"));
}

#[tokio::test]
async fn reset_does_all_and_then_reports_the_first_error() {
    let server = Running::start().await;
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap();
    let down = format!(r#"{{"name":"b","listen":"{address}","upstream":"x:1","enabled":false}}"#);
    server.call("POST", "/proxies", &down).await;
    for name in ["a", "c"] {
        server.proxy(name).await;
        server.call("POST", &format!("/proxies/{name}/toxics"), r#"{"type":"noop"}"#).await;
        server.call("PATCH", &format!("/proxies/{name}"), r#"{"enabled":false}"#).await;
    }
    let in_use = format!("listen tcp {address}: bind: address already in use");
    server.call("POST", "/reset", "anything").await.refuses(500, &in_use);
    let up: Vec<bool> =
        server.proxies.all().iter().map(|view| view.enabled && view.toxics.is_empty()).collect();
    assert_eq!(up, [true, false, true]);
    drop(taken);
    server.call("POST", "/reset", "").await.is_empty(204);
    assert!(server.proxies.all().iter().all(|view| view.enabled));
}

#[tokio::test]
async fn exact_prints_the_logger_that_toxiproxy_prints() {
    let server = Running::with(Options { exact: true, ..Options::default() }, |_| {}).await;
    let body = r#"{"name":"a","upstream":"x:1","enabled":false,"Logger":{"level":1}}"#;
    let shown = r#"{"name":"a","listen":"","upstream":"x:1","enabled":false,"Logger":{},"toxics":[]}"#;
    server.call("POST", "/proxies", body).await.is_json(201, shown);
}
