//! The API from outside: requests as bytes on a socket, answers as bytes from it, against the contract's every row.

mod errors;
mod extensions;
mod hostile;
mod reading;
mod routes;
mod tls;

use std::{collections::BTreeMap, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::oneshot,
};

use super::{Api, Options};
use crate::{Proxies, Settings, seed::Seed, server::Server, tests::echo};

/// Only a hang reaches it.
const CAP: Duration = Duration::from_secs(30);

/// A server on a port of the kernel's choice. It ends when this is dropped.
struct Running {
    address: String,
    proxies: Proxies,
    _end: oneshot::Sender<()>,
}

/// An answer as it was on the wire, without the date.
#[derive(Debug)]
struct Reply {
    status: u16,
    headers: BTreeMap<String, String>,
    body: String,
}

impl Running {
    async fn start() -> Self {
        Self::with(Options::default(), |_| {}).await
    }

    async fn with(options: Options, set: impl FnOnce(&mut Server)) -> Self {
        let proxies = Proxies::new(Settings { seed: Seed(7), whole_close: false });
        let mut server = Server::bind("127.0.0.1:0", Api::new(proxies.clone(), options)).await.unwrap();
        set(&mut server);
        let address = server.address().unwrap().to_string();
        let (end, ended) = oneshot::channel();
        tokio::spawn(server.run(async {
            let _ = ended.await;
        }));
        Self { address, proxies, _end: end }
    }

    async fn open(&self) -> TcpStream {
        TcpStream::connect(&self.address).await.unwrap()
    }

    /// Sends bytes and reads until the server closes.
    async fn raw(&self, request: &[u8]) -> Reply {
        let mut stream = self.open().await;
        let (mut read, mut write) = stream.split();
        let mut reply = Vec::new();
        let exchange = async {
            // The server may answer and close before it has read all.
            let (_, read) = tokio::join!(write.write_all(request), read.read_to_end(&mut reply));
            let _ = read;
        };
        tokio::time::timeout(CAP, exchange).await.unwrap();
        Reply::read(&reply)
    }

    async fn call(&self, method: &str, path: &str, body: &str) -> Reply {
        let length = body.len();
        let head = format!("{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n");
        self.raw(format!("{head}Content-Length: {length}\r\n\r\n{body}").as_bytes()).await
    }

    /// A proxy that listens on a port of the kernel's choice and dials nothing that answers.
    async fn proxy(&self, name: &str) -> String {
        let body = format!(r#"{{"name":"{name}","listen":"127.0.0.1:0","upstream":"127.0.0.1:1"}}"#);
        let reply = self.call("POST", "/proxies", &body).await;
        assert_eq!(reply.status, 201, "{reply:?}");
        self.proxies.get(name).unwrap().listen
    }
}

impl Reply {
    fn read(bytes: &[u8]) -> Self {
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text:?}"));
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let header =
            |line: &str| line.split_once(": ").map(|(name, value)| (name.to_owned(), value.to_owned()));
        let mut headers: BTreeMap<_, _> = lines.map(|line| header(line).unwrap()).collect();
        assert!(headers.remove("Date").is_some());
        headers.remove("Connection");
        if let Some(length) = headers.remove("Content-Length") {
            assert_eq!(length, body.len().to_string());
        }
        Self { status, headers, body: body.to_owned() }
    }

    /// The headers, each `name: value`, with the request's opaque number left out.
    fn headers(&self) -> Vec<String> {
        let shown = |(name, value): (&String, &String)| match name.as_str() {
            "X-Toxiproxy-Request-Id" => name.clone(),
            _ => format!("{name}: {value}"),
        };
        self.headers.iter().map(shown).collect()
    }

    #[track_caller]
    fn is(&self, status: u16, headers: &[&str], body: &str) {
        assert_eq!((self.status, self.body.as_str()), (status, body), "{self:?}");
        assert_eq!(self.headers(), headers, "{self:?}");
    }

    /// JSON without a newline.
    #[track_caller]
    fn is_json(&self, status: u16, body: &str) {
        self.is(status, &["Content-Type: application/json", "X-Toxiproxy-Request-Id"], body);
    }

    /// Nothing, but from a route.
    #[track_caller]
    fn is_empty(&self, status: u16) {
        self.is(status, &["X-Toxiproxy-Request-Id"], "");
    }

    /// A refusal in Toxiproxy's form.
    #[track_caller]
    fn refuses(&self, status: u16, error: &str) {
        const HEADERS: [&str; 3] = [
            "Content-Type: text/plain; charset=utf-8",
            "X-Content-Type-Options: nosniff",
            "X-Toxiproxy-Request-Id",
        ];
        self.is(status, &HEADERS, &format!("{{\"error\":\"{error}\",\"status\":{status}}}\n"));
    }
}
