//! A TCP proxy that breaks connections on purpose, and Toxiproxy's HTTP API in front of it.
//!
//! It knows bytes only: no tenant, no scenario, no protocol of a service. As a library it is [`Proxies`]; the API, the
//! configuration file and the command are views of that one value.
//!
//! Start reading at [`chain`], the pure core: what a chain of toxics does to a stream, as a function of time and seed
//! without sockets or clocks. Then `connection`, which moves bytes between sockets and a chain; then [`proxies`]. A new
//! toxic is a file in [`toxics`] and a line in its `ALL`.

mod accept;
mod address;
pub mod api;
pub mod chain;
mod clock;
pub mod config;
mod connection;
pub mod error;
pub mod events;
#[cfg(feature = "toxiproxy")]
pub mod foreign;
pub mod live;
mod past;
pub mod proxies;
mod proxy;
mod reserve;
pub mod seed;
pub mod server;
mod slots;
pub mod spec;
pub mod tape;
#[cfg(test)]
mod tests;
pub mod tls;
pub mod toxics;
pub mod trigger;

pub use accept::allow_open_files;
pub use error::Error;
pub use proxies::{Proxies, Settings};
