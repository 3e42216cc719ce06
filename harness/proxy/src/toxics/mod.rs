//! The toxics: what each does to one way through one connection, as a state machine that is told the time.
//!
//! A toxic opens no socket, reads no clock and draws no randomness but what its [`Context`] gives, so the same bytes at
//! the same times under the same seed leave in the same way. To add one: a file here with a [`Kind`], and a line in
//! [`ALL`].

use std::{
    fmt,
    time::{Duration, Instant},
};

use bytes::Bytes;

use crate::{
    chain::{Notes, Touch},
    seed::Randomness,
    tape::Effect,
    tls::Fault,
};

mod attributes;
mod bandwidth;
mod blackhole;
mod corrupt;
mod half_open;
pub(crate) mod latency;
mod limit_data;
pub(crate) mod noop;
mod packet_loss;
mod refuse;
mod reset_peer;
mod slicer;
mod slow_close;
mod timeout;
mod tls;

pub use attributes::{Attributes, Field, Value};

/// Every kind of toxic.
pub const ALL: &[&dyn Kind] = &[
    &latency::Latency,
    &bandwidth::Bandwidth,
    &slow_close::SlowClose,
    &timeout::Timeout,
    &reset_peer::ResetPeer,
    &slicer::Slicer,
    &limit_data::LimitData,
    &packet_loss::PacketLoss,
    &corrupt::Corrupt,
    &blackhole::Blackhole,
    &half_open::HalfOpen,
    &refuse::Refuse,
    &noop::Noop,
    &tls::EXPIRED,
    &tls::WRONG_HOST,
    &tls::UNTRUSTED,
    &tls::STALLED,
    &tls::PLAINTEXT,
];

/// What Toxiproxy has; an older server refuses `packet_loss`, and says so.
pub const TOXIPROXYS: [&str; 9] = [
    "latency",
    "bandwidth",
    "slow_close",
    "timeout",
    "reset_peer",
    "slicer",
    "limit_data",
    "noop",
    "packet_loss",
];

/// The kind of that name.
pub fn find(name: &str) -> Option<&'static dyn Kind> {
    ALL.iter().copied().find(|kind| kind.name() == name)
}

/// What a toxic is called, takes and does.
pub trait Kind: Sync {
    /// Its `type` in the API.
    fn name(&self) -> &'static str;

    /// One line for people.
    fn about(&self) -> &'static str;

    /// Its attributes, in the order in which they are printed.
    fn fields(&self) -> &'static [Field];

    /// Its state on a connection that it meets now.
    fn meet(&self, attributes: &Attributes, context: &mut Context<'_>) -> Box<dyn Toxic>;

    /// What some of its values mean although they seem to mean something else, for whoever set them.
    fn remark(&self, attributes: &Attributes) -> Option<&'static str> {
        let _ = attributes;
        None
    }

    /// What becomes of a connection before anything is dialled. Most toxics leave it alone.
    fn admission(&self, attributes: &Attributes) -> Option<Admission> {
        let _ = attributes;
        None
    }
}

impl fmt::Debug for dyn Kind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

/// What becomes of a connection in place of being dialled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It is accepted and kept, and nothing is dialled.
    Hold,
    /// The same, and what it sends is swallowed.
    Swallow,
    /// It is reset at once.
    Refuse,
    /// It is shown that fault; a client that does not mind goes on to the upstream where the proxy ends TLS.
    Tls(Fault),
}

/// What flows through a chain.
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    /// Some bytes, never none.
    Data(Chunk),
    /// The source sent its last byte: passed on as a half-close.
    End,
    /// The connection ends here, both ways.
    Cut(Cut),
}

/// How a toxic ends a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// FIN to both ends.
    Close,
    /// RST to both ends.
    Reset,
}

/// Bytes that arrived together.
#[derive(Clone, Debug, PartialEq)]
pub struct Chunk {
    /// The bytes.
    pub bytes: Bytes,
    /// When they were read from their source.
    pub arrived: Instant,
}

/// A toxic on one way through one connection.
///
/// Order is kept: what was given first leaves first. After [`Item::End`] or [`Item::Cut`] nothing more is given, and
/// after it has given a `Cut` nothing more is taken from it.
pub trait Toxic: Send {
    /// Whether it takes another item now. While it does not, whoever sends is slowed down.
    fn wants_input(&self) -> bool;

    /// Takes an item. Called only while it [wants input](Self::wants_input).
    fn give(&mut self, item: Item, context: &mut Context<'_>);

    /// The next item that may leave by now.
    fn take(&mut self, context: &mut Context<'_>) -> Option<Item>;

    /// When [`take`](Self::take) may have something without being given more. `None` while it waits for input or for
    /// ever.
    fn due(&self) -> Option<Instant>;

    /// Whether it has swallowed the end: nothing more leaves for as long as it acts, not at any time. One that only holds
    /// the end has not.
    fn swallowed_end(&self) -> bool {
        false
    }

    /// Goes on with other attributes, in the state that it has.
    fn update(&mut self, attributes: &Attributes, context: &mut Context<'_>);

    /// Lets go: everything that it holds, in order, to leave at once. Most toxics release their queue; one that threw
    /// bytes away ends with a [`Cut`], since the stream must not go on with a hole.
    fn release(&mut self, context: &mut Context<'_>) -> Vec<Item>;
}

impl Item {
    /// How many bytes it is; an end is none.
    pub fn bytes(&self) -> usize {
        if let Self::Data(chunk) = self { chunk.bytes.len() } else { 0 }
    }
}

/// What a toxic is told and may use.
#[derive(Debug)]
pub struct Context<'a> {
    /// The time by the connection's one clock.
    pub now: Instant,
    /// When the toxic was added to its proxy, the same for all connections.
    pub added: Instant,
    /// How many bytes it was given before; while it is given some, where those begin.
    pub offset: u64,
    /// Its own stream of random numbers.
    pub randomness: &'a mut Randomness,
    pub(crate) notes: &'a mut Notes,
}

impl Context<'_> {
    /// Says what was done to bytes, from [`offset`](Self::offset) on, for the tape and the counters. A toxic that lets
    /// bytes pass as they are says nothing. What is said later of the same bytes replaces what was said before.
    pub fn touched(&mut self, bytes: usize, effect: Effect) {
        self.touched_at(self.offset, bytes, effect);
    }

    /// The same of bytes that begin elsewhere.
    pub fn touched_at(&mut self, offset: u64, bytes: usize, effect: Effect) {
        self.notes.add(Touch { offset, bytes, effect });
    }
}

/// A number of milliseconds as it was asked for; what is below 0 is 0.
fn milliseconds(number: i64) -> Duration {
    Duration::from_millis(u64::try_from(number).unwrap_or(0))
}

/// What is said of chances that are none.
fn chances_remark(attributes: &Attributes, names: &[&str]) -> Option<&'static str> {
    let beyond = names.iter().any(|name| !(0.0..=1.0).contains(&attributes.number(name)));
    beyond.then_some("a chance below 0 acts as 0 and one above 1 as 1")
}

/// A chance as it was asked for, held to 0 to 1.
fn chance(number: f64) -> f64 {
    if number > 0.0 { number.min(1.0) } else { 0.0 }
}

/// A count of bytes as a position in a stream.
pub(crate) fn count(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}
