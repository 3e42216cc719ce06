//! One connection: it is accepted, the upstream is dialled, and bytes move both ways through their chains.
//!
//! What toxics do is the chains'; here are sockets and the clock.

use std::{sync::Arc, time::Instant};

use bytes::{Bytes, BytesMut};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpStream,
        tcp::{ReadHalf, WriteHalf},
    },
    sync::watch,
};

use crate::{
    chain::{Chain, Next, Origin},
    proxies::Shared,
    proxy::Generation,
    spec::Direction,
    tape::Entry,
    toxics::{Chunk, Cut, Item},
};

/// Bytes read at once, as in Toxiproxy.
const READ: usize = 32 * 1024;

/// What a connection needs of its proxy.
#[derive(Clone, Debug)]
pub(crate) struct Terms {
    pub(crate) proxy: Arc<str>,
    pub(crate) upstream: Arc<str>,
    pub(crate) generation: watch::Receiver<Arc<Generation>>,
    pub(crate) shared: Arc<Shared>,
}

/// Runs a connection to its end.
pub(crate) async fn run(mut client: TcpStream, ordinal: u64, terms: Terms) {
    let mut server = match TcpStream::connect(terms.upstream.as_ref()).await {
        Ok(server) => server,
        Err(error) => {
            tracing::warn!(proxy = %terms.proxy, upstream = %terms.upstream, %error, "cannot dial");
            return;
        }
    };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let cut = {
        let (client_read, client_write) = client.split();
        let (server_read, server_write) = server.split();
        let up = Way::new(Direction::Upstream, ordinal, &terms).carry(client_read, server_write);
        let down = Way::new(Direction::Downstream, ordinal, &terms).carry(server_read, client_write);
        tokio::pin!(up, down);
        let mut open = [true; 2];
        loop {
            let ended = tokio::select! {
                ended = &mut up, if open[0] => { open[0] = false; ended }
                ended = &mut down, if open[1] => { open[1] = false; ended }
                else => break None,
            };
            match ended {
                Ended::Passed if !terms.shared.settings.whole_close => {}
                Ended::Passed => break Some(Cut::Close),
                Ended::Cut(cut) => break Some(cut),
            }
        }
    };
    if cut == Some(Cut::Reset) {
        let _ = (client.set_zero_linger(), server.set_zero_linger());
    }
}

/// How one way ended.
enum Ended {
    /// The source's end was passed on.
    Passed,
    /// The connection is to end.
    Cut(Cut),
}

/// One way through a connection.
struct Way {
    direction: Direction,
    ordinal: u64,
    chain: Chain,
    /// Kept until the chain has taken on the next one, which is what a change waits for.
    held: Arc<Generation>,
    terms: Terms,
}

impl Way {
    fn new(direction: Direction, connection: u64, terms: &Terms) -> Self {
        let seed = terms.shared.settings.seed;
        let origin = Origin { seed, proxy: terms.proxy.clone(), connection, direction };
        let mut terms = terms.clone();
        let held = terms.generation.borrow_and_update().clone();
        let mut chain = Chain::new(origin);
        chain.reconcile(&held.toxics, Instant::now());
        Self { direction, ordinal: connection, chain, held, terms }
    }

    async fn carry(mut self, mut source: ReadHalf<'_>, mut sink: WriteHalf<'_>) -> Ended {
        let mut buffer = BytesMut::new();
        let mut ended = false;
        loop {
            let (until, wants_input) = match self.chain.next(Instant::now()) {
                Next::Item(Item::Data(chunk)) => {
                    self.record();
                    if sink.write_all(&chunk.bytes).await.is_err() {
                        return Ended::Cut(Cut::Close);
                    }
                    continue;
                }
                Next::Item(Item::End) => {
                    let _ = sink.shutdown().await;
                    return Ended::Passed;
                }
                Next::Item(Item::Cut(cut)) => {
                    self.record();
                    return Ended::Cut(cut);
                }
                Next::Wait { until, wants_input } => (until, wants_input && !ended),
            };
            self.record();
            let due = until.map(tokio::time::Instant::from_std);
            tokio::select! {
                biased;
                Ok(()) = self.terms.generation.changed() => {
                    let generation = self.terms.generation.borrow_and_update().clone();
                    self.chain.reconcile(&generation.toxics, Instant::now());
                    self.held = generation;
                }
                () = tokio::time::sleep_until(due.unwrap_or_else(tokio::time::Instant::now)), if due.is_some() => {}
                read = source.read_buf({ buffer.reserve(READ); &mut buffer }), if wants_input => {
                    ended = !matches!(read, Ok(1..));
                    let item = if ended { Item::End } else { arrived(buffer.split().freeze()) };
                    if self.chain.is_empty() {
                        match item {
                            Item::Data(chunk) if sink.write_all(&chunk.bytes).await.is_err() => {
                                return Ended::Cut(Cut::Close);
                            }
                            Item::Data(_) => {}
                            Item::End | Item::Cut(_) => {
                                let _ = sink.shutdown().await;
                                return Ended::Passed;
                            }
                        }
                    } else {
                        self.chain.give(item, Instant::now());
                    }
                }
            }
        }
    }

    /// Puts what the toxics did onto the tape.
    fn record(&mut self) {
        let shared = &self.terms.shared;
        for mark in self.chain.marks() {
            shared.tape.write(Entry {
                number: 0,
                at: shared.began.elapsed(),
                proxy: self.terms.proxy.clone(),
                connection: self.ordinal,
                direction: self.direction,
                toxic: mark.toxic,
                offset: mark.offset,
                bytes: mark.bytes,
                effect: mark.effect,
            });
        }
    }
}

fn arrived(bytes: Bytes) -> Item {
    Item::Data(Chunk { bytes, arrived: Instant::now() })
}
