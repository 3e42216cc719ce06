//! TLS asked for over HTTP: a proxy ends it for real clients, lists replace it, and no answer shows a key.

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{CAP, Running};
use crate::tls::{
    Authority,
    tests::authority,
    tests_on_the_wire::{client, server},
};

const NAME: &str = "db.example";

/// Whether a client that trusts that authority gets an echo through the proxy.
async fn echoes(running: &Running, trusted: &str) -> bool {
    let address = running.proxies.get("p").unwrap().listen;
    let Ok(mut stream) = client(&address, trusted, NAME, &[b"a/1"]).await else { return false };
    stream.write_all(b"hello").await.unwrap();
    stream.flush().await.unwrap();
    let mut back = [0; 5];
    tokio::time::timeout(CAP, stream.read_exact(&mut back)).await.unwrap().unwrap();
    back == *b"hello"
}

#[tokio::test]
async fn a_proxy_ends_tls_as_its_json_says_and_no_answer_shows_the_key() {
    let running = Running::start().await;
    let [(ca, key), (other_ca, other_key), (upstream_ca, upstream_key)] =
        [authority(), authority(), authority()];
    let upstream = server(&Authority::new(&upstream_ca, &upstream_key).unwrap(), NAME, b"a/1").await;
    let tls = |ca: &str, key: &str| json!({"ca_certificate": ca, "ca_key": key, "upstream_roots": upstream_ca, "upstream_server_name": NAME});
    let asked = |listen: &str, tls: serde_json::Value| json!({"name": "p", "listen": listen, "upstream": upstream, "tls": tls});
    let created = running.call("POST", "/proxies", &asked("127.0.0.1:0", tls(&ca, &key)).to_string()).await;
    assert_eq!(created.status, 201, "{created:?}");
    assert!(echoes(&running, &ca).await && !echoes(&running, &other_ca).await);

    // A list that says the same, or nothing of TLS, leaves the proxy as it is; another authority takes its place.
    let listen = running.proxies.get("p").unwrap().listen;
    let silent = json!({"name": "p", "listen": listen, "upstream": upstream});
    for same in [asked(&listen, tls(&ca, &key)), silent] {
        let populated = running.call("POST", "/populate", &json!([same]).to_string()).await;
        assert_eq!(populated.status, 201, "{populated:?}");
        assert!(echoes(&running, &ca).await);
    }
    let replaced = json!([asked(&listen, tls(&other_ca, &other_key))]).to_string();
    let replaced = running.call("POST", "/populate", &replaced).await;
    assert_eq!(replaced.status, 201, "{replaced:?}");
    assert!(echoes(&running, &other_ca).await && !echoes(&running, &ca).await);

    // A change of one proxy says it alike, keeps the port, and takes TLS away where it says that there is none.
    let patch = async |body: serde_json::Value| running.call("PATCH", "/proxies/p", &body.to_string()).await;
    let patched = patch(json!({"tls": tls(&ca, &key)})).await;
    assert_eq!((patched.status, patched.headers.get("X-Bulkhead-Ignored-Keys")), (200, None), "{patched:?}");
    assert!(echoes(&running, &ca).await && !echoes(&running, &other_ca).await);
    assert_eq!(running.proxies.get("p").unwrap().listen, listen);
    let wrong = patch(json!({"tls": {"ca_certificate": "no PEM", "ca_key": key}})).await;
    assert_eq!(wrong.status, 400, "{wrong:?}");
    // What is shown has no key, so sent back it is no wish for TLS without one, and nothing is changed by it.
    let seen = running.call("GET", "/proxies/p", "").await;
    let back = patch(serde_json::from_str(&seen.body).unwrap()).await;
    assert!(back.status == 400 && back.body.contains("ca_key"), "{back:?}");
    assert_eq!(running.call("GET", "/proxies/p", "").await.body, seen.body);
    assert_eq!(patch(json!({"upstream": upstream, "enabled": true})).await.status, 200);
    assert!(echoes(&running, &ca).await);
    assert_eq!(patch(json!({"tls": null})).await.status, 200);
    assert!(running.proxies.get("p").unwrap().tls.is_none() && !echoes(&running, &ca).await);

    let shown = running.call("GET", "/proxies/p", "").await;
    for reply in [created, replaced, patched, shown] {
        assert!(!reply.body.contains("PRIVATE KEY"), "{}", reply.body);
        let bodies = [&key, &other_key].map(|pem| pem.lines().nth(1).unwrap());
        assert!(bodies.iter().all(|line| !reply.body.contains(line)), "{}", reply.body);
    }
}
