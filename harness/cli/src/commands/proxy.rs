//! `bulkhead proxy`: the fault proxy alone, with Toxiproxy's flags, API and log lines.

use std::{ffi::OsString, path::PathBuf};

use anyhow::{Context as _, Result};
use bulkhead_proxy::{Proxies, Settings, api, config, seed::Seed, server::Server};
use clap::{ArgAction, Args};

use crate::{exit, interrupt::Interrupt, json_log::JsonLines, look};

const EXAMPLES: &str = "\
Examples:
  bulkhead proxy                               the API on localhost:8474, as toxiproxy-server
  bulkhead proxy --config proxies.json --seed 7
                                               proxies from a file; the same faults in every run
  bulkhead proxy -port 0 -host 127.0.0.1       a free port; the log says which

Beside Toxiproxy's routes:
  GET /x/health            that it runs, and what it is
  GET /x/connections       every open connection, its bytes and the toxics that act on it
  GET /x/events            what happens, as JSON lines or, where accepted, server-sent events
  GET /x/tape?after=N      every fault that touched bytes, from line N + 1 on; &limit=N for fewer at once
  GET, PUT /x/seed         the seed of connections to come
  POST /populate?apply=enabled
                           applies `enabled` to proxies that are there already, too

LOG_LEVEL (panic, fatal, error, warn, info, debug, trace) bounds the log [default: debug]";

/// `bulkhead proxy`
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Proxy {
    /// Where the API listens
    #[arg(long, default_value = "localhost")]
    host: String,
    /// The API's port; 0 takes a free one
    #[arg(long, default_value = "8474")]
    port: String,
    /// JSON file with proxies to begin with
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Seed of every random choice [default: a new one, which is logged]
    #[arg(long)]
    seed: Option<i64>,
    /// Metrics of this process at /metrics
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true)]
    #[arg(value_parser = boolean, default_value = "false", default_missing_value = "true")]
    runtime_metrics: bool,
    /// Metrics of the proxies at /metrics
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true)]
    #[arg(value_parser = boolean, default_value = "false", default_missing_value = "true")]
    proxy_metrics: bool,
    /// Print the version of the contract and end
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true)]
    #[arg(value_parser = boolean, default_value = "false", default_missing_value = "true")]
    version: bool,
    /// Do as Toxiproxy does where it could be better: for comparisons byte by byte
    #[arg(long, action = ArgAction::SetTrue)]
    exact: bool,
}

/// Flags that Toxiproxy spells with one dash.
const FLAGS: [&str; 8] =
    ["host", "port", "config", "seed", "runtime-metrics", "proxy-metrics", "version", "exact"];

/// The arguments with one-dash flags of `bulkhead proxy` spelled with two.
pub(crate) fn spelled(arguments: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut ours = false;
    let respelled = arguments.map(|argument| {
        let Some(text) = argument.to_str() else { return argument };
        if !ours {
            ours = text == "proxy";
            return argument;
        }
        let flag = text.strip_prefix('-').map(|flag| flag.split('=').next().unwrap_or_default());
        if flag.is_some_and(|flag| FLAGS.contains(&flag)) { format!("-{text}").into() } else { argument }
    });
    respelled.collect()
}

/// Log lines on stdout, as many as `LOG_LEVEL` asks for.
pub(crate) fn log() {
    JsonLines::install(std::env::var("LOG_LEVEL").ok().as_deref());
}

impl Proxy {
    /// Runs until Ctrl-C or SIGTERM.
    pub(crate) async fn run(self) -> Result<u8> {
        if self.version {
            look::say(format!("toxiproxy-server version {}\n", api::VERSION).as_bytes())?;
            return Ok(exit::PASS);
        }
        let mut interrupt = Interrupt::listen().context("cannot listen for Ctrl-C")?;
        bulkhead_proxy::allow_open_files();
        let seed = self.seed.unwrap_or_else(fresh_seed);
        tracing::info!(version = api::VERSION, seed, "Starting Toxiproxy");
        let settings = Settings { seed: Seed(seed.cast_unsigned()), whole_close: self.exact };
        let proxies = Proxies::new(settings);
        if let Some(path) = &self.config {
            config::populate(&proxies, path).await;
        }
        let options = api::Options {
            exact: self.exact,
            proxy_metrics: self.proxy_metrics,
            runtime_metrics: self.runtime_metrics,
        };
        let (host, port) = (&self.host, &self.port);
        let address = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
        let bound = Server::bind(&address, api::Api::new(proxies, options)).await;
        let server =
            bound.with_context(|| format!("cannot listen on {address}; give another -host or -port"))?;
        let address = server.address()?.to_string();
        tracing::info!(address, "Starting Toxiproxy HTTP server");
        let end = async {
            interrupt.asked().await;
            tracing::info!("Shutdown started");
        };
        server.run(end).await;
        Ok(exit::PASS)
    }
}

/// Some number that no other run has.
fn fresh_seed() -> i64 {
    use std::hash::{BuildHasher as _, Hasher as _, RandomState};
    // Few enough bits for whoever reads JSON's numbers as floating point.
    (RandomState::new().build_hasher().finish() >> 11).cast_signed()
}

/// As Go's flags read a truth value.
fn boolean(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err("must be true or false".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::{Command, FromArgMatches as _};

    use super::*;

    fn respelled(line: &str) -> String {
        let words = spelled(line.split(' ').map(OsString::from));
        let words: Vec<_> = words.iter().map(|word| word.to_str().unwrap()).collect();
        words.join(" ")
    }

    #[test]
    fn one_dash_becomes_two_for_the_proxys_own_flags_alone() {
        assert_eq!(respelled("b proxy -host x -port=1 -v --seed 2"), "b proxy --host x --port=1 -v --seed 2");
        assert_eq!(respelled("b proxy -version"), "b proxy --version");
        assert_eq!(respelled("b up -host x"), "b up -host x");
    }

    #[test]
    fn the_api_is_where_toxiproxys_is_unless_told_otherwise() {
        let at = |words: &[&str]| {
            let matches = Proxy::augment_args(Command::new("proxy")).try_get_matches_from(words).unwrap();
            let Proxy { host, port, .. } = Proxy::from_arg_matches(&matches).unwrap();
            format!("{host}:{port}")
        };
        assert_eq!(at(&["proxy"]), "localhost:8474");
        assert_eq!(at(&["proxy", "--port", "0"]), "localhost:0");
    }

    #[test]
    fn truth_is_written_as_in_go() {
        for text in ["1", "t", "TRUE", "True"] {
            assert_eq!(boolean(text), Ok(true));
        }
        assert_eq!(boolean("F"), Ok(false));
        boolean("yes").unwrap_err();
    }
}
