//! Connections on real sockets: what both peers see. The helpers stand here, the subjects beside it.

use std::{io, net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::timeout,
};

use crate::{
    Proxies, Settings,
    seed::Seed,
    spec::{ProxySpec, Side, ToxicSpec},
    toxics::{self, Attributes, Value},
    trigger::Trigger,
};

mod changes;
mod chaos;
mod descriptors;
mod ends;
mod timing;
mod undialled;

/// What every wait of these tests is bounded by; none takes nearly as long.
const PATIENCE: Duration = Duration::from_secs(30);

/// One proxy in front of a listener of the test's own.
struct Bed {
    proxies: Proxies,
    listen: SocketAddr,
    upstream: TcpListener,
}

impl Bed {
    async fn new() -> Self {
        Self::with(false, Vec::new()).await
    }

    async fn with(whole_close: bool, toxics: Vec<ToxicSpec>) -> Self {
        let upstream = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxies = Proxies::new(Settings { seed: Seed(7), whole_close });
        let spec = spec(&upstream.local_addr().unwrap().to_string(), toxics);
        let listen = proxies.create(spec).await.unwrap().listen.parse().unwrap();
        Self { proxies, listen, upstream }
    }

    /// Both ends of a new connection: the client's and the server's.
    async fn pair(&self) -> (TcpStream, TcpStream) {
        let client = TcpStream::connect(self.listen).await.unwrap();
        let (server, _) = soon(self.upstream.accept()).await.unwrap();
        (client, server)
    }

    async fn add(&self, toxic: ToxicSpec) {
        soon(self.proxies.add_toxic("p", toxic)).await.unwrap();
    }

    async fn remove(&self, toxic: &str) {
        soon(self.proxies.remove_toxic("p", toxic)).await.unwrap();
    }
}

fn spec_named(name: &str, upstream: &str) -> ProxySpec {
    ProxySpec { name: name.into(), ..spec(upstream, Vec::new()) }
}

fn spec(upstream: &str, toxics: Vec<ToxicSpec>) -> ProxySpec {
    ProxySpec {
        name: "p".into(),
        listen: "127.0.0.1:0".into(),
        upstream: upstream.into(),
        enabled: true,
        toxics,
        tls: None,
    }
}

/// A toxic, named as its kind.
fn toxic(kind: &str, stream: &str, numbers: &[(&str, i64)]) -> ToxicSpec {
    let kind = toxics::find(kind).unwrap();
    let mut attributes = Attributes::of(kind.fields());
    for (name, number) in numbers {
        attributes.set(name, Value::Integer(*number));
    }
    ToxicSpec {
        name: kind.name().into(),
        kind,
        stream: stream.into(),
        side: Side::parse(stream).unwrap(),
        toxicity: 1.0,
        attributes,
        trigger: Trigger::default(),
    }
}

async fn soon<T>(wait: impl Future<Output = T>) -> T {
    timeout(PATIENCE, wait).await.unwrap()
}

async fn send(stream: &mut TcpStream, bytes: &[u8]) {
    soon(stream.write_all(bytes)).await.unwrap();
}

async fn receive(stream: &mut TcpStream, bytes: &[u8]) {
    let mut got = vec![0; bytes.len()];
    soon(stream.read_exact(&mut got)).await.unwrap();
    assert!(got == bytes);
}

/// What is read until the end, and whether that was a FIN or which error.
async fn rest(stream: &mut TcpStream) -> (Vec<u8>, Option<io::ErrorKind>) {
    let mut got = Vec::new();
    let end = soon(stream.read_to_end(&mut got)).await;
    (got, end.err().map(|error| error.kind()))
}

async fn ends_with_fin(stream: &mut TcpStream) {
    assert_eq!(rest(stream).await, (Vec::new(), None));
}

async fn ends_with_rst(stream: &mut TcpStream) {
    assert_eq!(rest(stream).await, (Vec::new(), Some(io::ErrorKind::ConnectionReset)));
}

/// Bytes that look alike nowhere.
fn noise(seed: u64, bytes: usize) -> Vec<u8> {
    let mut randomness = Seed(seed).stream("noise", 1, crate::spec::Direction::Upstream, "");
    (0..bytes.div_ceil(8)).flat_map(|_| randomness.bits().to_be_bytes()).take(bytes).collect()
}
