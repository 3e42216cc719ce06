//! The fault proxy from outside: the built command beside the genuine `toxiproxy-server`.
//!
//! What a chain of toxics does to bytes is shown beside the code; here it is another program that judges: the server
//! whose place the proxy takes.

mod command;
mod differential;
mod limits;
mod server;
mod steps;
mod world;
