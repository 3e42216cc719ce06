//! TLS ended at a proxy and begun anew to its upstream, so that toxics act on what is said inside; and TLS faults.
//!
//! Without it a proxy passes TLS through as it does everything. What is not here: protocols that begin in plaintext and
//! change to TLS later, beyond a fixed [preamble](Preamble) of bytes, since a proxy knows no service's protocol; and
//! the client's own certificates.

mod authority;
#[expect(dead_code, reason = "connections run on sockets only, so far")]
mod fault;
#[expect(dead_code, reason = "connections run on sockets only, so far")]
mod handshake;
mod spec;
#[cfg(test)]
mod tests;

pub use authority::Authority;
pub use fault::Fault;
pub use spec::{Preamble, Tls};
