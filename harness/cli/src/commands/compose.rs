//! `bulkhead compose`: files for Docker Compose, for who would rather start the servers with it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Result;
use bulkhead_model::{
    Topology,
    url::{EnvFormat, render},
};
use bulkhead_target::backends::compose::{AUTHORITY, compose};
use clap::Args;

use crate::{exit, failure::Hinted, look};

const EXAMPLES: &str = "\
Examples:
  bulkhead compose --out compose             compose.yaml, and a file of variables for each tenant
  bulkhead compose                           compose.yaml on stdout
  docker compose -f compose/compose.yaml up -d --wait
  bulkhead verify --target env --env-file compose/engine.env
  (set -a && . compose/engine.env && ./your-app)

Passwords in them are derived from names, so whoever has the topology knows them: they are for development on this machine, \
and the ports are published on 127.0.0.1 alone. Paths in the files of variables are seen from the current folder.";

/// `bulkhead compose`
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Compose {
    /// Write compose.yaml and a file of variables for each tenant, such as engine.env, into this folder
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Who shares what [default: bulkhead.toml here or in a folder above, or the built-in layout]
    #[arg(long, value_name = "FILE")]
    topology: Option<PathBuf>,
}

impl Compose {
    /// Prints or writes. Starts nothing.
    pub(crate) fn run(self) -> Result<u8> {
        let topology = Topology::load(self.topology.as_deref())?;
        let folder = self.out.as_deref().unwrap_or(Path::new(""));
        let compose = compose(&topology, folder.join(AUTHORITY))?;
        if self.out.is_none() {
            look::say(compose.file.as_bytes())?;
            return Ok(exit::PASS);
        }
        fs::create_dir_all(folder).map_err(|error| failed(folder, &error))?;
        write(&folder.join("compose.yaml"), &compose.file)?;
        for tenant in &compose.tenants {
            let variables = render(EnvFormat::Dotenv, &bulkhead::variables(tenant, false));
            write(&folder.join(format!("{}.env", tenant.tenant.name)), &variables)?;
        }
        Ok(exit::PASS)
    }
}

fn write(file: &Path, text: &str) -> Result<()> {
    fs::write(file, text).map_err(|error| failed(file, &error))
}

fn failed(path: &Path, error: &std::io::Error) -> anyhow::Error {
    let what = format!("cannot write `{}`: {error}", path.display());
    Hinted::error(what, "name a folder that may be written with `--out`")
}
