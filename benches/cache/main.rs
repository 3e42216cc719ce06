//! What Redis answers in, as workloads use it: `cargo bench --bench cache`, or with `-- --quick` for one short look at each.
//!
//! One thing varies in each group: the command (`commands`), the value's size (`payloads`), how many clients there are and
//! whether they share a connection (`connections`), what lies between them and the server (`paths`), how many listen to what
//! is published (`fan-out`). All else is at its default: one client with a connection of its own, values of 1 KiB, TLS,
//! straight to the server. Clients wait for each answer before they send the next command. A value that does not come back
//! whole ends the bench.

use std::process::ExitCode;

use bulkhead_model::Service;

#[path = "../measure/alone.rs"]
mod alone;
#[path = "../measure/at_once.rs"]
mod at_once;
mod clients;
mod commands;
#[path = "../measure/mod.rs"]
mod measure;
mod paths;
mod plain;
mod values;

/// Bytes of a value, unless they are what varies.
const VALUE: usize = 1024;

fn main() -> ExitCode {
    measure::run(
        Service::Redis,
        &[commands::commands, commands::payloads, clients::connections, paths::paths, clients::fan_out],
    )
}
