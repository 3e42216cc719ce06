//! PostgreSQL: one server for all tenants, each with a role that owns its database, or its schema in a shared one.
//!
//! `account` says whom the server runs as, `template` and `initdb` where its data folder comes from (`prune` clears old ones away), `config` writes
//! what it obeys, `server` carves it into slices in the statements that `sql` writes, `faults` are what befalls its clients.
//!
//! Nobody has the superuser's password, because it has none: we come in over a socket in the server's own folder
//! (mode 0700), where the kernel tells the server who we are (`peer`). Over TCP the superuser is refused. In a container
//! (`contained`) there is no such socket: there it has a password that only we know.

use std::{path::PathBuf, process::Stdio, time::Instant};

use async_trait::async_trait;
use bulkhead_model::{Enforcement, Service, Tenant, report::ServerReport};
use nix::sys::signal::Signal;

use sqlx::postgres::PgConnectOptions;

use super::{Place, Running, StandIn, locate, port};
use crate::{
    ChildSpec, Error, Missing, TargetSpec, backends::compose::Part, clients, instance::InstanceSpec,
};

mod account;
mod compose;
mod config;
mod contained;
mod faults;
mod initdb;
mod prune;
mod server;
mod spares;
mod sql;
mod template;

use account::Account;

/// The programs that must lie in one folder.
const PROGRAMS: [&str; 1] = ["postgres"];

/// Where packages put them, beyond PATH. Debian keeps one folder a version, off PATH.
const FOLDERS: [&str; 7] = [
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/usr/bin",
    "/usr/local/bin",
    "/opt/homebrew/opt/postgresql*/bin",
    "/usr/local/opt/postgresql*/bin",
    "/home/linuxbrew/.linuxbrew/opt/postgresql*/bin",
];

/// The file of the server's log.
const LOG: &str = "postgres.log";

/// The stand-in for a managed PostgreSQL.
pub struct Postgres;

/// An installed PostgreSQL.
struct Installation {
    postgres: PathBuf,
    initdb: PathBuf,
}

#[async_trait]
impl StandIn for Postgres {
    fn service(&self) -> Service {
        Service::Postgres
    }

    fn find(&self, spec: &TargetSpec) -> Result<(), Missing> {
        Installation::find(spec).map(|_| ())
    }

    fn composed(&self, tenants: &[Tenant], _promised: Enforcement) -> Result<Part, Error> {
        compose::part(tenants)
    }

    async fn start(&self, spec: &TargetSpec, place: &Place) -> Result<Box<dyn Running>, Error> {
        let begun = Instant::now();
        let prepared = match spec.images.as_ref().and_then(|images| images.of(Service::Postgres)) {
            Some(image) => contained::prepare(image, place)?,
            None => process(spec, place).await?,
        };
        let Prepared { spec, admin, port } = prepared;
        let mut instance = spec.start().await?;
        let mut connection = server::ready(&mut instance, place.deadline, &admin).await?;
        let version = clients::postgres::server_version(&mut connection).await?;
        let report = ServerReport {
            service: Service::Postgres,
            product: "postgres".into(),
            version,
            startup_ms: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
        };
        let server = server::Server::open((instance, spec), connection, admin, report, port, place).await?;
        Ok(Box::new(server))
    }
}

/// A server that is ready to be started.
struct Prepared {
    spec: InstanceSpec,
    /// How its administrator gets in. Only our own server lets it in, so a stranger on the port is never taken for it.
    admin: PgConnectOptions,
    port: u16,
}

async fn process(spec: &TargetSpec, place: &Place) -> Result<Prepared, Error> {
    let installation = Installation::find(spec).map_err(|missing| Error::Missing(vec![missing]))?;
    let account = Account::choose()?;
    account.check_path_to(&installation.postgres)?;
    account.check_path_to(&place.dir)?;
    account.give(&place.dir)?;
    let data = place.dir.join("data");
    template::data_folder(&installation, &account, place, &data).await?;

    let identity = place.authority.identity("postgres", &place.dir)?;
    for file in [&identity.ca, &identity.cert, &identity.key] {
        account.give(file)?;
    }
    let port = port::pick(Service::Postgres, place)?;
    config::write(&data, &place.dir, port, &identity, &account)?;
    let spec = InstanceSpec::Process(ChildSpec {
        service: Service::Postgres,
        run: place.run.clone(),
        program: installation.postgres,
        args: vec!["-D".into(), data.into()],
        env: Vec::new(),
        dir: place.dir.clone(),
        log: place.dir.join(LOG),
        user: account.switch(),
        // Immediate shutdown: unlike SIGKILL it removes the shared-memory segment and ends every backend.
        death_signal: Signal::SIGQUIT,
        piped: false,
    });
    let admin = clients::postgres::admin(&place.dir, port, config::ADMIN, config::ADMIN_DATABASE);
    Ok(Prepared { spec, admin, port })
}

impl Installation {
    fn find(spec: &TargetSpec) -> Result<Self, Missing> {
        let named = spec.places.postgres_bin.as_deref();
        let missing =
            || Missing { service: Service::Postgres, looked: locate::looked(&PROGRAMS, named, &FOLDERS) };
        let postgres = locate::program(&PROGRAMS, named, &FOLDERS).ok_or_else(missing)?;
        // PATH may hold a link to the program alone; `initdb` lies beside what the link means.
        let real = std::fs::canonicalize(&postgres).map_err(|_| missing())?;
        let initdb = real.with_file_name("initdb");
        if !initdb.is_file() {
            let looked = format!("found `{}` without `initdb` beside it", real.display());
            return Err(Missing { service: Service::Postgres, looked });
        }
        Ok(Self { postgres: real, initdb })
    }

    /// What the program says it is: `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`.
    async fn version(&self) -> Result<String, Error> {
        let mut command = tokio::process::Command::new(&self.postgres);
        let output = command.arg("--version").stdin(Stdio::null()).kill_on_drop(true).output();
        let failed =
            |source| Error::Spawn { service: Service::Postgres, program: self.postgres.clone(), source };
        let late = |_| failed(std::io::Error::from(std::io::ErrorKind::TimedOut));
        let output =
            tokio::time::timeout(clients::COMMAND_DEADLINE, output).await.map_err(late)?.map_err(failed)?;
        if !output.status.success() {
            let log = String::from_utf8_lossy(&output.stderr).lines().map(str::to_owned).collect();
            return Err(Error::Exited { service: Service::Postgres, status: output.status, log });
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }
}
