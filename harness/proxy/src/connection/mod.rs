//! One connection: it is accepted, the upstream is dialled, and bytes move both ways through their chains.
//!
//! What toxics do is the chains'; here are sockets and the clock. Start reading at [`run`]; `way` is one way of it.
//!
//! How it ends: the end of one way is passed on as a half-close, and the connection is over when both have ended. A peer's
//! RST is a RST to the other too, behind what was read before it; so is a write that a peer no longer takes, once what it
//! had sent is passed on. A toxic's cut is what it says, FIN or RST, to both. A change of the proxy is a FIN to both. Where
//! a toxic swallows ends, it is over when both peers have ended.

use std::{
    future::Future,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use tokio::net::TcpStream;

use crate::{
    accept::is_exhausted,
    address,
    chain::{Chain, Mark, Origin},
    clock::Alarm,
    live::{Listed, Live, Place},
    proxies::Shared,
    proxy::{Generation, Present},
    spec::Direction,
    tape::Entry,
    tls::Tls,
    toxics::Cut,
};

mod buffer;
mod pipe;
mod shake;
#[cfg(test)]
mod tests;
mod undialled;
mod way;
mod wire;

pub(crate) use buffer::Buffers;
pub(crate) use pipe::Pipes;
use undialled::Then;
use way::{Around, Ended, Way};
use wire::Wire;

/// How long dialling may take.
const DIAL: Duration = Duration::from_secs(10);

/// What a connection needs of its proxy.
#[derive(Debug)]
pub(crate) struct Terms {
    pub(crate) place: Arc<Place>,
    pub(crate) tls: Option<Tls>,
    pub(crate) present: Arc<Present>,
    pub(crate) live: Arc<Live>,
    pub(crate) shared: Arc<Shared>,
}

impl Terms {
    /// Puts what a toxic did onto the tape and into the account.
    fn record(&self, connection: u64, direction: Direction, mark: Mark) {
        self.live.touch(&mark);
        self.shared.record(Entry {
            number: 0,
            at: self.shared.began.elapsed(),
            proxy: self.place.proxy.clone(),
            connection,
            direction,
            toxic: mark.toxic,
            offset: mark.offset,
            bytes: mark.bytes,
            effect: mark.effect,
        });
    }
}

/// Runs a connection to its end. It may be dropped at any time, which closes both sockets.
pub(crate) async fn run(client: TcpStream, listed: Listed, terms: Arc<Terms>) {
    let mut ways = Direction::ALL.map(|direction| {
        let (seed, proxy) = (terms.shared.seed(), terms.place.proxy.clone());
        let chain = Chain::new(Origin { seed, proxy, connection: listed.open.ordinal, direction });
        Way::new(direction, chain, Alarm::new(&terms.shared.clock))
    });
    let around = Around { terms: &terms, open: &listed.open };
    reconcile(&mut ways, &terms.present.get(), around);
    let mut fault = None;
    if ways.iter().any(|way| way.chain().admission().is_some()) {
        match Box::pin(undialled::wait(&client, &mut ways, around)).await {
            Then::Dial => {}
            Then::Fault(shown) => fault = Some(shown),
            Then::Over => return,
        }
    }
    if fault.is_some() || terms.tls.is_some() {
        return Box::pin(shake::run(client, ways, listed, terms, fault)).await;
    }
    match dial(&terms.place.upstream, DIAL).await {
        Ok(server) => {
            terms.live.relieved(&terms.place);
            link(client, server, ways, listed, terms).await;
        }
        Err(error) if is_exhausted(&error) => terms.live.exhausted(&terms.place, &error),
        Err(error) => {
            let place = &terms.place;
            tracing::warn!(proxy = %place.proxy, upstream = %place.upstream, %error, "cannot dial");
        }
    }
}

/// Carries bytes both ways until the connection ends.
fn link<C: Wire, S: Wire>(
    client: C,
    server: S,
    mut ways: [Way; 2],
    listed: Listed,
    terms: Arc<Terms>,
) -> Link<C, S> {
    // The server's was set when it was dialled.
    let _ = client.socket().set_nodelay(true);
    let held = terms.present.get();
    reconcile(&mut ways, &held, Around { terms: &terms, open: &listed.open });
    Link { client, server, ways, ended: [None, None], resets: false, held, listed, terms }
}

/// Takes on the toxics of a generation, both ways.
fn reconcile(ways: &mut [Way; 2], generation: &Generation, around: Around<'_>) {
    for way in ways.iter_mut() {
        way.reconcile(generation, around);
    }
    tell(ways, around);
}

/// Says which toxics act now.
fn tell(ways: &[Way; 2], around: Around<'_>) {
    around.open.acting(|| ways.iter().flat_map(|way| way.chain().acting()));
}

async fn dial(upstream: &str, limit: Duration) -> io::Result<TcpStream> {
    let late = |_| io::Error::new(io::ErrorKind::TimedOut, format!("no answer in {limit:?}"));
    let server = tokio::time::timeout(limit, address::dial(upstream)).await.map_err(late)??;
    let _ = server.set_nodelay(true);
    Ok(server)
}

/// Both ways of a connection; done when both have ended or one has ended it whole.
struct Link<C: Wire, S: Wire> {
    client: C,
    server: S,
    ways: [Way; 2],
    ended: [Option<Ended>; 2],
    /// Whether the end is a RST to both ends.
    resets: bool,
    /// Kept until the chains have taken on the next one, which is what a change waits for.
    held: Arc<Generation>,
    listed: Listed,
    terms: Arc<Terms>,
}

impl<C: Wire, S: Wire> Future for Link<C, S> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let link = &mut *self;
        let around = Around { terms: &link.terms, open: &link.listed.open };
        around.open.watch(cx.waker());
        if let Some(newer) = around.terms.present.after(&link.held) {
            reconcile(&mut link.ways, &newer, around);
            link.held = newer;
        }
        let whole = around.terms.shared.settings.whole_close;
        let [up, down] = &mut link.ways;
        let [up_ended, down_ended] = &mut link.ended;
        loop {
            let before = (up_ended.is_some(), down_ended.is_some());
            if up_ended.is_none()
                && let Poll::Ready(ended) = up.poll(cx, around, &mut link.client, &mut link.server)
            {
                *up_ended = Some(ended);
            }
            if down_ended.is_none()
                && let Poll::Ready(ended) = down.poll(cx, around, &mut link.server, &mut link.client)
            {
                *down_ended = Some(ended);
            }
            let cut = [&*up_ended, &*down_ended].into_iter().flatten().find_map(|ended| ended.cuts(whole));
            if let Some(cut) = cut {
                link.resets = cut == Cut::Reset;
                return Poll::Ready(());
            }
            match (&*up_ended, &*down_ended) {
                (Some(up), Some(down)) => {
                    link.resets = [up, down].iter().any(|ended| matches!(ended, Ended::Broken));
                    return Poll::Ready(());
                }
                // The peer of a broken way is gone: what it sent before still goes where it was going.
                (Some(Ended::Broken), None) if !before.0 => down.break_off(&link.server),
                (None, Some(Ended::Broken)) if !before.1 => up.break_off(&link.client),
                _ => break,
            }
        }
        if up.is_void() || down.is_void() {
            // Nobody else finds out about a peer that is gone without a word.
            wire::ask_now_and_then(link.client.socket());
            wire::ask_now_and_then(link.server.socket());
            if (up_ended.is_some() || up.is_void()) && (down_ended.is_some() || down.is_void()) {
                return Poll::Ready(());
            }
        }
        // Triggers turn by themselves.
        if link.ways.iter().any(|way| !way.chain().is_empty()) {
            tell(&link.ways, around);
        }
        Poll::Pending
    }
}

impl Ended {
    /// How the whole connection ends by this end of a way, if it does.
    fn cuts(&self, whole: bool) -> Option<Cut> {
        match self {
            Self::Cut(cut) => Some(*cut),
            Self::Passed | Self::Broken => whole.then_some(Cut::Close),
        }
    }
}

impl<C: Wire, S: Wire> Drop for Link<C, S> {
    fn drop(&mut self) {
        let around = Around { terms: &self.terms, open: &self.listed.open };
        self.ways.iter_mut().for_each(|way| way.finish(around));
        let end = if self.resets { wire::reset } else { wire::close };
        end(self.client.socket());
        end(self.server.socket());
    }
}
