//! The bare relay: two threads for each connection, each a loop of `splice` through a pipe. No API, no toxics, no
//! limits: what this kernel can do, and a measure for the proxy.

use std::{
    ffi::OsString,
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::Arc,
    thread,
};

use anyhow::{Context, Result};
use rustix::pipe::{SpliceFlags, fcntl_setpipe_size, pipe, splice};

/// Bytes that a pipe holds: the most that a user without rights may ask for.
const PIPE: usize = 1024 * 1024;

/// Relays to the two addresses until it is killed.
pub(crate) fn run(words: impl Iterator<Item = OsString>) -> Result<()> {
    let (mut pairs, mut line) = (Vec::new(), String::new());
    for word in words {
        let upstream: SocketAddr = word.to_str().context("no text")?.parse()?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        line.push_str(&format!("{} ", listener.local_addr()?));
        pairs.push((listener, upstream));
    }
    println!("{line}");
    let relays =
        pairs.into_iter().map(|(listener, upstream)| thread::spawn(move || relay(&listener, upstream)));
    for relay in relays.collect::<Vec<_>>() {
        relay.join().ok().context("a relay ended")?;
    }
    Ok(())
}

fn relay(listener: &TcpListener, upstream: SocketAddr) {
    for client in listener.incoming().flatten() {
        thread::spawn(move || -> Result<()> {
            let server = TcpStream::connect(upstream)?;
            client.set_nodelay(true)?;
            server.set_nodelay(true)?;
            let (client, server) = (Arc::new(client), Arc::new(server));
            let up = (client.clone(), server.clone());
            thread::spawn(move || carry(&up.0, &up.1));
            carry(&server, &client)
        });
    }
}

/// Moves bytes until either end is closed, and passes that on.
fn carry(source: &TcpStream, sink: &TcpStream) -> Result<()> {
    let carried = through_a_pipe(source, sink);
    sink.shutdown(Shutdown::Write)?;
    if carried.is_err() {
        source.shutdown(Shutdown::Both)?;
    }
    carried
}

fn through_a_pipe(source: &TcpStream, sink: &TcpStream) -> Result<()> {
    let (output, input) = pipe()?;
    fcntl_setpipe_size(&input, PIPE)?;
    loop {
        let mut held = splice(source, None, &input, None, PIPE, SpliceFlags::MOVE)?;
        if held == 0 {
            return Ok(());
        }
        while held > 0 {
            held -= splice(&output, None, sink, None, held, SpliceFlags::MOVE)?;
        }
    }
}
