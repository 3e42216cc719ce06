//! What crosses the keeper's socket and pipes: one JSON value a line.
//!
//! Passwords cross it as they are: only this user's processes can be at either end, and no message is ever shown or
//! logged. Everything else about the protocol's order is in [`super::serve`] and [`super::join`].

use std::{path::PathBuf, time::Duration};

use bulkhead_model::{
    Enforcement, Secret, Service, Slices, Tenant, TenantName,
    report::{LogTail, ServerReport},
    url::{AmqpUrl, Connections, PostgresUrl, RedisUrl, S3Access},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt};

use crate::{Detours, Error, ServiceFault, TargetSpec, TenantAccess};

use super::kind::Kind;

/// The protocol's version. A keeper and a harness that differ refuse one another.
pub(crate) const PROTOCOL: u32 = 7;

/// The longest line, in bytes: room for thousands of tenants.
const LINE: u64 = 16 * 1024 * 1024;

/// What the spawning harness writes into the keeper's standard input.
#[derive(Serialize, Deserialize)]
pub(crate) struct Opening {
    /// The rendezvous name to take.
    pub(crate) name: String,
    /// What to bring up.
    pub(crate) spec: TargetSpec,
    /// What the spawning harness says again when it connects.
    pub(crate) token: u64,
}

/// What the keeper writes to its standard output, once.
#[derive(Serialize, Deserialize)]
pub(crate) enum Word {
    /// It has the name.
    Listening,
    /// Another keeper has the name.
    Lost,
    /// It cannot work at all.
    Failed(String),
}

/// From harness to keeper.
#[derive(Serialize, Deserialize)]
pub(crate) enum ToKeeper {
    /// The first message.
    Hello {
        /// The sender's [`PROTOCOL`].
        protocol: u32,
        /// What it came for.
        intent: Intent,
    },
    /// Any later message; the answer carries its number.
    Request {
        /// Counted by the sender.
        number: u64,
        /// What is wanted.
        what: Request,
    },
}

/// What a connection is for.
#[derive(Serialize, Deserialize)]
pub(crate) enum Intent {
    /// To hold the servers.
    Lease {
        /// Which servers, as [`super::name::kind`] words it; it must be what the keeper keeps.
        kind: String,
        /// How long the servers outlive this lease when it is the last.
        linger: Duration,
        /// The [`Opening`]'s, from the harness that spawned a keeper.
        token: Option<u64>,
    },
    /// To ask or to command; it holds nothing.
    Control,
}

/// A numbered request.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Request {
    /// Make these tenants' slices, under exactly these names.
    Provision(Wanted),
    /// Remove the slices that one `Provision` of this lease made.
    Release(Vec<WireTenant>),
    /// The ends of the logs.
    Logs(usize),
    /// The first process of each server.
    Processes,
    /// The address of a server's management API, started when it does not run yet.
    Management(Service),
    /// The names of all that lies where this slice of the lease does, on a server that tells them to nobody else.
    Names(Service, WireTenant),
    /// Do this to a server that slices of this lease have alone.
    Disturb(Service, Disturbance),
    /// Begin this on slices of this lease, or undo it.
    Inflict(Infliction),
    /// End the lease; answered when it has ended, and when nothing else holds the servers, after they are gone.
    Leave,
    /// Keep the servers and this lease's slices without anyone holding them.
    Detach,
    /// What is going on.
    Status,
    /// Stop the servers, whoever holds them.
    Stop,
}

/// Slices to make.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Wanted {
    /// Whose.
    pub(crate) tenants: Vec<WireTenant>,
    /// Where; on the others nothing is made, and nothing can be reached.
    pub(crate) services: Vec<Service>,
    /// Those of them on which nobody else's slices are while these are there, so that the servers may be disturbed.
    pub(crate) alone: Vec<Service>,
    /// In [`Service::ALL`]'s order.
    pub(crate) enforcement: [Enforcement; 4],
    /// Whether the names are the topology's own, for others to find.
    pub(crate) exact: bool,
    /// Whether the lease is going to be detached: only then are the slices there for others.
    pub(crate) stays: bool,
}

/// What is done to a whole server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Disturbance {
    /// It is stopped where it is.
    Pause,
    /// It is killed, with every process of it.
    Kill,
    /// It is ended in good order.
    Stop,
    /// Whatever was done to it is over: it goes on, or is started again with the data that it had.
    Mend,
}

/// A service fault that begins or is undone.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Infliction {
    /// Where.
    pub(crate) service: Service,
    /// Which.
    pub(crate) fault: ServiceFault,
    /// On whose slices.
    pub(crate) tenant: WireTenant,
    /// Whether it begins.
    pub(crate) begins: bool,
}

/// From keeper to harness.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum ToHarness {
    /// A server is being started.
    Starting(Service),
    /// A server serves.
    Ready(ServerReport),
    /// A remark about it for the reader.
    Note(String),
    /// The lease is granted.
    Granted(Granted),
    /// The lease is refused: why.
    Refused(Failure),
    /// The answer to a request.
    Answer {
        /// The request's number.
        number: u64,
        /// The error is its whole chain of causes.
        result: Result<Answer, String>,
    },
    /// A server ended by itself or was given up: its error.
    ServerDied(String),
    /// The servers stop, though this connection holds them: why.
    Ending(String),
}

/// A granted lease.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Granted {
    /// Its number, unique in this keeper.
    pub(crate) lease: u64,
    /// The run's id.
    pub(crate) run: String,
    /// The keeper's process.
    pub(crate) pid: u32,
    /// What answers.
    pub(crate) servers: Vec<ServerReport>,
}

/// An error as it crosses the socket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Failure {
    /// The whole chain of causes.
    pub(crate) why: String,
    /// What to do next.
    pub(crate) hint: Option<String>,
}

impl Failure {
    /// One without a hint.
    pub(crate) fn plain(why: impl Into<String>) -> Self {
        Self { why: why.into(), hint: None }
    }
}

impl From<&Error> for Failure {
    fn from(error: &Error) -> Self {
        Self { why: error.chain(), hint: error.hint() }
    }
}

/// The answer to a request.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Answer {
    /// It is done.
    Done,
    /// To `Provision`.
    Slices(Vec<WireAccess>),
    /// To `Logs`.
    Logs(Vec<LogTail>),
    /// To `Processes`.
    Processes(Vec<(Service, i32)>),
    /// To `Management`: none when the server has none, or why it does not start.
    Management(Result<Option<String>, String>),
    /// To `Names`: none where tenants are told themselves, or why they could not be had.
    Names(Result<Option<Vec<String>>, String>),
    /// To `Disturb`: why it could not be done.
    Disturbed(Result<(), String>),
    /// To `Inflict`: how many connections, requests or queues it touched, or why it could not be done.
    Inflicted(Result<u64, String>),
    /// To `Status`.
    Status(Box<StatusParts>),
}

/// The answer to `Status`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct StatusParts {
    /// The run's id.
    pub(crate) run: String,
    /// The run's folder.
    pub(crate) dir: PathBuf,
    /// The keeper's process.
    pub(crate) pid: u32,
    /// What answers; empty while the servers start.
    pub(crate) servers: Vec<ServerReport>,
    /// How many leases are held, detached ones included.
    pub(crate) leases: usize,
    /// Slices made under exact names.
    pub(crate) exact: Vec<WireAccess>,
    /// Servers that ended by themselves, each as its error.
    pub(crate) dead: Vec<String>,
    /// What the servers are; a keeper of an older build does not say, nor what follows.
    #[serde(default)]
    pub(crate) kind: Option<Kind>,
    /// What is enforced on the exact slices.
    #[serde(default)]
    pub(crate) enforcement: Option<[Enforcement; 4]>,
    /// The process with which the exact slices go; none when they were detached.
    #[serde(default)]
    pub(crate) holder: Option<u32>,
}

/// [`Tenant`], which is not serialised elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct WireTenant(#[serde(with = "TenantDef")] pub(crate) Tenant);

/// [`TenantAccess`] with its secrets.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct WireAccess(#[serde(with = "TenantAccessDef")] pub(crate) TenantAccess);

#[derive(Serialize, Deserialize)]
#[serde(remote = "Tenant")]
struct TenantDef {
    name: TenantName,
    env: String,
    slices: Slices,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "TenantAccess")]
struct TenantAccessDef {
    #[serde(with = "TenantDef")]
    tenant: Tenant,
    #[serde(with = "ConnectionsDef")]
    connections: Connections,
    ca: Option<PathBuf>,
    // Links live in the process that opened them.
    #[serde(skip)]
    detours: Detours,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Connections")]
struct ConnectionsDef {
    #[serde(with = "PostgresDef")]
    postgres: PostgresUrl,
    #[serde(with = "RedisDef")]
    redis: RedisUrl,
    #[serde(with = "AmqpDef")]
    rabbitmq: AmqpUrl,
    #[serde(with = "S3Def")]
    s3: S3Access,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "PostgresUrl")]
struct PostgresDef {
    host: String,
    port: u16,
    user: String,
    #[serde(with = "bulkhead_model::secret::exposed")]
    password: Secret,
    database: String,
    parameters: Vec<(String, String)>,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "RedisUrl")]
struct RedisDef {
    host: String,
    port: u16,
    user: String,
    #[serde(with = "bulkhead_model::secret::exposed")]
    password: Secret,
    database: u32,
    tls: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "AmqpUrl")]
struct AmqpDef {
    host: String,
    port: u16,
    user: String,
    #[serde(with = "bulkhead_model::secret::exposed")]
    password: Secret,
    vhost: String,
    tls: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "S3Access")]
struct S3Def {
    endpoint: String,
    access_key_id: String,
    #[serde(with = "bulkhead_model::secret::exposed")]
    secret_access_key: Secret,
    bucket: String,
}

/// One message as a line.
pub(crate) fn line(message: &impl Serialize) -> std::io::Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec(message)?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// The next message; none at the end of the stream, where a line that was cut off counts as the end.
pub(crate) async fn next<T: DeserializeOwned>(
    from: &mut (impl AsyncBufRead + Unpin + Send),
) -> std::io::Result<Option<T>> {
    let mut bytes = Vec::new();
    from.take(LINE).read_until(b'\n', &mut bytes).await?;
    if bytes.last() != Some(&b'\n') {
        return Ok(None);
    }
    Ok(Some(serde_json::from_slice(&bytes)?))
}
