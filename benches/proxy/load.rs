//! The clients. Every load is the same for every peer and is bounded in time and number; one connection is a plain
//! thread with a blocking socket, many are one event loop.

use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpStream},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use rustix::net::RecvFlags;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::server::{FRAME, LATE, wish};

/// How long a client waits for any one thing.
const PATIENCE: Duration = Duration::from_secs(15);

/// Round trips and connections that are not counted, at the start of a turn.
const WARM: usize = 100;

/// Bytes read at once.
const READ: usize = 256 * 1024;

/// Bytes of a small request and of its reply.
const SMALL: usize = 64;

/// Connections that [`latency_errors`] keeps waiting at once.
const WAITERS: usize = 8;

/// Connections that [`churned`] has in hand at once.
const IN_HAND: usize = 16;

fn connect(address: SocketAddr) -> Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, PATIENCE).context("cannot connect")?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

fn round_trip(stream: &mut TcpStream, frame: &mut [u8]) -> Result<Duration> {
    let start = Instant::now();
    stream.write_all(frame).context("cannot send")?;
    stream.read_exact(frame).context("no reply")?;
    Ok(start.elapsed())
}

/// The median time of a request of 1 kB and its reply on one connection, in seconds.
pub(crate) fn round_trip_p50(address: SocketAddr, turn: Duration) -> Result<f64> {
    let mut stream = connect(address)?;
    stream.write_all(&[wish::ECHO])?;
    let mut frame = [b'x'; FRAME];
    for _ in 0..WARM {
        round_trip(&mut stream, &mut frame)?;
    }
    let (mut times, start) = (Vec::new(), Instant::now());
    while start.elapsed() < turn {
        times.push(round_trip(&mut stream, &mut frame)?.as_secs_f64());
    }
    Ok(quantile(&mut times, 0.5))
}

/// Bytes a second that arrive on one connection, once `warm` is over.
pub(crate) fn bulk(address: SocketAddr, warm: Duration, turn: Duration) -> Result<f64> {
    let mut stream = connect(address)?;
    stream.write_all(&[wish::STREAM])?;
    let mut buffer = vec![0; READ];
    let start = Instant::now();
    let (mut counted, mut since) = (0, None);
    loop {
        let elapsed = start.elapsed();
        if elapsed > warm {
            let since = *since.get_or_insert_with(Instant::now);
            let span = since.elapsed();
            if span > turn {
                return Ok(counted as f64 / span.as_secs_f64());
            }
        }
        let read = discard(&stream, &mut buffer)?;
        if since.is_some() {
            counted += read;
        }
    }
}

/// Receives without copying, so that this end costs as little as it can.
fn discard(stream: &TcpStream, buffer: &mut [u8]) -> Result<usize> {
    let (_, read) = rustix::net::recv(stream, buffer, RecvFlags::TRUNC).context("cannot receive")?;
    ensure!(read > 0, "the stream ended");
    Ok(read)
}

/// Bytes a second from the request until the last of at least so many has arrived. All that came by then count: a proxy
/// sends whole chunks.
pub(crate) fn rate_over(address: SocketAddr, bytes: usize) -> Result<f64> {
    let mut stream = connect(address)?;
    let start = Instant::now();
    stream.write_all(&[wish::STREAM])?;
    let (mut buffer, mut arrived) = (vec![0; READ], 0);
    while arrived < bytes {
        arrived += discard(&stream, &mut buffer)?;
    }
    Ok(arrived as f64 / start.elapsed().as_secs_f64())
}

/// The 99th percentile of what round trips are away from [`LATE`], in seconds. The gaps between them are uneven, so
/// that they meet the proxy's timers in every phase.
pub(crate) fn latency_error(address: SocketAddr, wish: u8, trips: usize) -> Result<f64> {
    let waiters: Vec<_> = (0..WAITERS)
        .map(|waiter| thread::spawn(move || latency_errors(address, wish, trips, waiter)))
        .collect();
    let mut errors = Vec::new();
    for waiter in waiters {
        errors.extend(waiter.join().ok().context("a client ended")??);
    }
    Ok(quantile(&mut errors, 0.99))
}

fn latency_errors(address: SocketAddr, wish: u8, trips: usize, waiter: usize) -> Result<Vec<f64>> {
    let mut stream = connect(address)?;
    stream.write_all(&[wish])?;
    let (mut frame, mut errors) = ([b'x'; FRAME], Vec::new());
    for trip in 0..trips {
        // A step that shares no factor with the 5 ms visits all of them.
        let gap = (waiter * 619 + trip * 1_237) % 5_000;
        thread::sleep(Duration::from_micros(u64::try_from(gap)?));
        let took = round_trip(&mut stream, &mut frame)?;
        errors.push((took.as_secs_f64() - LATE.as_secs_f64()).abs());
    }
    Ok(errors)
}

/// Small requests answered in a second, over this many connections that each wait for the reply.
pub(crate) fn requests(address: SocketAddr, connections: usize, turn: Duration) -> Result<f64> {
    let one = move |deadline: Instant| async move {
        let mut stream = tokio::net::TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (mut bytes, mut count) = ([b'x'; SMALL], 0_usize);
        while Instant::now() < deadline {
            stream.write_all(&bytes).await?;
            stream.read_exact(&mut bytes).await?;
            count += 1;
        }
        Ok(count)
    };
    together(connections, turn, one)
}

/// Connections a second that are opened, carry a request and its reply, and are closed by both ends.
pub(crate) fn churned(address: SocketAddr, turn: Duration) -> Result<f64> {
    let one = move |deadline: Instant| async move {
        let mut count = 0_usize;
        while Instant::now() < deadline {
            let mut stream = tokio::net::TcpStream::connect(address).await?;
            let mut bytes = [b'x'; SMALL];
            stream.write_all(&bytes).await?;
            stream.read_exact(&mut bytes).await?;
            stream.shutdown().await?;
            let more = stream.read(&mut bytes).await?;
            ensure!(more == 0, "bytes after the end");
            count += 1;
        }
        Ok(count)
    };
    together(IN_HAND, turn, one)
}

/// Runs a number of clients on one event loop until the turn is over, and adds up what they counted for a second.
fn together<F>(clients: usize, turn: Duration, one: impl Fn(Instant) -> F) -> Result<f64>
where
    F: Future<Output = Result<usize>> + Send + 'static,
{
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let start = Instant::now();
        let tasks: Vec<_> = (0..clients).map(|_| tokio::spawn(one(start + turn))).collect();
        let mut count = 0;
        for task in tasks {
            count += tokio::time::timeout(turn + PATIENCE, task).await.context("a client got stuck")???;
        }
        Ok(count as f64 / start.elapsed().as_secs_f64())
    })
}

/// Opens that many connections, each of which carries one byte there and back and then stays as it is.
pub(crate) fn idle(address: SocketAddr, count: usize) -> Result<Vec<TcpStream>> {
    (0..count).map(|at| opened(address).with_context(|| format!("connection {at} of {count}"))).collect()
}

fn opened(address: SocketAddr) -> Result<TcpStream> {
    let mut stream = connect(address)?;
    round_trip(&mut stream, &mut [b'x'])?;
    Ok(stream)
}

/// Whether they are all alive still: each carries a byte once more, and is closed.
pub(crate) fn alive(streams: Vec<TcpStream>) -> Result<()> {
    for mut stream in streams {
        round_trip(&mut stream, &mut [b'x']).context("an idle connection was lost")?;
        stream.shutdown(Shutdown::Both)?;
    }
    Ok(())
}

/// The value that this share of them does not exceed; zero for none.
pub(crate) fn quantile(values: &mut [f64], share: f64) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let below = values.iter().enumerate().take_while(|(at, _)| (*at as f64) < share * values.len() as f64);
    below.last().map_or(0.0, |(_, value)| *value)
}
