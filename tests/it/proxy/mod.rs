//! The fault proxy from outside: the built command beside the genuine `toxiproxy-server`.
//!
//! What a chain of toxics does to bytes is shown beside the code; here it is another program that judges: the server
//! whose place the proxy takes.

mod addresses;
mod clients;
mod command;
mod config;
mod departures;
mod differential;
mod echo;
mod hostility;
mod limits;
mod metrics;
mod migrations;
mod odd;
mod page;
mod scenes;
mod seeds;
mod server;
mod steps;
mod world;
