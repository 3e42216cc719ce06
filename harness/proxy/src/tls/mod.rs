//! TLS ended at a proxy and begun anew to its upstream, so that toxics act on what is said inside; and TLS faults.
//!
//! Without it a proxy passes TLS through as it does everything. What is not here: protocols that begin in plaintext and
//! change to TLS later, beyond a fixed [preamble](Preamble) of bytes, since a proxy knows no service's protocol; and
//! the client's own certificates.

mod authority;
mod fault;
mod handshake;
mod spec;
#[cfg(test)]
pub(crate) mod tests;
#[cfg(test)]
pub(crate) mod tests_on_the_wire;

pub use authority::Authority;
pub use fault::Fault;
pub(crate) use handshake::Stream;
pub use spec::{Preamble, Tls};
