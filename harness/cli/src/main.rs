//! The `bulkhead` command: arguments, progress, exit codes. It decides nothing that a room could decide.

use std::{io, process::ExitCode};

use clap::Parser;

mod args;
mod attempts;
mod audited;
mod breaking;
mod closing;
mod commands;
mod course;
mod drive;
mod dry;
mod env_file;
mod exit;
mod failure;
mod interrupt;
mod json_log;
mod judged;
mod load;
mod look;
mod output;
mod places;
mod plan;
mod project;
mod proof;
mod real;
mod rounds;
mod scenarios;
mod sides;
mod stand_ins;
mod standing;

use args::{Cli, Command, Volume};

fn main() -> ExitCode {
    // The helper processes that stand-ins need are this same binary, started under these hidden names.
    match std::env::args().nth(1).as_deref() {
        Some("__keeper") => return bulkhead_target::keeper::main(),
        Some("__janitor") => return bulkhead_target::keeper::janitor::main(),
        Some("__s3") => return bulkhead_target::services::s3::embedded::main(),
        _ => {}
    }
    let cli = match Cli::try_parse_from(commands::proxy::spelled(std::env::args_os())) {
        Ok(cli) => cli,
        Err(error) => {
            let code = if error.use_stderr() { exit::USAGE } else { exit::PASS };
            // Help that nobody reads to its end is no failure.
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    let code = run(cli).unwrap_or_else(|error| failure::report(&error, &mut io::stderr()));
    ExitCode::from(code)
}

fn run(cli: Cli) -> anyhow::Result<u8> {
    match &cli.command {
        Command::Proxy(_) => commands::proxy::log(),
        _ => log(cli.volume),
    }
    let mut runtime = match cli.command {
        // As most load generators: on several threads every request and every answer would wake another one.
        Command::Bench(_) => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    let runtime = runtime.enable_all().build()?;
    let code = runtime.block_on(async {
        match cli.command {
            Command::Verify(command) => command.run(cli.volume).await,
            Command::Checklist(command) => command.run(cli.volume).await,
            Command::Isolation(command) => command.run(cli.volume).await,
            Command::Up(command) => command.run(cli.volume).await,
            Command::Down(command) => command.run().await,
            Command::Status(command) => command.run().await,
            Command::Env(command) => command.run().await,
            Command::Compose(command) => command.run(),
            Command::Doctor(command) => command.run(cli.volume).await,
            Command::Clean(command) => command.run(cli.volume).await,
            Command::Scenario(command) => command.run(),
            Command::Check(command) => command.run(cli.volume),
            Command::Prove(command) => command.run(cli.volume).await,
            Command::Bench(command) => command.run(cli.volume).await,
            Command::Run(command) => command.run(cli.volume).await,
            Command::Proxy(command) => command.run().await,
        }
    });
    // Work that was given up on must not hold the process.
    runtime.shutdown_background();
    code
}

/// Log lines go to stderr: those that `RUST_LOG` asks for, or with `-vv` our own.
///
/// Only our own crates may speak. Client libraries trace what they send, passwords included, and no level of detail is
/// worth that.
fn log(volume: Volume) {
    use tracing_subscriber::{
        EnvFilter, Layer as _, filter::filter_fn, layer::SubscriberExt as _, util::SubscriberInitExt as _,
    };

    let otherwise = if volume.verbose > 1 { "debug" } else { "off" };
    let wanted = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(otherwise));
    let ours = filter_fn(|metadata| metadata.target().starts_with("bulkhead"));
    let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr).with_filter(ours);
    tracing_subscriber::registry().with(wanted).with(lines).init();
}
