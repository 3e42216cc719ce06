//! The server behind all peers, a process of its own. One port is served by a thread for each connection, for the
//! measures of one connection; the other by one event loop, for those of many.

use std::{
    io::{self, Read as _, Write as _},
    net::{Ipv4Addr, TcpListener, TcpStream},
    thread,
    time::Duration,
};

use anyhow::Result;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// Bytes of a request and of its reply on the port with threads.
pub(crate) const FRAME: usize = 1024;

/// First byte of a connection to the port with threads: what it wants.
pub(crate) mod wish {
    /// Every frame comes back.
    pub(crate) const ECHO: u8 = b'e';
    /// Every frame comes back after a sleep of [`super::LATE`], which is what this machine's timers can do.
    pub(crate) const LATE: u8 = b'l';
    /// Bytes until the connection is closed.
    pub(crate) const STREAM: u8 = b's';
}

/// The delay of `latency` in all measures.
pub(crate) const LATE: Duration = Duration::from_millis(50);

/// Bytes written at once.
const WRITE: usize = 256 * 1024;

/// Serves until it is killed.
pub(crate) fn run() -> Result<()> {
    let threads = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let many = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    println!("{} {}", threads.local_addr()?, many.local_addr()?);
    thread::spawn(move || {
        for stream in threads.incoming().flatten() {
            // Every client ends by closing, which is an error of the last read or write here.
            thread::spawn(move || serve(stream));
        }
    });
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(echo(many))
}

fn serve(mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut wish = [0];
    stream.read_exact(&mut wish)?;
    if wish == [wish::STREAM] {
        let bytes = vec![b'x'; WRITE];
        loop {
            stream.write_all(&bytes)?;
        }
    }
    let mut frame = [0; FRAME];
    loop {
        stream.read_exact(&mut frame)?;
        if wish == [wish::LATE] {
            thread::sleep(LATE);
        }
        stream.write_all(&frame)?;
    }
}

async fn echo(listener: TcpListener) -> Result<()> {
    listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    loop {
        let (mut stream, _) = listener.accept().await?;
        tokio::spawn(async move {
            stream.set_nodelay(true)?;
            let mut bytes = [0; 256];
            loop {
                let read = stream.read(&mut bytes).await?;
                if read == 0 {
                    return io::Result::Ok(());
                }
                stream.write_all(bytes.get(..read).unwrap_or_default()).await?;
            }
        });
    }
}
