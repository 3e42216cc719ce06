//! What is asked for: proxies and toxics as plain data. JSON stays with the API, sockets with the proxy.

use crate::{
    tls::Tls,
    toxics::{Attributes, Kind},
    trigger::Trigger,
};

/// One way through a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// From the client to the server.
    Upstream,
    /// From the server to the client.
    Downstream,
}

impl Direction {
    /// Both, in the order in which Toxiproxy lists their toxics.
    pub const ALL: [Self; 2] = [Self::Upstream, Self::Downstream];

    /// As in Toxiproxy's JSON and labels.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Upstream => "upstream",
            Self::Downstream => "downstream",
        }
    }
}

/// Which ways a toxic is on. `Both` is an extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// One way.
    One(Direction),
    /// Both ways, each with a state and a coin of its own.
    Both,
}

impl Side {
    /// Reads the name in any letter case.
    pub fn parse(text: &str) -> Option<Self> {
        match text.to_ascii_lowercase().as_str() {
            "upstream" => Some(Self::One(Direction::Upstream)),
            "downstream" => Some(Self::One(Direction::Downstream)),
            "both" => Some(Self::Both),
            _ => None,
        }
    }

    /// Whether it is on that way.
    pub fn covers(self, direction: Direction) -> bool {
        self == Self::Both || self == Self::One(direction)
    }
}

/// A toxic as it was asked for, its defaults filled in.
#[derive(Clone, Debug)]
pub struct ToxicSpec {
    /// Unique in its proxy.
    pub name: String,
    /// What it does.
    pub kind: &'static dyn Kind,
    /// `stream` with the caller's letter case, which is echoed.
    pub stream: String,
    /// What `stream` means.
    pub side: Side,
    /// The chance that it acts on a connection. Echoed as given; below 0 is never and above 1 is always.
    pub toxicity: f32,
    /// Its numbers and words.
    pub attributes: Attributes,
    /// When it acts: an extension, always when not given.
    pub trigger: Trigger,
}

/// A proxy as it was asked for.
#[derive(Clone, Debug)]
pub struct ProxySpec {
    /// Unique among all.
    pub name: String,
    /// Where it listens, `host:port`; empty is a port of the kernel's choice.
    pub listen: String,
    /// Where it dials, `host:port`, resolved at each connection.
    pub upstream: String,
    /// Whether it listens.
    pub enabled: bool,
    /// Toxics from the start: an extension, ignored by Toxiproxy.
    pub toxics: Vec<ToxicSpec>,
    /// TLS ended at the proxy and begun anew to the upstream: an extension. Absent, the bytes pass through as they are.
    pub tls: Option<Tls>,
}

/// What to change in a proxy. A missing field keeps its value.
#[derive(Clone, Debug, Default)]
pub struct ProxyChange {
    /// A new address to listen on.
    pub listen: Option<String>,
    /// A new address to dial.
    pub upstream: Option<String>,
    /// Whether it listens.
    pub enabled: Option<bool>,
    /// Other TLS, in place of all that there was; `Some(None)` lets the bytes pass as they are.
    pub tls: Option<Option<Tls>>,
}

/// What to change in a toxic. A missing field keeps its value.
#[derive(Clone, Debug, Default)]
pub struct ToxicChange {
    /// The whole of the new attributes, already merged with the old ones.
    pub attributes: Option<Attributes>,
    /// A new chance; the coin of every connection is tossed again.
    pub toxicity: Option<f32>,
    /// Another trigger in place of the whole old one; its counts begin anew.
    pub trigger: Option<Trigger>,
}
