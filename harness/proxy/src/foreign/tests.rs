//! Both the genuine server and ours, driven from another process's point of view, and what the crate alone would have
//! told us.

use std::{
    collections::BTreeSet,
    env, fs,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use super::{Error, Foreign};
use crate::{
    Proxies, Settings,
    api::{Api, Options},
    seed::Seed,
    server::Server,
    spec::{ProxyChange, ProxySpec, Side, ToxicChange, ToxicSpec},
    toxics::{self, Attributes, Value},
    trigger::Trigger,
};

/// The genuine server; it ends with this.
struct Genuine {
    child: Child,
    address: String,
}

impl Drop for Genuine {
    fn drop(&mut self) {
        let _ = (self.child.kill(), self.child.wait());
    }
}

/// None, with a word, where there is none and that is allowed.
async fn genuine() -> Option<Genuine> {
    let named = env::var_os("BULKHEAD_TOXIPROXY_BIN").map(PathBuf::from);
    let path = env::var_os("PATH").unwrap_or_default();
    let on_path = env::split_paths(&path).map(|folder| folder.join("toxiproxy-server"));
    let Some(program) = named.into_iter().chain(on_path).find(|file| file.is_file()) else {
        let word = "no toxiproxy-server: `go install github.com/Shopify/toxiproxy/v2/cmd/server@v2.12.0` makes one, and \
                    BULKHEAD_TOXIPROXY_BIN says where it is";
        assert!(env::var_os("BULKHEAD_NO_SKIP").is_none_or(|value| value != "1"), "{word}");
        println!("skipped: {word}");
        return None;
    };
    let mut command = Command::new(program);
    command.args(["-host", "127.0.0.1", "-port", "0"]).env("LOG_LEVEL", "fatal");
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let mut genuine = Genuine { child, address: String::new() };
    let begun = Instant::now();
    while genuine.address.is_empty() {
        assert!(genuine.child.try_wait().unwrap().is_none(), "it ended");
        assert!(begun.elapsed() < Duration::from_secs(30), "it does not listen");
        tokio::time::sleep(Duration::from_millis(5)).await;
        genuine.address = listening(genuine.child.id());
    }
    Some(genuine)
}

/// Where a process listens, asked of the kernel; empty while it does not.
fn listening(pid: u32) -> String {
    let files = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    let links = files.filter_map(|file| fs::read_link(file.path()).ok());
    let sockets: BTreeSet<String> = links.map(|link| link.to_string_lossy().into_owned()).collect();
    let table = fs::read_to_string("/proc/net/tcp").unwrap();
    let mut rows = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let row = rows.find(|row| row[3] == "0A" && sockets.contains(&format!("socket:[{}]", row[9])));
    let port = row.map(|row| u16::from_str_radix(row[1].split_once(':').unwrap().1, 16).unwrap());
    port.map(|port| format!("127.0.0.1:{port}")).unwrap_or_default()
}

async fn ours() -> String {
    let api = Api::new(Proxies::new(Settings { seed: Seed(7), whole_close: false }), Options::default());
    let server = Server::bind("127.0.0.1:0", api).await.unwrap();
    let address = server.address().unwrap().to_string();
    tokio::spawn(server.run(std::future::pending()));
    address
}

fn proxy(name: &str) -> ProxySpec {
    ProxySpec {
        name: name.into(),
        listen: "127.0.0.1:0".into(),
        upstream: "127.0.0.1:9".into(),
        enabled: true,
        toxics: Vec::new(),
        tls: None,
    }
}

fn toxic(name: &str, kind: &str, attributes: &[(&str, i64)]) -> ToxicSpec {
    let kind = toxics::find(kind).unwrap();
    let mut all = Attributes::of(kind.fields());
    for (name, value) in attributes {
        all.set(name, Value::Integer(*value));
    }
    let stream = "downstream".to_owned();
    ToxicSpec {
        name: name.into(),
        kind,
        side: Side::parse(&stream).unwrap(),
        stream,
        toxicity: 1.0,
        attributes: all,
        trigger: Trigger::default(),
    }
}

/// Everything, on whichever server is there.
async fn drives(address: &str) {
    let foreign = Foreign::connect(address).await.unwrap();
    assert!(!foreign.version().await.unwrap().is_empty());
    let made = foreign.create(&proxy("one")).await.unwrap();
    assert!(made.listen.starts_with("127.0.0.1:") && !made.listen.ends_with(":0"));
    assert!(matches!(foreign.create(&proxy("one")).await, Err(Error::Refused { status: 409, .. })));

    // By the crate; by our own client for its kind, its name, its number and its fraction.
    foreign.add_toxic("one", &toxic("latency_downstream", "latency", &[("latency", 5)])).await.unwrap();
    foreign.add_toxic("one", &toxic("reset_peer_downstream", "reset_peer", &[("timeout", 7)])).await.unwrap();
    foreign.add_toxic("one", &toxic("mine", "latency", &[("latency", 5)])).await.unwrap();
    foreign
        .add_toxic("one", &toxic("bandwidth_downstream", "bandwidth", &[("rate", 1 << 40)]))
        .await
        .unwrap();
    let half = ToxicSpec { toxicity: 0.1, ..toxic("slicer_downstream", "slicer", &[("average_size", 9)]) };
    assert_eq!(foreign.add_toxic("one", &half).await.unwrap().toxicity.to_bits(), 0.1_f32.to_bits());

    let mut attributes = Attributes::of(toxics::find("latency").unwrap().fields());
    attributes.set("latency", Value::Integer(-6));
    let change = ToxicChange { attributes: Some(attributes), toxicity: Some(0.25), trigger: None };
    let changed = foreign.change_toxic("one", "mine", &change).await.unwrap();
    assert_eq!(
        (changed.attributes["latency"].as_i64(), changed.toxicity.to_bits()),
        (Some(-6), 0.25_f32.to_bits())
    );
    foreign.remove_toxic("one", "mine").await.unwrap();
    assert!(matches!(foreign.remove_toxic("one", "mine").await, Err(Error::Refused { status: 404, .. })));

    let off = ProxyChange { enabled: Some(false), ..ProxyChange::default() };
    assert!(!foreign.change("one", off.clone()).await.unwrap().enabled);
    foreign.reset().await.unwrap();
    let one = foreign.get("one").await.unwrap().unwrap();
    assert!(one.enabled && one.toxics.is_empty());
    // With small numbers only, the crate disables it.
    assert!(!foreign.change("one", off).await.unwrap().enabled);
    let moved = ProxyChange { upstream: Some("127.0.0.1:10".into()), ..ProxyChange::default() };
    assert_eq!(foreign.change("one", moved).await.unwrap().upstream, "127.0.0.1:10");

    let with = ProxySpec { toxics: vec![toxic("timeout_downstream", "timeout", &[])], ..proxy("a b") };
    assert_eq!(foreign.populate(&[with, proxy("two")]).await.unwrap()[0].toxics.len(), 1);
    let refused = foreign.populate(&[proxy("")]).await;
    assert!(matches!(refused, Err(Error::Refused { status: 400, .. })), "{refused:?}");
    for name in ["one", "two", "a b"] {
        foreign.delete(name).await.unwrap();
        assert!(matches!(foreign.delete(name).await, Err(Error::Refused { status: 404, .. })));
    }
    assert_eq!(foreign.all().await.unwrap(), []);
}

/// What a server refused, the crate calls a success; here it is an error.
async fn catches(address: &str) {
    let foreign = Foreign::connect(address).await.unwrap();
    foreign.create(&proxy("one")).await.unwrap();
    foreign.add_toxic("one", &toxic("latency_downstream", "latency", &[("latency", 5)])).await.unwrap();

    let socket: std::net::SocketAddr = address.parse().unwrap();
    let by_crate = move || {
        let client = toxiproxy_rust::client::Client::new(socket);
        client.find_proxy("one").unwrap().with_latency("downstream".into(), 99, 0, 1.0);
    };
    tokio::task::spawn_blocking(by_crate).await.expect("the crate is content");
    let seen = foreign.get("one").await.unwrap().unwrap();
    assert_eq!(seen.toxics[0].attributes["latency"], 5, "it was refused");

    for latency in [99, 5] {
        let taken = toxic("latency_downstream", "latency", &[("latency", latency)]);
        let refused = foreign.add_toxic("one", &taken).await;
        assert!(matches!(refused, Err(Error::NotDone { .. })), "{refused:?}");
    }
    assert_eq!(foreign.get("one").await.unwrap().unwrap(), seen);

    // Half a proxy is taken back, and an extension is not even asked for.
    let twice = vec![toxic("same", "noop", &[]), toxic("same", "timeout", &[])];
    foreign.create(&ProxySpec { toxics: twice, ..proxy("two") }).await.unwrap_err();
    assert_eq!(foreign.get("two").await.unwrap(), None);
    let trigger = Trigger { connections: Some(1), ..Trigger::default() };
    for extension in [
        ToxicSpec { stream: "both".into(), side: Side::Both, ..toxic("t", "noop", &[]) },
        ToxicSpec { trigger, ..toxic("t", "noop", &[]) },
        toxic("t", "refuse", &[]),
    ] {
        let refused = foreign.add_toxic("one", &extension).await;
        assert!(matches!(refused, Err(Error::Extension { .. })), "{refused:?}");
    }
}

#[tokio::test]
async fn our_own_server_is_driven_from_outside() {
    drives(&ours().await).await;
}

#[tokio::test]
async fn the_genuine_server_is_driven_from_outside() {
    if let Some(genuine) = genuine().await {
        drives(&genuine.address).await;
    }
}

#[tokio::test]
async fn a_refusal_that_the_crate_takes_for_success_is_caught_on_our_own_server() {
    catches(&ours().await).await;
}

#[tokio::test]
async fn a_refusal_that_the_crate_takes_for_success_is_caught_on_the_genuine_server() {
    if let Some(genuine) = genuine().await {
        catches(&genuine.address).await;
    }
}

#[tokio::test]
async fn whoever_is_no_toxiproxy_is_named() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let error = Foreign::connect(&address).await.unwrap_err().to_string();
    assert!(error.starts_with(&format!("toxiproxy at {address}: connect: ")), "{error}");
}
