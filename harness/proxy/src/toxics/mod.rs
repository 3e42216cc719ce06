//! The toxics: what each does to one way through one connection, as a state machine that is told the time.
//!
//! A toxic opens no socket, reads no clock and draws no randomness but what its [`Context`] gives, so the same bytes at
//! the same times under the same seed leave in the same way. To add one: a file here with a [`Kind`], and a line in
//! [`ALL`].

use std::{fmt, time::Instant};

use bytes::Bytes;

use crate::{seed::Randomness, tape::Effect};

mod attributes;
mod latency;
pub(crate) mod noop;

pub use attributes::{Attributes, Field, Value};

/// Every kind of toxic.
pub const ALL: &[&dyn Kind] = &[&latency::Latency, &noop::Noop];

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

    /// Its state on a connection that it has just met.
    fn meet(&self, attributes: &Attributes) -> Box<dyn Toxic>;

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
    /// It is reset at once.
    Refuse,
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

    /// Goes on with other attributes, in the state that it has.
    fn update(&mut self, attributes: &Attributes, context: &mut Context<'_>);

    /// Lets go: everything that it holds, in order, to leave at once. Most toxics release their queue; one that threw
    /// bytes away ends with a [`Cut`], since the stream must not go on with a hole.
    fn release(&mut self, context: &mut Context<'_>) -> Vec<Item>;
}

/// What a toxic is told and may use.
#[derive(Debug)]
pub struct Context<'a> {
    /// The time by the connection's one clock.
    pub now: Instant,
    /// Its own stream of random numbers.
    pub randomness: &'a mut Randomness,
    touches: &'a mut Vec<Touch>,
}

/// What a toxic did to some of the bytes that it was given.
#[derive(Clone, Debug, PartialEq)]
pub struct Touch {
    /// How many bytes.
    pub bytes: usize,
    /// What it did.
    pub effect: Effect,
}

impl<'a> Context<'a> {
    /// For one call of a toxic; what it does to bytes is added to `touches`.
    pub fn new(now: Instant, randomness: &'a mut Randomness, touches: &'a mut Vec<Touch>) -> Self {
        Self { now, randomness, touches }
    }

    /// Says what was done to bytes, for the tape and the counters. A toxic that lets bytes pass as they are says
    /// nothing.
    pub fn touched(&mut self, bytes: usize, effect: Effect) {
        self.touches.push(Touch { bytes, effect });
    }
}
