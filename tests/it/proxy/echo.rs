//! A server that sends back what it is sent, and a client that looks at what comes back.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
    time::timeout,
};

/// Ten bytes that can be told apart.
pub(super) const HELLO: &[u8] = b"0123456789";

/// The longest wait for bytes or an end.
const PATIENCE: Duration = Duration::from_secs(20);

/// The server. It ends when this is dropped.
pub(super) struct Echo {
    pub(super) address: String,
    accepting: JoinHandle<()>,
}

impl Echo {
    pub(super) async fn new() -> Self {
        Self::at("127.0.0.1:0").await.unwrap()
    }

    /// At that address, where it can be had.
    pub(super) async fn at(address: &str) -> Option<Self> {
        let listener = TcpListener::bind(address).await.ok()?;
        let address = listener.local_addr().unwrap().to_string();
        let accepting = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut read, mut write) = stream.split();
                    let _ = tokio::io::copy(&mut read, &mut write).await;
                });
            }
        });
        Some(Self { address, accepting })
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// What of ten bytes comes back, up to the whole of it or the connection's end.
pub(super) async fn echoed(listen: &str) -> Vec<u8> {
    let mut stream = TcpStream::connect(listen).await.unwrap();
    stream.write_all(HELLO).await.unwrap();
    back(&mut stream, HELLO.len()).await.0
}

/// Reads so many bytes, or to the end: what came, and how it ended if it did.
pub(super) async fn back(stream: &mut TcpStream, count: usize) -> (Vec<u8>, Option<&'static str>) {
    let (mut back, mut buffer) = (Vec::new(), [0; 4096]);
    while back.len() < count {
        let read = timeout(PATIENCE, stream.read(&mut buffer)).await.expect("bytes or an end");
        match read {
            Ok(0) => return (back, Some("end")),
            Ok(count) => back.extend(&buffer[..count]),
            Err(_) => return (back, Some("reset")),
        }
    }
    (back, None)
}
