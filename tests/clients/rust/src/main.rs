//! The fault proxy through the crates that speak Toxiproxy, as their documentation uses them: `toxiproxy_rust`, and
//! `noxious-client`.
//!
//! Takes the crate's name and the upstream's address; the API is at TOXIPROXY_URL. Prints one JSON line: what it saw.
//! What was otherwise than expected is a panic with its place.

use std::{
    env,
    io::{ErrorKind, Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

use noxious_client::{Client, StreamDirection, Toxic, ToxicKind};
use toxiproxy_rust::{client, proxy::ProxyPack};

const HELLO: &[u8] = b"0123456789";
const PATIENCE: Duration = Duration::from_secs(20);

/// What of ten bytes comes back, up to the whole of it or the connection's end.
fn echoed(listen: &str) -> Vec<u8> {
    let mut stream = TcpStream::connect(listen).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut back = Vec::new();
    if stream.write_all(HELLO).is_err() {
        return back;
    }
    let mut buffer = [0; 64];
    while back.len() < HELLO.len() {
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => back.extend(&buffer[..count]),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => break,
            Err(error) => panic!("{error}"),
        }
    }
    back
}

fn refused(listen: &str) -> bool {
    TcpStream::connect(listen).is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
}

fn blocking(api: &str, upstream: &str) -> Vec<&'static str> {
    let server = client::Client::new(api);
    assert!(server.is_running());
    let pack = ProxyPack::new("echo".into(), "127.0.0.1:0".into(), upstream.into());
    let made = server.populate(vec![pack]).unwrap();
    let listen = made[0].proxy_pack.listen.clone();
    assert_eq!(server.all().unwrap().len(), 1);
    assert_eq!(echoed(&listen), HELLO);

    let proxy = || server.find_and_reset_proxy("echo").unwrap();
    let down = || "downstream".to_owned();
    let gives = |expected: &'static [u8]| {
        let listen = listen.clone();
        move || assert_eq!(echoed(&listen), expected)
    };
    proxy().with_latency(down(), 20, 5, 1.0).apply(gives(HELLO)).unwrap();
    proxy().with_bandwidth(down(), 1000, 1.0).apply(gives(HELLO)).unwrap();
    proxy().with_slow_close(down(), 20, 1.0).apply(gives(HELLO)).unwrap();
    proxy().with_slicer(down(), 4, 1, 10, 1.0).apply(gives(HELLO)).unwrap();
    proxy().with_limit_data(down(), 3, 1.0).apply(gives(&HELLO[..3])).unwrap();
    proxy().with_timeout(down(), 20, 1.0).apply(gives(b"")).unwrap();
    // The two of its own documentation, one upon the other.
    proxy().with_slicer(down(), 4, 1, 0, 0.8).with_bandwidth(down(), 1000, 0.5).apply(gives(HELLO)).unwrap();
    assert!(proxy().toxics().unwrap().is_empty());
    assert_eq!(echoed(&listen), HELLO);

    proxy().with_down(|| assert!(refused(&listen))).unwrap();
    assert_eq!(echoed(&listen), HELLO);
    proxy().disable().unwrap();
    server.reset().unwrap();
    assert_eq!(echoed(&listen), HELLO);
    proxy().delete().unwrap();
    assert!(server.all().unwrap().is_empty());
    assert!(refused(&listen));
    vec!["latency", "bandwidth", "slow_close", "slicer", "limit_data", "timeout"]
}

/// Its `populate` expects a bare list, which no version of Toxiproxy 2 answers; proxies are created one by one.
async fn asynchronous(api: &str, upstream: &str) -> Vec<&'static str> {
    let server = Client::new(api);
    server.create_proxy("echo", "127.0.0.1:0", upstream).await.unwrap();
    let mut proxy = server.proxy("echo").await.unwrap();
    let listen = proxy.config.listen.clone();
    assert_eq!(server.proxies().await.unwrap().len(), 1);
    assert_eq!(echoed(&listen), HELLO);
    server.create_proxy("echo", "127.0.0.1:0", upstream).await.unwrap_err();

    let toxics: [(&str, ToxicKind, &[u8]); 6] = [
        ("latency", ToxicKind::Latency { latency: 20, jitter: 5 }, HELLO),
        ("bandwidth", ToxicKind::Bandwidth { rate: 1000 }, HELLO),
        ("slow_close", ToxicKind::SlowClose { delay: 20 }, HELLO),
        ("slicer", ToxicKind::Slicer { average_size: 4, size_variation: 1, delay: 10 }, HELLO),
        ("limit_data", ToxicKind::LimitData { bytes: 3 }, &HELLO[..3]),
        ("timeout", ToxicKind::Timeout { timeout: 20 }, b""),
    ];
    let direction = StreamDirection::Downstream;
    for (name, kind, expected) in toxics {
        let toxic = Toxic { kind, name: name.to_owned(), toxicity: 1.0, direction };
        assert_eq!(proxy.add_toxic(&toxic).await.unwrap().kind, kind);
        assert_eq!(echoed(&listen), expected, "{name}");
        proxy.remove_toxic(name).await.unwrap();
        assert_eq!(echoed(&listen), HELLO, "{name} is gone");
    }

    let toxic =
        |bytes| Toxic { kind: ToxicKind::LimitData { bytes }, name: "few".into(), toxicity: 1.0, direction };
    proxy.add_toxic(&toxic(4)).await.unwrap();
    let updated = proxy.update_toxic("few", 1.0, toxic(7).kind, direction).await.unwrap();
    assert_eq!(updated.kind, ToxicKind::LimitData { bytes: 7 });
    assert_eq!(echoed(&listen), &HELLO[..7]);
    assert_eq!(proxy.toxics().await.unwrap().len(), 1);

    proxy.disable().await.unwrap();
    assert!(refused(&listen));
    server.reset_state().await.unwrap();
    assert_eq!(echoed(&listen), HELLO);
    proxy.delete().await.unwrap();
    assert!(server.proxies().await.unwrap().is_empty());
    assert!(refused(&listen));
    toxics.map(|(name, ..)| name).to_vec()
}

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [name, upstream] = arguments.as_slice() else { panic!("usage: CRATE UPSTREAM") };
    let url = env::var("TOXIPROXY_URL").unwrap();
    let toxics = match name.as_str() {
        "toxiproxy_rust" => blocking(url.trim_start_matches("http://"), upstream),
        "noxious-client" => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(asynchronous(&url, upstream))
        }
        other => panic!("no such crate: {other}"),
    };
    println!(r#"{{"client":"{name}","ok":true,"toxics":{toxics:?}}}"#);
}
