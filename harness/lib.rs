//! Stand-ins for an app's own tests: real PostgreSQL, Redis, RabbitMQ and S3 servers on this machine, over TLS, shared
//! by every test process and gone a few seconds after the last one. Where the servers are not installed they run in
//! containers, if an engine answers.
//!
//! ```no_run
//! # async fn test() -> Result<(), Box<dyn std::error::Error>> {
//! // The tenants of `bulkhead.toml`, or of the built-in layout, on slices that no other test has.
//! let stand_ins = bulkhead::stand_ins().await?;
//! let tenants = stand_ins.tenants().await?;
//! let engine = tenants.iter().find(|tenant| tenant.name() == "engine").ok_or("no tenant `engine`")?;
//!
//! // The program under test sees the environment variables that it sees in production.
//! let status = std::process::Command::new("./my-app").args(["migrate"]).envs(engine.variables()).status()?;
//! assert!(status.success());
//! # Ok(())
//! # }
//! ```
//!
//! The servers belong to the `bulkhead` executable, which is looked for in `BULKHEAD_BIN`, beside the test's own
//! executable and on `PATH`. What it is not: nothing here judges anything; that is `bulkhead verify`.

use std::{
    env,
    path::{Path, PathBuf},
    time::Duration,
};

pub use bulkhead_model as model;
pub use bulkhead_target as target;

use bulkhead_model::{Problems, Topology, url::Connections};
use bulkhead_target::{Session, TargetSpec, TenantAccess, backends::auto};

/// Names the `bulkhead` executable, when it is neither beside the tests nor on `PATH`.
pub const EXECUTABLE_VARIABLE: &str = "BULKHEAD_BIN";

/// The region that clients are told. Any would do, but most insist on one.
pub const REGION: &str = "us-east-1";

/// How long servers stay for the next test binary, unless `BULKHEAD_LINGER` says otherwise.
const LINGER: Duration = Duration::from_secs(5);

/// Why there are no stand-ins.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The command that owns the servers is not there.
    #[error("no `bulkhead` executable in {EXECUTABLE_VARIABLE}, beside `{}` or on PATH", beside.display())]
    NoExecutable {
        /// The folder of the test's own executable.
        beside: PathBuf,
    },
    /// The topology or an environment variable is wrong.
    #[error(transparent)]
    Input(#[from] Problems),
    /// A server is missing, did not start or refused a slice.
    #[error("{}{}", .0.chain(), hint(.0))]
    Target(#[from] target::Error),
}

fn hint(error: &target::Error) -> String {
    error.hint().map_or_else(String::new, |hint| format!("\nhint: {hint}"))
}

/// A hold on running servers. They stay while it lives.
#[derive(Debug)]
pub struct StandIns {
    session: Session,
    topology: Topology,
}

/// One tenant's slices on the stand-ins, made for whoever asked and for nobody else.
#[derive(Clone, Debug)]
pub struct Tenant(TenantAccess);

/// Joins the stand-ins that run, or starts them. The topology is the nearest `bulkhead.toml` from the current
/// folder (for tests, the package's) upwards, or the built-in layout.
///
/// # Errors
/// When the executable or a server is missing, the topology is wrong, or a server does not start.
pub async fn stand_ins() -> Result<StandIns, Error> {
    let spec = TargetSpec::from_env(executable()?);
    let (topology, mut native) = Problems::both(Topology::load(None), spec)?;
    if env::var_os(target::spec::LINGER.name).is_none() {
        native.linger = LINGER;
    }
    let contained = native.clone().in_containers(None, |variable| env::var_os(variable.name));
    let settled = auto::choose(native, contained).await?;
    let session = Session::open(&settled.spec, &|_| {}).await?;
    Ok(StandIns { session, topology })
}

impl StandIns {
    /// Fresh slices for every tenant of the topology, under names of their own.
    ///
    /// # Errors
    /// What a server refused.
    pub async fn tenants(&self) -> Result<Vec<Tenant>, Error> {
        let tenants = self.session.slices(&self.topology).await?;
        Ok(tenants.into_iter().map(Tenant).collect())
    }

    /// The session itself, for logs and versions.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Lets go of the servers and waits until those that nobody else holds are gone. Dropping lets go as well.
    ///
    /// # Errors
    /// When their keeper broke off.
    pub async fn close(self) -> Result<(), Error> {
        Ok(self.session.close().await?)
    }
}

impl Tenant {
    /// Its name in the topology.
    pub fn name(&self) -> &str {
        self.0.tenant.name.as_str()
    }

    /// Where its slices are, as parsed URLs.
    pub fn connections(&self) -> &Connections {
        &self.0.connections
    }

    /// Its environment variables, passwords included, for a child's environment: the documents' seven under their bare
    /// names, and those that make clients trust the stand-ins' certificates.
    pub fn variables(&self) -> Vec<(String, String)> {
        variables(&self.0, true)
    }
}

/// A tenant's environment: the documents' seven variables, with the tenant's prefix unless `bare`, and those that make
/// clients of every kind trust the servers' certificates.
pub fn variables(access: &TenantAccess, bare: bool) -> Vec<(String, String)> {
    let mut tenant = access.tenant.clone();
    if bare {
        tenant.env.clear();
    }
    let mut variables = access.connections.variables(&tenant);
    variables.extend(["AWS_REGION", "AWS_DEFAULT_REGION"].map(|name| (name.to_owned(), REGION.to_owned())));
    if let Some(ca) = &access.ca {
        variables.extend(TRUST.map(|name| (name.to_owned(), ca.display().to_string())));
    }
    variables
}

/// What the clients of the languages at hand read the authority's certificate from: rustls and OpenSSL, boto3, libpq
/// and sqlx, Node, Python's requests.
pub const TRUST: [&str; 5] =
    ["SSL_CERT_FILE", "AWS_CA_BUNDLE", "PGSSLROOTCERT", "NODE_EXTRA_CA_CERTS", "REQUESTS_CA_BUNDLE"];

/// The executable that can own servers.
fn executable() -> Result<PathBuf, Error> {
    let own = env::current_exe().unwrap_or_default();
    let beside = own.parent().unwrap_or(Path::new("")).to_owned();
    let named = env::var_os(EXECUTABLE_VARIABLE).map(PathBuf::from);
    let path = env::var_os("PATH").unwrap_or_default();
    // Cargo puts test executables into `deps`, one folder below the programs.
    let folders = [Some(beside.as_path()), beside.parent()].into_iter().flatten().map(Path::to_owned);
    let found = folders.chain(env::split_paths(&path)).map(|folder| folder.join("bulkhead"));
    let found = named.into_iter().chain(found).find(|file| file.is_file());
    found.ok_or(Error::NoExecutable { beside })
}
