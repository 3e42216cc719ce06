//! What PostgreSQL answers in, as workloads use it: `cargo bench --bench database`, or with `-- --quick` for one short look
//! at each.
//!
//! One thing varies in each group: what is asked (`statements`), the row's size (`payloads`), how many clients share a pool (`connections`), what lies
//! between (`paths`). All else is at its default: one client with a connection of its own, prepared statements, rows of some
//! 100 bytes, TLS, straight to the server. What is written is removed again between samples, unmeasured. A row that is not
//! there ends the bench.

use std::process::ExitCode;

use bulkhead_model::Service;

#[path = "../measure/at_once.rs"]
mod at_once;
#[path = "../measure/mod.rs"]
mod measure;
mod statements;
mod tables;

fn main() -> ExitCode {
    measure::run(
        Service::Postgres,
        &[statements::statements, statements::payloads, statements::connections, statements::paths],
    )
}
