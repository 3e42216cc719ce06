//! What must not kill the command, end to end: after each assault the API answers, the proxies carry bytes, and no more
//! descriptors are held than before.

use std::{
    fs,
    net::SocketAddr,
    path::Path,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpSocket, TcpStream},
    time::timeout,
};

use super::server::Server;

/// The longest wait for anything: only a hang reaches it.
const CAP: Duration = Duration::from_secs(60);

/// Toxics, each with its numbers.
const TOXICS: [(&str, &[&str]); 14] = [
    ("latency", &["latency", "jitter"]),
    ("bandwidth", &["rate"]),
    ("slow_close", &["delay"]),
    ("timeout", &["timeout"]),
    ("reset_peer", &["timeout"]),
    ("slicer", &["average_size", "size_variation", "delay"]),
    ("limit_data", &["bytes"]),
    ("packet_loss", &["loss_rate", "correlation"]),
    ("corrupt", &["rate"]),
    ("blackhole", &[]),
    ("half_open", &[]),
    ("refuse", &[]),
    ("tls_expired", &[]),
    ("tls_stalled", &[]),
];

/// A running command with one proxy before an echo, and how many descriptors it holds at rest.
struct Fort {
    server: Server,
    proxy: SocketAddr,
    held: usize,
}

impl Fort {
    async fn new() -> Self {
        Self::limited("unlimited").await
    }

    /// With so many descriptors at most.
    async fn limited(descriptors: &str) -> Self {
        let limit =
            if descriptors == "unlimited" { String::new() } else { format!("ulimit -n {descriptors}; ") };
        let command = format!("{limit}exec {} proxy -host 127.0.0.1 -port 0", env!("CARGO_BIN_EXE_bulkhead"));
        let mut server = Server::start(Path::new("/bin/sh"), &["-c", &command]).await;
        let proxy = create(&mut server, "echo", &echo().await.to_string()).await;
        let mut fort = Self { server, proxy, held: 0 };
        // The one timer of the process is made at the first delay and kept.
        let delay = json!({"name": "t", "type": "latency", "attributes": {"latency": 1}}).to_string();
        assert_eq!(fort.server.ask("POST", "/proxies/echo/toxics", &delay).await.status, 200);
        fort.carries().await;
        assert_eq!(fort.server.ask("DELETE", "/proxies/echo/toxics/t", "").await.status, 204);
        fort.held = fort.settled().await;
        fort
    }

    async fn carries(&mut self) {
        let back = timeout(CAP, echoed(self.proxy)).await;
        assert!(matches!(back, Ok(Ok(()))), "the proxy carries nothing: {back:?}");
    }

    /// It stands as before.
    async fn stands(mut self) {
        assert_eq!(self.asked_anew("GET", "/version").await, 200);
        assert_eq!(self.asked_anew("POST", "/reset").await, 204);
        self.carries().await;
        let begun = Instant::now();
        while self.descriptors() > self.held {
            let now = self.open();
            assert!(begun.elapsed() < CAP, "{} descriptors were held, and now {now:?}", self.held);
            // A round trip to the one that is to let go of them.
            assert_eq!(self.asked_anew("GET", "/version").await, 200);
        }
        assert!(self.server.lives());
    }

    /// Asks on a connection of its own: one that was made while there was no room is soon cut off when it says nothing.
    async fn asked_anew(&mut self, method: &str, target: &str) -> u16 {
        self.server.forget();
        self.server.ask(method, target, "").await.status
    }

    fn descriptors(&self) -> usize {
        self.open().len()
    }

    /// What each of its descriptors is.
    fn open(&self) -> Vec<String> {
        let files = fs::read_dir(format!("/proc/{}/fd", self.server.pid())).unwrap().flatten();
        let links = files.filter_map(|file| fs::read_link(file.path()).ok());
        links.map(|link| link.to_string_lossy().into_owned()).collect()
    }

    /// How many are held once the last connection is gone, which the server itself says.
    async fn settled(&mut self) -> usize {
        let begun = Instant::now();
        while self.server.ask("GET", "/x/connections", "").await.body.contains("echo") {
            assert!(begun.elapsed() < CAP, "a connection stays");
        }
        self.descriptors()
    }
}

/// Makes a proxy; where it listens.
async fn create(server: &mut Server, name: &str, upstream: &str) -> SocketAddr {
    let body = json!({"name": name, "listen": "127.0.0.1:0", "upstream": upstream});
    let answer = server.ask("POST", "/proxies", &body.to_string()).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    let made: Value = serde_json::from_str(&answer.body).unwrap();
    made["listen"].as_str().unwrap().parse().unwrap()
}

async fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
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

async fn echoed(proxy: SocketAddr) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(proxy).await?;
    stream.write_all(b"hello").await?;
    let mut back = [0; 5];
    stream.read_exact(&mut back).await?;
    assert_eq!(&back, b"hello");
    Ok(())
}

/// Each number in turn at something that makes no sense, and the others missing.
fn senseless() -> Vec<Value> {
    let mut all = Vec::new();
    let values = [
        json!(-1),
        json!(0),
        json!(i64::MIN),
        json!(i64::MAX),
        json!(1e308),
        json!(-0.5),
        json!("7"),
        json!([]),
        json!(null),
    ];
    for (kind, numbers) in TOXICS {
        all.push(json!({"name": "t", "type": kind}));
        all.push(
            json!({"name": "t", "type": kind, "toxicity": -1e30, "stream": "upstream", "attributes": null}),
        );
        all.push(json!({"name": "t", "type": kind, "attributes": {"no_such": 1}, "stream": "UPSTREAM"}));
        for number in numbers {
            for value in &values {
                all.push(
                    json!({"name": "t", "type": kind, "attributes": {*number: value}, "toxicity": 1e30}),
                );
            }
        }
    }
    all
}

#[tokio::test]
async fn senseless_attributes_under_traffic() {
    let mut fort = Fort::new().await;
    let mut taken = 0;
    for toxic in senseless() {
        // An old connection and a new one, with bytes on the way while the toxic comes and goes.
        let mut old = TcpStream::connect(fort.proxy).await.unwrap();
        old.write_all(&[1; 1000]).await.unwrap();
        let added = fort.server.ask("POST", "/proxies/echo/toxics", &toxic.to_string()).await;
        assert!([200, 400].contains(&added.status), "{toxic}: {} {}", added.status, added.body);
        let _ = old.write_all(&[2; 1000]).await;
        if added.status == 200 {
            taken += 1;
            // `refuse` may have reset it before it is known to be made.
            let mut new = TcpStream::connect(fort.proxy).await;
            if let Ok(new) = &mut new {
                let _ = new.write_all(&[3; 1000]).await;
            }
            let removed = fort.server.ask("DELETE", "/proxies/echo/toxics/t", "").await;
            assert_eq!(removed.status, 204, "{toxic}");
        }
    }
    assert!(taken > 3 * TOXICS.len(), "most are taken: {taken}");
    fort.stands().await;
}

#[tokio::test]
async fn ten_thousand_toxics() {
    let mut fort = Fort::new().await;
    let toxics: Vec<Value> = (0..10_000)
        .map(|n| json!({"name": format!("t{n}"), "type": "latency", "stream": "upstream"}))
        .collect();
    let upstream = echo().await.to_string();
    let body = json!({"name": "many", "listen": "127.0.0.1:0", "upstream": upstream, "toxics": toxics});
    let answer = fort.server.ask("POST", "/proxies", &body.to_string()).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    let made: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(made["toxics"].as_array().unwrap().len(), 10_000);
    timeout(CAP, echoed(made["listen"].as_str().unwrap().parse().unwrap())).await.unwrap().unwrap();
    assert_eq!(fort.server.ask("DELETE", "/proxies/many/toxics/t5000", "").await.status, 204);
    assert_eq!(fort.server.ask("DELETE", "/proxies/many", "").await.status, 204);
    fort.stands().await;
}

#[tokio::test]
async fn clients_of_the_api_that_never_finish() {
    let mut fort = Fort::new().await;
    let mut slow = Vec::new();
    for n in 0..200 {
        let mut stream = TcpStream::connect(fort.server.api).await.unwrap();
        let said: &[u8] = match n % 4 {
            0 => b"",
            1 => b"GET /versi",
            2 => b"POST /proxies HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\n{\"na",
            _ => b"POST /proxies HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nffffffffff\r\n",
        };
        stream.write_all(said).await.unwrap();
        slow.push(stream);
    }
    assert_eq!(fort.server.ask("GET", "/version", "").await.status, 200);
    fort.carries().await;
    drop(slow);
    fort.stands().await;
}

/// A listener that accepts nobody, its queue full, and those that fill it.
async fn deaf() -> (TcpListener, Vec<TcpStream>) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut queue = Vec::new();
    while let Ok(connected) = timeout(Duration::from_millis(200), TcpStream::connect(address)).await {
        queue.push(connected.unwrap());
        assert!(queue.len() < 100, "the queue has no end");
    }
    (listener, queue)
}

#[tokio::test]
async fn upstreams_that_never_accept_or_cannot_be_found() {
    let mut fort = Fort::new().await;
    let (listener, _queue) = deaf().await;
    let never = create(&mut fort.server, "never", &listener.local_addr().unwrap().to_string()).await;
    let nowhere = create(&mut fort.server, "nowhere", "no-such-host.invalid:1").await;
    let mut waiting = Vec::new();
    for _ in 0..50 {
        for proxy in [never, nowhere] {
            let mut stream = TcpStream::connect(proxy).await.unwrap();
            stream.write_all(b"hello").await.unwrap();
            waiting.push(stream);
        }
    }
    fort.carries().await;
    // Half of them go before it is known that nobody answers; the rest is told so by an end.
    waiting.truncate(50);
    for mut stream in waiting {
        let end = timeout(CAP, stream.read(&mut [0])).await.expect("nobody hung up");
        assert!(matches!(end, Ok(0) | Err(_)), "{end:?}");
    }
    // Their listeners were not there before.
    for name in ["never", "nowhere"] {
        assert_eq!(fort.server.ask("DELETE", &format!("/proxies/{name}"), "").await.status, 204);
    }
    fort.stands().await;
}

#[tokio::test]
async fn clients_that_vanish_and_a_flood_of_half_open_connections() {
    let mut fort = Fort::new().await;
    let mut flood = Vec::new();
    for n in 0..300 {
        let mut stream = TcpStream::connect(fort.proxy).await.unwrap();
        match n % 4 {
            0 => drop(stream),
            1 => {
                stream.write_all(&[0; 5000]).await.unwrap();
                stream.set_zero_linger().unwrap();
                drop(stream);
            }
            2 => {
                stream.shutdown().await.unwrap();
                flood.push(stream);
            }
            _ => flood.push(stream),
        }
    }
    fort.carries().await;
    drop(flood);
    fort.stands().await;
}

/// Clients that close without a reset say no more than that they have ended their half. What tells that they are gone is
/// their kernel, a minute after it has forgotten them.
#[tokio::test]
async fn clients_that_closed_are_let_go_by_half_open_and_blackhole() {
    let mut fort = Fort::new().await;
    let mut waiting = Vec::new();
    for kind in ["half_open", "blackhole"] {
        let toxic = json!({"name": "t", "type": kind}).to_string();
        let proxy = create(&mut fort.server, kind, "127.0.0.1:1").await;
        let made = fort.server.ask("POST", &format!("/proxies/{kind}/toxics"), &toxic).await;
        assert_eq!(made.status, 200, "{}", made.body);
        for n in 0..20 {
            let mut stream = TcpStream::connect(proxy).await.unwrap();
            stream.write_all(b"hello").await.unwrap();
            if n == 0 {
                stream.shutdown().await.unwrap();
                waiting.push(stream);
            }
        }
    }
    let begun = Instant::now();
    // Two have only ended their half and still wait: they are kept.
    loop {
        let open = fort.server.ask("GET", "/x/connections", "").await.body.matches("\"connection\":").count();
        assert!(open >= 2, "a client that still waits was let go");
        if open == 2 {
            break;
        }
        assert!(begun.elapsed() < 3 * CAP, "{open} connections are kept");
        let quiet = timeout(Duration::from_millis(200), waiting[0].read(&mut [0])).await;
        assert!(quiet.is_err(), "a client that still waits was answered: {quiet:?}");
    }
    drop(waiting);
    for kind in ["half_open", "blackhole"] {
        assert_eq!(fort.server.ask("DELETE", &format!("/proxies/{kind}"), "").await.status, 204);
    }
    fort.stands().await;
}

#[tokio::test]
async fn descriptors_run_out_for_the_api_and_the_proxies_together() {
    let mut fort = Fort::limited("64").await;
    let mut kept = TcpStream::connect(fort.proxy).await.unwrap();
    let mut through = async |byte: u8| {
        kept.write_u8(byte).await.unwrap();
        let back = timeout(CAP, kept.read_u8()).await.expect("the old connection stalls");
        assert_eq!(back.unwrap(), byte);
    };
    through(1).await;
    let mut flood = Vec::new();
    for n in 0..200 {
        let address = if n % 3 == 0 { fort.server.api } else { fort.proxy };
        if let Ok(Ok(stream)) = timeout(Duration::from_secs(1), TcpStream::connect(address)).await {
            flood.push(stream);
        }
    }
    let begun = Instant::now();
    while fort.descriptors() < 60 {
        assert!(begun.elapsed() < CAP, "{} descriptors: they never ran out", fort.descriptors());
        // What it has goes on.
        through(2).await;
    }
    assert!(fort.server.lives());
    // Whoever comes now to lift a fault is served on a descriptor held in reserve.
    fort.server.forget();
    assert_eq!(fort.server.ask("GET", "/version", "").await.status, 200);
    drop(flood);
    through(3).await;
    drop(kept);
    // The API's own connection may have been among those given up.
    fort.server.forget();
    let begun = Instant::now();
    while timeout(CAP, echoed(fort.proxy)).await.expect("a hang").is_err() {
        assert!(begun.elapsed() < CAP, "new connections are refused for ever");
    }
    fort.stands().await;
}
