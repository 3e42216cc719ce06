//! The thinnest chain from end to end: real sockets, one toxic, added and removed on an open connection.

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use crate::{
    Error, Proxies, Settings,
    seed::Seed,
    spec::{Direction, ProxySpec, Side, ToxicSpec},
    tape::Effect,
    toxics::{self, Attributes, Value},
    trigger::Trigger,
};

/// A server that sends back whatever it is sent.
async fn echo() -> String {
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
