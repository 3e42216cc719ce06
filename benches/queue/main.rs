//! What RabbitMQ answers in and takes, as workloads use it: `cargo bench --bench queue`, or with `-- --quick` for one short
//! look at each.
//!
//! One thing varies in each group: how a publisher waits (`publish`), how a consumer acknowledges (`consume`), how far a
//! message goes (`end-to-end`, `request-reply`, `fan-out`), the kind of the queue (`kinds`), whether it and its messages
//! outlive the broker (`durability`), the message's size (`payloads`), and what lies between (`paths`). All else is at its
//! default: a durable classic queue, persistent messages of 1 KiB, one connection each for who publishes and who consumes,
//! TLS, straight to the server. What comes back, is refused or does not come ends the bench.

use std::process::ExitCode;

use bulkhead_model::Service;

mod line;
#[path = "../measure/mod.rs"]
mod measure;
mod publish;
mod talk;
mod variants;

fn main() -> ExitCode {
    measure::run(
        Service::Rabbitmq,
        &[
            publish::publish,
            publish::consume,
            talk::end_to_end,
            talk::request_reply,
            talk::fan_out,
            variants::kinds,
            variants::durability,
            variants::payloads,
            variants::paths,
        ],
    )
}
