//! Driving a Toxiproxy of another process, such as Docker's image or a user's own server: [`Foreign`], which is asked
//! like [`Proxies`](crate::Proxies).
//!
//! Calls go through the crate `toxiproxy_rust` where it can make them. It looks at no HTTP status, so what a server
//! refused looks done: every change is read back here and compared with what was asked for, and a change that is not
//! there is an error. What the crate cannot do (other kinds, names, updates, single removals) and all reading, since it
//! understands no attribute but whole positive numbers, goes through a small client of our own, [`http`].
//!
//! Extensions are refused in place of being sent, since that server would ignore them. Behind the feature `toxiproxy`,
//! because the crate brings OpenSSL.

mod compare;
mod drive;
mod http;
mod seen;
#[cfg(test)]
mod tests;

pub use drive::Foreign;
pub use seen::{SeenProxy, SeenToxic};

/// Why a change at the other server did not come about.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The other server could not be spoken to.
    #[error("toxiproxy at {address}: {action}: {reason}")]
    Unreachable {
        /// Where it is meant to be.
        address: String,
        /// What was asked of it.
        action: String,
        /// What went wrong on the way.
        reason: String,
    },
    /// The other server refused.
    #[error("toxiproxy at {address}: {action}: {status}: {said}")]
    Refused {
        /// Where it is.
        address: String,
        /// What was asked of it.
        action: String,
        /// Its HTTP status.
        status: u16,
        /// Its own words.
        said: String,
    },
    /// The call seemed to succeed, but the server does not show what was asked for.
    #[error("toxiproxy at {address}: {action}: asked for {asked}, but it shows {found}")]
    NotDone {
        /// Where it is.
        address: String,
        /// What was asked of it.
        action: String,
        /// What should be there.
        asked: String,
        /// What is there.
        found: String,
    },
    /// Only a proxy of this process can do that.
    #[error("toxiproxy at {address}: {action}: {what} is an extension that it would ignore")]
    Extension {
        /// Where it is.
        address: String,
        /// What was asked of it.
        action: String,
        /// Which part.
        what: String,
    },
}
