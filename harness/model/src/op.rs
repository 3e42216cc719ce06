//! Operations: what a workload asked of a service and what came of it, in words that checks understand whatever the
//! service is.
//!
//! Each is two events of a history, as in Jepsen's: an [`Invoked`] when it begins and an [`Ended`] when it is over. An
//! operation that was begun and never ended, and one whose answer the client cannot know, may have happened or not.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Service, TenantName};

/// An operation's number in its case, from 1.
pub type OpId = u64;

/// An operation begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invoked {
    /// Its number.
    pub op: OpId,
    /// Who does it: `publisher 1`. A client does one thing after another.
    pub client: String,
    /// For whom.
    pub tenant: TenantName,
    /// Where.
    pub service: Service,
    /// The use that it belongs to: `rabbitmq.tasks`.
    pub workload: String,
    /// What.
    #[serde(flatten)]
    pub act: Act,
    /// When it was due, in nanoseconds on the run's clock, where a rate says so: its time counts from then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<u64>,
}

/// What an operation does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "act", rename_all = "kebab-case")]
pub enum Act {
    /// Hands over an element that somebody is to take: a message that is published.
    Hand {
        /// The element, unlike any other of the case.
        element: String,
    },
    /// Hands over an element that each of several is to take: a message that is copied into their queues.
    Announce {
        /// The element, unlike any other of the case.
        element: String,
        /// The names of those clients.
        to: Vec<String>,
    },
    /// Takes an element and does its work: a message that is consumed and acknowledged.
    Take {
        /// What was received.
        element: String,
        /// Whether the server says that it gave it out before.
        again: bool,
    },
    /// Takes an element, hands it on and acknowledges it then: one stage of several.
    Pass {
        /// What was received.
        element: String,
        /// Whether the server says that it gave it out before.
        again: bool,
    },
    /// Asks somebody and awaits the answer, [`answer_to`] of it; [`Found::Value`].
    Call {
        /// What is asked, unlike any other request of the case.
        request: String,
    },
    /// Takes a request and replies to it.
    Answer {
        /// What was asked.
        request: String,
        /// Whether the server says that it gave it out before.
        again: bool,
    },
    /// Receives a reply to what the client never asked.
    Unasked {
        /// The reply.
        reply: String,
    },
    /// Sends an element to whoever listens at the moment: a message on a channel.
    Broadcast {
        /// The element, unlike any other of the case.
        element: String,
    },
    /// Begins to listen.
    Subscribe {
        /// On which of its connections, counted from 1.
        line: u64,
    },
    /// Asks the server for an answer on the connection on which it listens, which comes behind all that was sent there.
    Attend {
        /// Which of its connections.
        line: u64,
    },
    /// Hears an element while it listens.
    Hear {
        /// What was received.
        element: String,
    },
    /// Adds an element to those that are kept: a row that is appended, an object that is put.
    Add {
        /// The element, unlike any other of the case.
        element: String,
    },
    /// Reads every element that is kept; [`Found::Elements`].
    ReadAll,
    /// Reads what a register holds; [`Found::Value`].
    Read {
        /// The register.
        register: String,
    },
    /// Writes it, whatever it holds.
    Write {
        /// The register.
        register: String,
        /// What it is to hold.
        value: String,
    },
    /// Writes it if it holds what is expected; [`Ending::Failed`] where it held something else.
    Swap {
        /// The register.
        register: String,
        /// What it must hold; nothing where it must not be there.
        from: Option<String>,
        /// What it is to hold then.
        to: String,
    },
    /// Asks a limiter to let one more through; [`Found::Admitted`].
    Admit {
        /// What is counted together: a key and its window.
        window: String,
        /// How many it lets through.
        limit: u64,
    },
    /// Keeps a value under a key until its time to live is over: a session, an entry of a cache.
    Keep {
        /// The key.
        key: String,
        /// The value, unlike any other of the case.
        value: String,
        /// For how long from now, in milliseconds.
        lives: u64,
        /// Whether the service may let go of it before, as a cache may.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        evictable: bool,
    },
    /// Looks at what is kept under a key; [`Found::Value`].
    Look {
        /// The key.
        key: String,
    },
    /// The same, and in one step what is there lives on for so long from now.
    Touch {
        /// The key.
        key: String,
        /// In milliseconds.
        lives: u64,
    },
    /// Takes away what is kept under a key, if anything is.
    Forget {
        /// The key.
        key: String,
    },
    /// Moves an amount from one account to another, and enters that in the same transaction.
    Transfer {
        /// The transfer, unlike any other of the case.
        transfer: String,
        /// The account that gives.
        from: String,
        /// The account that takes.
        to: String,
        /// How much.
        amount: i64,
    },
    /// Reads every account and every entry as they are at one moment; [`Found::Books`].
    ReadBooks {
        /// What each account was opened with.
        opened: BTreeMap<String, i64>,
    },
    /// Sends all parts of an object. Until it is completed none of it shows.
    Upload {
        /// The object, unlike any other of the case.
        object: String,
        /// What is sent.
        content: Content,
    },
    /// Makes the object of the parts that were sent.
    Complete {
        /// The object.
        object: String,
    },
    /// Gives up what was sent.
    Abort {
        /// The object that will not be.
        object: String,
    },
    /// Reads an object; [`Found::Content`].
    Fetch {
        /// The object.
        object: String,
        /// The first and the last byte that are asked for; all where it is not said.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        range: Option<[u64; 2]>,
        /// What must be found, where that was put before the case began.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        holds: Option<Content>,
    },
    /// Tries what must be refused; [`Found::Answer`].
    Trespass {
        /// What: `an expired link`.
        what: String,
    },
}

impl Act {
    /// As histories spell it: `read-all`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Hand { .. } => "hand",
            Self::Announce { .. } => "announce",
            Self::Take { .. } => "take",
            Self::Pass { .. } => "pass",
            Self::Call { .. } => "call",
            Self::Answer { .. } => "answer",
            Self::Unasked { .. } => "unasked",
            Self::Broadcast { .. } => "broadcast",
            Self::Subscribe { .. } => "subscribe",
            Self::Attend { .. } => "attend",
            Self::Hear { .. } => "hear",
            Self::Add { .. } => "add",
            Self::ReadAll => "read-all",
            Self::Read { .. } => "read",
            Self::Write { .. } => "write",
            Self::Swap { .. } => "swap",
            Self::Admit { .. } => "admit",
            Self::Keep { .. } => "keep",
            Self::Look { .. } => "look",
            Self::Touch { .. } => "touch",
            Self::Forget { .. } => "forget",
            Self::Transfer { .. } => "transfer",
            Self::ReadBooks { .. } => "read-books",
            Self::Upload { .. } => "upload",
            Self::Complete { .. } => "complete",
            Self::Abort { .. } => "abort",
            Self::Fetch { .. } => "fetch",
            Self::Trespass { .. } => "trespass",
        }
    }
}

/// The answer that a request must get: its tenant's name and a digest of it (FNV-1a of 64 bits), so that the answer to
/// another shows.
pub fn answer_to(request: &str) -> String {
    let (offset, prime) = (0xcbf2_9ce4_8422_2325_u64, 0x0100_0000_01b3);
    let digest = request.bytes().fold(offset, |digest, byte| (digest ^ u64::from(byte)).wrapping_mul(prime));
    let tenant = request.split('.').next().unwrap_or_default();
    format!("{tenant}.{digest:016x}")
}

/// What an operation found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Found {
    /// All elements, each as often as it was there.
    Elements(Vec<String>),
    /// What the register holds, or what is kept under the key; nothing where it is not there.
    Value(Option<String>),
    /// Whether it was let through.
    Admitted(bool),
    /// What the accounts hold and what was entered.
    Books {
        /// Each account's balance.
        balances: BTreeMap<String, i64>,
        /// All entries, each as often as it was there.
        entries: Vec<Entry>,
    },
    /// What the object holds; nothing where it is not there.
    Content(Option<Content>),
    /// What the server answered.
    Answer {
        /// Whether that was a refusal.
        refused: bool,
        /// Its words.
        said: String,
    },
}

/// The bytes of an object, or of a part of it, in short.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// How many.
    pub bytes: u64,
    /// Their SHA-256 in hexadecimal.
    pub digest: String,
}

/// What a transfer leaves in the books besides the balances.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The transfer.
    pub transfer: String,
    /// The account that gave.
    pub from: String,
    /// The account that took.
    pub to: String,
    /// How much.
    pub amount: i64,
}

/// How an operation came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ending {
    /// The server acknowledged it.
    Ok,
    /// It did not happen: the server refused it, or it was never sent.
    Failed,
    /// It was sent and nothing came back: it may have happened.
    Unknown,
}

/// An operation is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// Its number.
    pub op: OpId,
    /// How it came out.
    pub outcome: Ending,
    /// What the server or the client said; empty when all went well.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// What it found, where it looks for something and came out [`Ending::Ok`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found: Option<Found>,
}

/// A fault began or ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultRecord {
    /// Which of the case's faults, from 1.
    pub fault: usize,
    /// `down rabbitmq`.
    pub what: String,
    /// How many connections or bytes it has touched, when it ends; a fault that touched nothing proves nothing.
    pub touched: u64,
    /// Whose links it is on, where that is not the case's tenant's alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<LinkTouch>,
}

/// What a fault did to one tenant's link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkTouch {
    /// Whose link.
    pub tenant: TenantName,
    /// How many connections or bytes it has touched there, when it ends.
    pub touched: u64,
}

impl FaultRecord {
    /// Whether it is on the link of one tenant who is not the case's own, and that is this one.
    pub fn is_beside(&self, tenant: &str) -> bool {
        matches!(self.links.as_slice(), [only] if only.tenant.as_str() == tenant)
    }

    /// Whether it is on others' links alone.
    pub fn spares(&self, tenant: &str) -> bool {
        !self.links.is_empty() && self.links.iter().all(|link| link.tenant.as_str() != tenant)
    }
}

/// A fault keeps whoever comes for a tenant out of a service, from where the history says so until it says otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockoutRecord {
    /// Which of the case's faults, from 1.
    pub fault: usize,
    /// The service that must refuse.
    pub service: Service,
    /// Whom.
    pub tenant: TenantName,
}

/// A line of the fault proxy's tape: what a fault did to the bytes of a link, or to a connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TouchRecord {
    /// Which of the case's faults, from 1.
    pub fault: usize,
    /// When, in nanoseconds on the run's clock: these lines are written when the fault ends.
    pub when: u64,
    /// The link.
    pub link: String,
    /// Which of the link's connections, counted from 1; 0 where it is of all together, as a Toxiproxy's toxic.
    pub connection: u64,
    /// `upstream`, to the server, or `downstream`.
    pub way: String,
    /// The first byte, counted from 0.
    pub offset: u64,
    /// How many.
    pub bytes: u64,
    /// What was done.
    #[serde(flatten)]
    pub effect: Effect,
}

/// What a fault did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "effect", content = "what", rename_all = "kebab-case")]
pub enum Effect {
    /// Bytes came later, in pieces, changed or not at all, or a connection was ended or not made.
    Touched(String),
    /// The client met this in its server's place.
    Refused(String),
    /// The client took what it was shown in the server's place.
    Trusted(String),
}

#[cfg(test)]
mod tests {
    use super::answer_to;

    #[test]
    fn answers_are_the_tenants_and_differ_as_the_requests_do() {
        // The digest of nothing and of `a` as the algorithm's authors give them.
        assert_eq!([answer_to(""), answer_to("a")], [".cbf29ce484222325", "a.af63dc4c8601ec8c"]);
        assert_ne!(answer_to("engine.1.11"), answer_to("engine.11.1"));
    }
}
