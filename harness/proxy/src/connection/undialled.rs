//! A connection before anything is dialled, while toxics keep it so: it waits, or what it sends is swallowed.
//!
//! A client that only ended its half is kept, since it may await an answer. One that is gone is let go: at once when it
//! reset, else when it [no longer answers](wire::ask_now_and_then).

use std::{
    future::{pending, poll_fn},
    sync::Arc,
    task::Poll,
    time::Instant,
};

use tokio::{io::Interest, net::TcpStream, time::sleep_until};

use super::{Around, Way, reconcile, wire};
use crate::{
    chain::{Mark, Notes, Touch},
    spec::Direction,
    tape::Effect,
    tls::Fault,
    toxics::{Admission, count},
};

/// Bytes swallowed at once.
const GULP: usize = 16 * 1024;

/// What comes of it.
pub(super) enum Then {
    Dial,
    Fault(Fault),
    /// It is over, as far as the client can still be told.
    Over,
}

/// Sends an end with the wait's own, unless something else comes of it.
struct Closing<'a>(Option<&'a TcpStream>);

impl Closing<'_> {
    fn not(mut self, then: Then) -> Then {
        self.0 = None;
        then
    }
}

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        if let Some(client) = self.0 {
            wire::close(client);
        }
    }
}

/// What the toxics say of a connection that is not dialled.
pub(super) struct Verdict {
    pub(super) admission: Admission,
    toxic: Arc<str>,
}

/// Keeps the client for as long as the toxics say so.
pub(super) async fn wait(client: &TcpStream, ways: &mut [Way; 2], around: Around<'_>) -> Then {
    wire::ask_now_and_then(client);
    let closing = Closing(Some(client));
    let (mut said, mut kept) = (None, Admission::Hold);
    let mut gulps: Option<Gulps<'_>> = None;
    loop {
        let verdict = tokio::select! {
            verdict = admitted(ways, around, kept, &mut said) => verdict,
            () = swallow(client, &mut gulps) => return Then::Over,
            // Only a reset tells that nobody waits any more.
            _ = client.ready(Interest::ERROR) => return Then::Over,
        };
        if let Some(healed) =
            gulps.take_if(|_| !matches!(&verdict, Some(now) if now.admission == Admission::Swallow))
            && healed.cut_short()
        {
            return Then::Over;
        }
        match verdict {
            None => return closing.not(Then::Dial),
            Some(Verdict { admission: Admission::Tls(fault), .. }) => return closing.not(Then::Fault(fault)),
            Some(Verdict { admission: Admission::Refuse, .. }) => {
                wire::reset(client);
                return closing.not(Then::Over);
            }
            Some(Verdict { admission, toxic }) => {
                kept = admission;
                if admission == Admission::Swallow {
                    gulps.get_or_insert_with(|| Gulps {
                        around,
                        toxic,
                        notes: Notes::default(),
                        swallowed: 0,
                    });
                }
            }
        }
    }
}

/// Waits while what becomes of the connection is that, as toxics come, turn and go. Nothing: it is to be dialled.
pub(super) async fn admitted(
    ways: &mut [Way; 2],
    around: Around<'_>,
    present: Admission,
    said: &mut Option<Arc<str>>,
) -> Option<Verdict> {
    let mut held = around.terms.present.get();
    reconcile(ways, &held, around);
    poll_fn(|cx| {
        around.open.watch(cx.waker());
        if let Some(newer) = around.terms.present.after(&held) {
            reconcile(ways, &newer, around);
            held = newer;
        }
        ways.iter_mut().for_each(|way| way.turn(cx));
        let verdicts = ways.iter().map(|way| (way.direction(), way.chain().admission()));
        let Some((direction, admission, toxic)) = verdicts
            .filter_map(|(direction, verdict)| Some((direction, verdict?.0, verdict?.1.clone())))
            .next()
        else {
            return Poll::Ready(None);
        };
        let done = match admission {
            Admission::Hold => "held",
            Admission::Swallow => "swallowed",
            Admission::Refuse => "refused",
            Admission::Tls(fault) => fault.done(),
        };
        // Once for a connection, which waits first for the fault and then for the fault's end.
        if said.as_ref() != Some(&toxic) && !matches!(present, Admission::Tls(_)) {
            let mark = Mark { toxic: toxic.clone(), offset: 0, bytes: 0, effect: Effect::Refused(done) };
            around.terms.record(around.open.ordinal, direction, mark);
            *said = Some(toxic.clone());
        }
        if admission == present { Poll::Pending } else { Poll::Ready(Some(Verdict { admission, toxic })) }
    })
    .await
}

/// Swallows what the client sends. Ready when it can send no more and was reset; never where nothing is to be swallowed.
async fn swallow(client: &TcpStream, gulps: &mut Option<Gulps<'_>>) {
    let Some(gulps) = gulps else { return pending().await };
    loop {
        let due = gulps.notes.due();
        tokio::select! {
            _ = client.readable() => {}
            () = async { match due {
                Some(due) => sleep_until(due.into()).await,
                None => pending().await,
            } } => {}
        }
        match drained(client) {
            Ok(0) => {}
            Ok(bytes) => gulps.take(bytes),
            Err(End::Half) => {
                gulps.tell_all();
                // The rest is for whoever waits for its reset.
                return pending().await;
            }
            Err(End::Reset) => return,
        }
        gulps.tell(Instant::now());
    }
}

enum End {
    Half,
    Reset,
}

/// Reads what has arrived, and none of it matters.
fn drained(client: &TcpStream) -> Result<usize, End> {
    let (mut gulp, mut all) = ([0; GULP], 0);
    // So many at once, that changes are seen in between.
    while all < 64 * GULP {
        match client.try_read(&mut gulp) {
            Ok(0) if all == 0 => return Err(End::Half),
            Ok(bytes @ 1..) => all += bytes,
            Err(error) if all == 0 && error.kind() != std::io::ErrorKind::WouldBlock => {
                return Err(End::Reset);
            }
            _ => break,
        }
    }
    Ok(all)
}

/// What was swallowed, until it is told.
struct Gulps<'a> {
    around: Around<'a>,
    toxic: Arc<str>,
    notes: Notes,
    swallowed: u64,
}

impl Gulps<'_> {
    fn take(&mut self, bytes: usize) {
        self.around.open.received(Direction::Upstream, bytes);
        self.notes.add(Touch { offset: self.swallowed, bytes, effect: Effect::Dropped });
        self.swallowed = self.swallowed.saturating_add(count(bytes));
    }

    /// Whether the connection must end with what swallowed it, since its stream has a hole now.
    fn cut_short(mut self) -> bool {
        let cut = self.swallowed > 0;
        if cut {
            self.notes.add(Touch { offset: self.swallowed, bytes: 0, effect: Effect::Closed });
        }
        cut
    }

    fn tell(&mut self, now: Instant) {
        while let Some(touch) = self.notes.tell(now) {
            self.record(touch);
        }
    }

    fn tell_all(&mut self) {
        while let Some(touch) = self.notes.tell_all() {
            self.record(touch);
        }
    }

    fn record(&self, Touch { offset, bytes, effect }: Touch) {
        let mark = Mark { toxic: self.toxic.clone(), offset, bytes, effect };
        self.around.terms.record(self.around.open.ordinal, Direction::Upstream, mark);
    }
}

impl Drop for Gulps<'_> {
    fn drop(&mut self) {
        self.tell_all();
    }
}
