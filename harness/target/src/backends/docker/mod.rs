//! Servers in containers of the versions that people's providers run: which images, and what a container is to a server.
//!
//! Starting servers is the services' part and owning them the keeper's, as with processes. Containers bear the run's label,
//! under which the janitor finds what a killed keeper leaves; ports are published on loopback alone, under the number that
//! the server has inside, so that its configuration is about one port.

mod clear;
mod container;
mod engine;
pub(crate) mod images;
mod inside;
mod toxiproxy;

pub(crate) use clear::clear;
pub(crate) use container::{Container, ContainerSpec, ENDED, File};
pub(crate) use engine::{elsewhere, engine, ensure, runs};
pub use images::{Image, Images, VARIABLES};
pub(crate) use inside::{Ends, Inside};
pub use toxiproxy::{Toxiproxy, ToxiproxySpec};
