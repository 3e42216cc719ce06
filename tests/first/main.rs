//! Runs before the end-to-end suite in `cargo test`, which takes test targets by name, and sees that the servers are here.
//!
//! Without them it says so once and ends with code 3, at which cargo stops: no test starts that could leave something
//! half-done. With `BULKHEAD_INSTALL=1` it installs them where a person sees the command. It is no test harness: whoever
//! chose tests by name, or only asks for a list, gets nothing from it, since the chosen ones may need no server.

use std::{io::Write as _, process::ExitCode};

use bulkhead_model::RunEvent;
use bulkhead_target::{TargetSpec, backends::native};

/// The code for a run that could not start, as the command has it.
const CANNOT_START: u8 = 3;

/// The test runner's options that take the next word as their value.
const WITH_VALUE: [&str; 6] =
    ["--skip", "--test-threads", "--color", "--format", "--logfile", "--shuffle-seed"];

fn main() -> ExitCode {
    if !wants_the_whole_suite(std::env::args().skip(1)) {
        return ExitCode::SUCCESS;
    }
    match ensure() {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            say(&format!("error: {why}"));
            ExitCode::from(CANNOT_START)
        }
    }
}

fn ensure() -> Result<(), String> {
    let spec =
        TargetSpec::from_env(env!("CARGO_BIN_EXE_bulkhead")).map_err(|problems| problems.to_string())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("could not start a runtime: {error}"))?;
    let show = |event| {
        if let RunEvent::Note(text) = event {
            say(&text);
        }
    };
    runtime.block_on(native::ensure(&spec, &show)).map_err(|error| match error.hint() {
        Some(hint) => format!("{}\nhint: {hint}", error.chain()),
        None => error.chain().to_string(),
    })
}

/// Nobody is left to tell when standard error is closed.
fn say(text: &str) {
    let _closed = writeln!(std::io::stderr(), "{text}");
}

/// Whether no word among the runner's arguments chooses tests, and tests are to run at all.
fn wants_the_whole_suite(mut arguments: impl Iterator<Item = String>) -> bool {
    while let Some(argument) = arguments.next() {
        if WITH_VALUE.contains(&argument.as_str()) {
            let _value = arguments.next();
        } else if argument == "--list" || argument == "--help" || !argument.starts_with('-') {
            return false;
        }
    }
    true
}
