//! The fault proxy's tape as lines of a history: what a fault did, where and when.

use bulkhead_model::{Effect, TouchRecord};
use bulkhead_proxy::{
    tape::{Effect as Done, Entry},
    tls::Fault,
};

use crate::links::Links;

/// The most lines of one fault that go into a history; how much it touched is counted whole all the same.
const LINES: usize = 200;

/// What the toxics of a fault have done so far, oldest first. `now` is the run's clock.
pub(crate) fn lines(links: &Links, fault: usize, now: u64) -> Vec<TouchRecord> {
    let (proxies, toxics) = (links.proxies(), Links::toxics(fault));
    let age = proxies.age();
    let written = proxies.tape().find(LINES, |entry| entry.toxic.starts_with(&toxics));
    let record = |entry: Entry| {
        let ago = u64::try_from(age.saturating_sub(entry.at).as_nanos()).unwrap_or(u64::MAX);
        TouchRecord {
            fault,
            when: now.saturating_sub(ago),
            link: entry.proxy.to_string(),
            connection: entry.connection,
            way: entry.direction.name().to_owned(),
            offset: entry.offset,
            bytes: u64::try_from(entry.bytes).unwrap_or(u64::MAX),
            effect: effect(&entry.effect),
        }
    };
    written.into_iter().map(record).collect()
}

fn effect(done: &Done) -> Effect {
    let touched = |what: String| Effect::Touched(what);
    match done {
        Done::Delayed(by) => touched(format!("delayed {by:?}")),
        Done::DelayedBetween(least, most) => touched(format!("delayed {least:?} to {most:?}")),
        Done::Held => touched("held".into()),
        Done::Dropped => touched("dropped".into()),
        Done::Sliced(pieces) => touched(format!("cut into {pieces}")),
        Done::Corrupted(bits) => touched(format!("{bits} bits flipped")),
        Done::Closed => touched("closed".into()),
        Done::Reset => touched("reset".into()),
        Done::Refused(how) if Fault::ALL.iter().any(|fault| fault.done() == *how) => {
            Effect::Refused((*how).to_owned())
        }
        Done::Refused(how) => touched((*how).to_owned()),
        Done::Trusted(what) => Effect::Trusted((*what).to_owned()),
    }
}
