//! What S3 answers in, as workloads use it: `cargo bench --bench storage`, or with `-- --quick` for one short look at each.
//!
//! One thing varies in each group: what is asked (`requests`), the object's size (`payloads`), how many clients ask
//! (`clients`), what lies between (`paths`). All else is at its default: one client, whose library keeps connections, objects
//! of 64 KiB, TLS, straight to the server inside `bulkhead`. A bucket keeps every version, so what is put is removed again
//! between samples, unmeasured. A body that is not whole ends the bench.

use std::process::ExitCode;

use bulkhead_model::Service;

#[path = "../measure/at_once.rs"]
mod at_once;
#[path = "../measure/mod.rs"]
mod measure;
mod objects;
mod requests;

fn main() -> ExitCode {
    measure::run(Service::S3, &[requests::requests, requests::payloads, requests::clients, requests::paths])
}
