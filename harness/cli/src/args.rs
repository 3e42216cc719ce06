//! The command line: what may be said, what it means by default, and the help.
//!
//! Only what works is offered. A command's own options live with the command, in `commands/`.

use std::path::PathBuf;

use bulkhead_engine::cost::Budget;
use bulkhead_target::S3Kind;
use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};

use crate::{commands, exit};

/// Proves that apps which share managed services stay isolated and lose nothing.
#[derive(Debug, Parser)]
#[command(name = "bulkhead", version, about, after_help = exit::HELP, after_long_help = LONG, max_term_width = 100)]
#[command(subcommand_required = true, arg_required_else_help = true, disable_help_subcommand = true)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
    /// How much to say.
    #[command(flatten)]
    pub(crate) volume: Volume,
}

const LONG: &str = concat!(
    "Examples:\n",
    "  bulkhead verify                                  start stand-ins, run every scenario, judge\n",
    "  bulkhead verify scenarios/isolation --seed 7     some of them, with a seed of your own\n",
    "  bulkhead up --detach && eval \"$(bulkhead env --tenant engine)\"\n",
    "                                                   stand-ins for development\n",
    "\n",
    "Exit codes: 0 pass, 1 fail, 2 unknown or interrupted, 3 could not start, 64 usage"
);

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start stand-ins, run the scenarios, judge them and report.
    Verify(commands::verify::Verify),
    /// Go through the integration checklist and print it as Markdown with ticks.
    Checklist(commands::checklist::Checklist),
    /// Make every probe between every two tenants and print the isolation matrix.
    Isolation(commands::isolation::Isolation),
    /// Start stand-ins for local development.
    Up(commands::up::Up),
    /// Stop the stand-ins that `up` started in this project.
    Down(commands::down::Down),
    /// Say what `up` started in this project.
    Status(commands::status::Status),
    /// Print a tenant's environment variables.
    Env(commands::env::Env),
    /// Print a Compose file with slices for every tenant.
    Compose(commands::compose::Compose),
    /// Say what is wrong with the services that the environment variables name, why, and how to mend it.
    Doctor(commands::doctor::Doctor),
    /// Remove what a killed run left on real services.
    Clean(commands::clean::Clean),
    /// List, check or describe scenario files.
    Scenario(commands::scenario::Scenario),
    /// Judge a saved history again. Needs no services.
    Check(commands::check::Check),
    /// Sabotage each invariant's system on purpose and see that the invariant fails.
    Prove(commands::prove::Prove),
    /// Measure what the services bear and how long they take, and judge what was measured.
    Bench(commands::bench::Bench),
    /// Run a program of yours on stand-ins, under faults if you like.
    Run(commands::run::Run),
    /// Run the fault proxy alone: Toxiproxy's API, on the loopback interface.
    Proxy(commands::proxy::Proxy),
}

/// How much to say.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Volume {
    /// Only failures and the summary
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Every case, probe and item too; twice: log lines on stderr as well
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,
}

/// Where the services are and who shares them.
#[derive(Clone, Debug, Args)]
pub(crate) struct Place {
    /// Where the services are: `native` starts real servers as child processes, `docker` in containers, `auto` takes the first
    /// where its servers are on this machine or may be installed, else the second; `env` works on those that the environment
    /// variables name
    #[arg(long, value_name = "TARGET", default_value = "auto")]
    pub(crate) target: TargetArg,
    /// Who shares what [default: bulkhead.toml here or in a folder above, or the built-in layout]
    #[arg(long, value_name = "FILE")]
    pub(crate) topology: Option<PathBuf>,
    /// Which program plays S3 [default: `embedded`; in containers `minio`]
    #[arg(long, value_name = "PROGRAM")]
    pub(crate) s3: Option<S3Arg>,
    /// Install missing servers with the system's package manager, after printing the command
    #[arg(long)]
    pub(crate) install: bool,
}

/// How services are reached that were not started here.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Real {
    /// With real services: trust these authorities (PEM) and no others [default: the system's, or SSL_CERT_FILE]
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// With real services: read the variables of this file as if they were set, before those that are; may be repeated, the
    /// later file first. Its SSL_CERT_FILE is as `--ca`; a relative path there is looked for from the file's folder upwards
    #[arg(long, value_name = "FILE")]
    pub(crate) env_file: Vec<PathBuf>,
    /// With real services: let the run work on some that are not on this machine
    #[arg(long)]
    pub(crate) allow_remote: bool,
    /// With real services: what the run may spend at most, such as `redis=5000,messages=500,s3-b=200,s3-c=200,bytes=9000000`
    /// [default: well below a free plan's allowance; the run says at its start what it spends]
    #[arg(long, value_name = "LIST")]
    pub(crate) budget: Option<Budget>,
}

/// Where results go.
#[derive(Clone, Debug, Args)]
pub(crate) struct Output {
    /// What to print on stdout
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    pub(crate) format: Format,
    /// Folder for reports and histories; each run makes one inside it
    /// [default: target/bulkhead beside bulkhead.toml, or here where there is none]
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Also write JUnit XML there
    #[arg(long, value_name = "FILE")]
    pub(crate) junit: Option<PathBuf>,
    /// Also append a Markdown summary there, such as "$GITHUB_STEP_SUMMARY"
    #[arg(long, value_name = "FILE")]
    pub(crate) markdown: Option<PathBuf>,
}

/// The targets that exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TargetArg {
    /// `native` where it can be, else `docker`
    Auto,
    /// Real servers, started here as child processes
    Native,
    /// The same in containers of the images that BULKHEAD_IMAGE_POSTGRES and its like name
    Docker,
    /// The services that the environment variables name, within names of the run's own
    Env,
}

/// The proxies that can break links.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum LinksArg {
    /// The one of this process
    #[default]
    Own,
    /// Toxiproxy, in a container of the image that BULKHEAD_IMAGE_TOXIPROXY names
    Toxiproxy,
}

impl TargetArg {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Native => "native",
            Self::Docker => "docker",
            Self::Env => "env",
        }
    }
}

/// [`S3Kind`] on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum S3Arg {
    /// The server inside this binary
    Embedded,
    /// A `minio` binary from PATH; in containers whichever server the image that BULKHEAD_IMAGE_S3 names holds
    Minio,
}

impl S3Arg {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Embedded => "embedded",
            Self::Minio => "minio",
        }
    }
}

impl From<S3Arg> for S3Kind {
    fn from(arg: S3Arg) -> Self {
        match arg {
            S3Arg::Embedded => Self::Embedded,
            S3Arg::Minio => Self::Minio,
        }
    }
}

/// What stdout gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Human,
    /// One JSON document
    Json,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed_and_every_command_has_examples() {
        let mut cli = Cli::command();
        cli.clone().debug_assert();
        for command in cli.get_subcommands_mut() {
            let help = command.render_long_help().to_string();
            assert!(help.contains("Examples:\n  bulkhead "), "{}: {help}", command.get_name());
        }
    }
}
