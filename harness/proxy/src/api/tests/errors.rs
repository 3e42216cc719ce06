//! Every row of the contract's table of errors: status, headers, and body to the byte.

use tokio::net::TcpListener;

use super::Running;

#[tokio::test]
async fn a_proxy_without_its_fields_is_refused_name_first() {
    let server = Running::start().await;
    let missing = "missing required field: ";
    server.call("POST", "/proxies", "{}").await.refuses(400, &format!("{missing}name"));
    server.call("POST", "/proxies", "null").await.refuses(400, &format!("{missing}name"));
    server.call("POST", "/proxies", r#"{"upstream":"x:1"}"#).await.refuses(400, &format!("{missing}name"));
    server.call("POST", "/proxies", r#"{"name":"a"}"#).await.refuses(400, &format!("{missing}upstream"));
    server
        .call("POST", "/proxies", r#"{"name":"a","upstream":""}"#)
        .await
        .refuses(400, &format!("{missing}upstream"));
}

#[tokio::test]
async fn a_body_that_is_no_json_of_the_right_types_is_refused_with_the_prefix() {
    let server = Running::start().await;
    server.proxy("p").await;
    server.call("POST", "/proxies", "").await.refuses(400, "bad request body: EOF");
    server.call("POST", "/proxies", " \n").await.refuses(400, "bad request body: EOF");
    server.call("POST", "/proxies", "{").await.refuses(400, "bad request body: unexpected EOF");
    let wrong = "bad request body: invalid character '}' looking for beginning of value";
    server.call("POST", "/proxies", r#"{"name":}"#).await.refuses(400, wrong);
    for (path, body) in [
        ("/proxies", "[]"),
        ("/proxies", "5"),
        ("/proxies", r#"{"name":5}"#),
        ("/proxies", r#"{"name":"a","upstream":"x:1","enabled":"yes"}"#),
        ("/proxies", r#"{"name":5,"name":"a","upstream":"x:1"}"#),
        ("/proxies", r#"{"name":"a","upstream":"x:1","listen":null,"logger":[]}"#),
        ("/proxies/p", r#"{"enabled":1}"#),
        ("/proxies/p", r#"{"name":1}"#),
        ("/proxies/p", "]"),
        ("/proxies/p/toxics", r#"{"type":"latency","attributes":[]}"#),
        ("/proxies/p/toxics", r#"{"type":"latency","attributes":{"latency":1.0}}"#),
        ("/proxies/p/toxics", r#"{"type":"latency","attributes":{"latency":1e3}}"#),
        ("/proxies/p/toxics", r#"{"type":"latency","attributes":{"latency":"5"}}"#),
        ("/proxies/p/toxics", r#"{"type":"latency","attributes":{"latency":9223372036854775808}}"#),
        ("/proxies/p/toxics", r#"{"type":"latency","toxicity":1e39}"#),
        ("/proxies/p/toxics", r#"{"type":"latency","toxicity":"1"}"#),
        ("/proxies/p/toxics", r#"{"type":"latency","trigger":{"after_bytes":-1}}"#),
        ("/proxies/p/toxics", r#"{"type":"latency","trigger":{"sometimes":1}}"#),
        ("/proxies/p/toxics", r#"{"type":"latency","attributes":{"shape":"round"}}"#),
    ] {
        let reply = server.call("POST", path, body).await;
        assert_eq!(reply.status, 400, "{path} {body}: {reply:?}");
        assert!(reply.body.starts_with(r#"{"error":"bad request body: "#), "{path} {body}: {reply:?}");
        assert!(reply.body.ends_with("\",\"status\":400}\n"), "{path} {body}: {reply:?}");
    }
    assert_eq!(server.call("GET", "/proxies/p/toxics", "").await.body, "[]");
}

#[tokio::test]
async fn what_is_not_there_or_there_already_is_refused() {
    let server = Running::start().await;
    server.proxy("p").await;
    for (method, path) in [
        ("GET", "/proxies/q"),
        ("PATCH", "/proxies/q"),
        ("DELETE", "/proxies/q"),
        ("GET", "/proxies/q/toxics"),
        ("POST", "/proxies/q/toxics"),
        ("GET", "/proxies/q/toxics/t"),
        ("DELETE", "/proxies/q/toxics/t"),
    ] {
        server.call(method, path, "{").await.refuses(404, "proxy not found");
    }
    for method in ["GET", "PATCH", "POST", "DELETE"] {
        server.call(method, "/proxies/p/toxics/t", "{").await.refuses(404, "toxic not found");
    }
    let twice = r#"{"name":"p","upstream":"x:1","listen":"nonsense"}"#;
    server.call("POST", "/proxies", twice).await.refuses(409, "proxy already exists");
}

#[tokio::test]
async fn a_toxic_is_checked_in_the_order_of_the_contract() {
    let server = Running::start().await;
    server.proxy("p").await;
    let toxics = "/proxies/p/toxics";
    let stream = "stream was invalid, can be either upstream or downstream";
    for (body, status, text) in [
        (r#"{"stream":"sideways","type":"nope","attributes":{"latency":"x"}}"#, 400, stream),
        (r#"{"stream":"","type":"latency"}"#, 400, stream),
        (r#"{"type":"nope","name":"taken","attributes":{"latency":"x"}}"#, 400, "invalid toxic type"),
        ("{}", 400, "invalid toxic type"),
        (
            r#"{"type":"latency","name":"taken","stream":"upstream","attributes":{"latency":"x"}}"#,
            409,
            "toxic already exists",
        ),
    ] {
        server.call("POST", toxics, r#"{"type":"noop","name":"taken"}"#).await;
        server.call("POST", toxics, body).await.refuses(status, text);
    }
    let fresh = r#"{"type":"latency","name":"fresh","attributes":{"latency":"x"}}"#;
    assert!(server.call("POST", toxics, fresh).await.body.starts_with(r#"{"error":"bad request body: "#));
    let here = server.call("GET", toxics, "").await;
    here.is_json(
        200,
        r#"[{"attributes":{},"name":"taken","type":"noop","stream":"downstream","toxicity":1}]"#,
    );
}

#[tokio::test]
async fn an_address_that_cannot_be_listened_on_is_refused_in_the_systems_words() {
    let server = Running::start().await;
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap();
    let body = |listen: &str| format!(r#"{{"name":"a","upstream":"x:1","listen":"{listen}"}}"#);
    let call = async |listen: &str| server.call("POST", "/proxies", &body(listen)).await;
    let in_use = format!("listen tcp {address}: bind: address already in use");
    call(&address.to_string()).await.refuses(500, &in_use);
    call("nonsense").await.refuses(500, "listen tcp: address nonsense: missing port in address");
    call("127.0.0.1:70000").await.refuses(500, "listen tcp: address 70000: invalid port");
    server.call("GET", "/proxies", "").await.is_json(200, "{}");

    // A change to it leaves the proxy as it was where it means nothing, and down where the system refuses it.
    let listen = server.proxy("p").await;
    let patch = async |body: &str| server.call("PATCH", "/proxies/p", body).await;
    let nonsense = r#"{"listen":"nonsense","upstream":"y:1"}"#;
    patch(nonsense).await.refuses(500, "address nonsense: missing port in address");
    let view = server.proxies.get("p").unwrap();
    assert_eq!((view.listen, view.upstream, view.enabled), (listen, "127.0.0.1:1".into(), true));
    patch(&format!(r#"{{"listen":"{address}"}}"#)).await.refuses(500, &in_use);
    assert!(!server.proxies.get("p").unwrap().enabled);
    drop(taken);
    assert_eq!(patch(r#"{"enabled":true}"#).await.status, 200);
}

#[tokio::test]
async fn populate_refuses_in_a_form_of_its_own() {
    let server = Running::start().await;
    let populate = async |body: &str| server.call("POST", "/populate", body).await;
    let refusal = |text: &str| format!(r#"{{"error":"{text}","status":400,"proxies":null}}"#);
    populate("").await.is_json(400, &refusal("bad request body: EOF"));
    let missing = "missing required field: ";
    populate(r#"[{"name":"a","upstream":"x:1","listen":"127.0.0.1:0"},{}]"#)
        .await
        .is_json(400, &refusal(&format!("{missing}name at proxy 2")));
    populate(r#"[{"name":"a"}]"#).await.is_json(400, &refusal(&format!("{missing}upstream at proxy 1")));
    let no_type =
        r#"[{"name":"a","upstream":"x:1"},{"name":"b","upstream":"x:1","toxics":[{"type":"nope"}]}]"#;
    populate(no_type).await.is_json(400, &refusal("invalid toxic type"));
    server.call("GET", "/proxies", "").await.is_json(200, "{}");

    let stops = r#"[{"name":"a","upstream":"x:1","enabled":false},{"name":"b","upstream":"x:1","listen":"nonsense"},
        {"name":"c","upstream":"x:1"}]"#;
    let done = r#"[{"name":"a","listen":"","upstream":"x:1","enabled":false,"toxics":[]}]"#;
    let text = "listen tcp: address nonsense: missing port in address";
    populate(stops).await.is_json(500, &format!(r#"{{"error":"{text}","status":500,"proxies":{done}}}"#));
    server.proxies.get("c").unwrap_err();
}
