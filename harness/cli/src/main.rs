//! The `bulkhead` command: arguments, progress, exit codes. It decides nothing that a room could decide.

use std::process::ExitCode;

fn main() -> ExitCode {
    // The helper processes that stand-ins need are this same binary, started under these hidden names.
    match std::env::args().nth(1).as_deref() {
        Some("__keeper") => bulkhead_target::keeper::main(),
        Some("__janitor") => bulkhead_target::keeper::janitor::main(),
        Some("__s3") => bulkhead_target::services::s3::embedded::main(),
        _ => ExitCode::SUCCESS,
    }
}
