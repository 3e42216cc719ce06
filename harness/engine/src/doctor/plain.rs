//! Whether a port that no TLS handshake came about on speaks its protocol in plain text. No credentials are sent.

use std::time::Duration;

use bulkhead_model::Service;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// The longest that the port may take to answer.
const BOUND: Duration = Duration::from_secs(3);

/// Whether the port answers a greeting in plain text as the service does.
pub(super) async fn greets(service: Service, host: &str, port: u16) -> bool {
    matches!(tokio::time::timeout(BOUND, ask(service, host, port)).await, Ok(Ok(true)))
}

async fn ask(service: Service, host: &str, port: u16) -> std::io::Result<bool> {
    // What each says first, and what an answer begins with.
    let (greeting, answers): (&[u8], &[&[u8]]) = match service {
        // The handshake has asked for TLS already, and `N` is in its own words.
        Service::Postgres => return Ok(false),
        Service::Redis => (b"PING\r\n", &[b"+PONG", b"-NOAUTH", b"-DENIED", b"-NOPERM"]),
        Service::Rabbitmq => (b"AMQP\0\0\x09\x01", &[b"\x01\0\0", b"AMQP"]),
        Service::S3 => (b"HEAD / HTTP/1.1\r\nHost: bulkhead\r\nConnection: close\r\n\r\n", &[b"HTTP/1"]),
    };
    let mut stream = TcpStream::connect((host.trim_matches(['[', ']']), port)).await?;
    stream.write_all(greeting).await?;
    stream.flush().await?;
    let mut answer = Vec::new();
    let mut buffer = [0; 64];
    while answer.len() < buffer.len() {
        let read = stream.read(&mut buffer).await?;
        answer.extend_from_slice(buffer.get(..read).unwrap_or_default());
        if answers.iter().any(|known| answer.starts_with(known)) {
            return Ok(true);
        }
        if read == 0 {
            break;
        }
    }
    Ok(false)
}
