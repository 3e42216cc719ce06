//! The proxy from end to end: real sockets, a toxic that is added and removed on an open connection, and one that heals by
//! itself. What toxics do to bytes is proved on pure chains.

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use crate::{
    Error, Proxies, Settings,
    proxies::View,
    seed::Seed,
    spec::{Direction, ProxySpec, Side, ToxicSpec},
    tape::Effect,
    toxics::{self, Attributes, Value},
    trigger::Trigger,
};

/// A server that sends back whatever it is sent.
pub(crate) async fn echo() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut read, mut write) = stream.split();
                let _ = tokio::io::copy(&mut read, &mut write).await;
            });
        }
    });
    address
}

/// A set with one proxy, `echo`.
async fn before_an_echo() -> (Proxies, View) {
    let proxies = Proxies::new(Settings { seed: Seed(7), whole_close: false });
    let spec = ProxySpec {
        name: "echo".into(),
        listen: "127.0.0.1:0".into(),
        upstream: echo().await,
        enabled: true,
        toxics: Vec::new(),
        tls: None,
    };
    let view = proxies.create(spec).await.unwrap();
    (proxies, view)
}

fn latency(milliseconds: i64) -> ToxicSpec {
    let kind = toxics::find("latency").unwrap();
    let mut attributes = Attributes::of(kind.fields());
    attributes.set("latency", Value::Integer(milliseconds));
    let side = Side::One(Direction::Downstream);
    let (stream, trigger) = ("downstream".into(), Trigger::default());
    ToxicSpec { name: "slow".into(), kind, stream, side, toxicity: 1.0, attributes, trigger }
}

async fn echoed(stream: &mut TcpStream, bytes: &[u8]) {
    stream.write_all(bytes).await.unwrap();
    let mut back = vec![0; bytes.len()];
    stream.read_exact(&mut back).await.unwrap();
    assert_eq!(back, bytes);
}

#[tokio::test]
async fn a_toxic_that_is_added_to_an_open_connection_delays_it_and_is_on_the_tape() {
    let (proxies, view) = before_an_echo().await;
    let mut stream = TcpStream::connect(&view.listen).await.unwrap();
    echoed(&mut stream, b"before").await;
    assert!(proxies.tape().after(0).is_empty());

    proxies.add_toxic("echo", latency(50)).await.unwrap();
    assert_eq!(proxies.add_toxic("echo", latency(50)).await.unwrap_err(), Error::ToxicExists);
    let sent = std::time::Instant::now();
    echoed(&mut stream, b"during").await;
    assert!(sent.elapsed() >= std::time::Duration::from_millis(50));
    let tape = proxies.tape().after(0);
    assert!(
        matches!(tape.as_slice(), [entry] if matches!(entry.effect, Effect::Delayed(_)) && entry.bytes == 6)
    );

    proxies.remove_toxic("echo", "slow").await.unwrap();
    echoed(&mut stream, b"after").await;
    assert_eq!(proxies.tape().after(0).len(), 1);

    stream.shutdown().await.unwrap();
    assert_eq!(stream.read(&mut [0]).await.unwrap(), 0);
    proxies.delete("echo").await.unwrap();
    TcpStream::connect(&view.listen).await.unwrap_err();
}

#[tokio::test]
async fn a_triggered_toxic_acts_on_its_connections_after_its_bytes_and_heals_by_itself() {
    let (proxies, view) = before_an_echo().await;
    let mut before = TcpStream::connect(&view.listen).await.unwrap();
    echoed(&mut before, b"before").await;

    let kind = toxics::find("limit_data").unwrap();
    let mut trigger = Trigger::default();
    for (name, number) in [("connections", 2), ("after_bytes", 4)] {
        trigger.set(name, number).unwrap();
    }
    let mut attributes = Attributes::of(kind.fields());
    attributes.set("bytes", Value::Integer(3));
    let toxic = ToxicSpec { name: "limit".into(), kind, attributes, trigger, ..latency(0) };
    proxies.add_toxic("echo", toxic).await.unwrap();

    echoed(&mut before, b"still whole").await;
    for _ in 0..2 {
        let mut stream = TcpStream::connect(&view.listen).await.unwrap();
        stream.write_all(b"0123456789").await.unwrap();
        let mut back = Vec::new();
        let _ = stream.read_to_end(&mut back).await;
        assert_eq!(back, b"0123456");
    }
    let mut healed = TcpStream::connect(&view.listen).await.unwrap();
    echoed(&mut healed, b"0123456789").await;
    assert_eq!(proxies.get("echo").unwrap().toxics.len(), 1);
    let tape = proxies.tape().after(0);
    let closed = tape.iter().filter(|entry| entry.effect == Effect::Closed);
    assert!(closed.map(|entry| (entry.connection, entry.offset)).eq([(2, 7), (3, 7)]), "{tape:?}");
    proxies.delete("echo").await.unwrap();
}
