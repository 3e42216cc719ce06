//! The ordered record of one case: JSON Lines, one [`Event`] a line, written as it happens.
//!
//! Checks read nothing else. A history that was cut off by a killed run is still readable up to its last whole line.

use serde::{Deserialize, Serialize};

use crate::{
    AuditRecord, Ended, FaultRecord, Invoked, ItemRecord, LockoutRecord, ProbeRecord, Problem, TouchRecord,
    bench::UsageRecord,
};

/// One line of a history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Nanoseconds since the run began, on its one monotonic clock.
    pub at: u64,
    /// What happened.
    #[serde(flatten)]
    pub kind: EventKind,
}

/// What a history can hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum EventKind {
    /// The case began.
    CaseStarted {
        /// The case's id: `isolation/postgres/read (engine → plane)`.
        case: String,
    },
    /// A probe was made and answered.
    Probe(ProbeRecord),
    /// A checklist item was examined.
    Item(ItemRecord),
    /// Everything that the case's tenants wrote to a service was looked at.
    Audit(AuditRecord),
    /// An operation of a workload begins.
    Invoked(Invoked),
    /// An operation of a workload is over.
    Ended(Ended),
    /// A fault begins.
    FaultBegan(FaultRecord),
    /// A tenant's password is taken back and its connections are ended: whoever comes from now on is to be refused.
    LockedOut(LockoutRecord),
    /// The password is about to be given back.
    LetIn(LockoutRecord),
    /// A fault did something: a line of the fault proxy's tape.
    Touched(TouchRecord),
    /// A fault is undone.
    FaultEnded(FaultRecord),
    /// Processor time and memory were looked at.
    Usage(UsageRecord),
    /// No fault is left, and what was handed over can be taken until the workload ends.
    Healed,
    /// The case could not go on; what was tried and why it failed.
    Broken {
        /// The whole chain of causes.
        error: String,
    },
    /// The case ended by itself. A history without this line was cut off.
    CaseEnded,
}

/// A history as it was read back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// The events of all whole lines.
    pub events: Vec<Event>,
    /// Whether it was cut off: its last line is broken, or no [`EventKind::CaseEnded`] ends it.
    pub cut: bool,
}

/// The event as a line of a history, line break included.
pub fn to_line(event: &Event) -> String {
    let line = serde_json::to_string(event).or_else(|error| {
        // An event that cannot be written must not vanish: the case is broken and says so.
        let kind = EventKind::Broken { error: format!("cannot write an event: {error}") };
        serde_json::to_string(&Event { at: event.at, kind })
    });
    line.unwrap_or_default() + "\n"
}

/// Reads a history. `file` is what a problem's place begins with.
///
/// A last line that does not end in a line break and cannot be read is where a killed run stopped writing, in the
/// middle of a character perhaps, hence bytes.
///
/// # Errors
/// The first line that cannot be read anywhere else.
pub fn read(bytes: impl AsRef<[u8]>, file: &str) -> Result<History, Problem> {
    let mut history = History::default();
    let mut broken_end = false;
    for (index, line) in bytes.as_ref().split_inclusive(|byte| *byte == b'\n').enumerate() {
        match serde_json::from_slice(line) {
            Ok(event) => history.events.push(event),
            Err(_) if !line.ends_with(b"\n") => broken_end = true,
            Err(error) => {
                let place = format!("{file}:{}:{}", index + 1, error.column());
                let what = "this line is no event of a history";
                let hint = "the file was changed after it was written, or another version wrote it";
                return Err(Problem::new(place, what).hint(hint));
            }
        }
    }
    let ended = history.events.last().is_some_and(|event| event.kind == EventKind::CaseEnded);
    history.cut = broken_end || !ended;
    Ok(history)
}
