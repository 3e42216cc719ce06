//! Asking and commanding a keeper without holding anything: `status`, `env`, `down`.

use std::{path::PathBuf, time::Duration};

use bulkhead_model::{Enforcement, Service, report::ServerReport};
use tokio::io::{AsyncWriteExt, BufReader};

use crate::{Error, TargetSpec, TenantAccess};

use super::{
    kind::Kind,
    link::{Link, failed},
    name,
    wire::{self, Answer, Intent, PROTOCOL, Request, ToKeeper},
};

/// How long a keeper may take to answer a question.
const ANSWER_DEADLINE: Duration = Duration::from_secs(10);

/// How long a keeper may take to stop everything.
const STOP_DEADLINE: Duration = Duration::from_secs(60);

/// What a running keeper says of itself.
#[derive(Clone, Debug)]
pub struct Status {
    /// The run's id.
    pub run: String,
    /// The run's folder.
    pub dir: PathBuf,
    /// The keeper's process.
    pub pid: u32,
    /// What answers; empty while the servers start.
    pub servers: Vec<ServerReport>,
    /// How many leases are held, detached ones included.
    pub leases: usize,
    /// Slices under exact names, with their connections: what `bulkhead env` prints.
    pub exact: Vec<TenantAccess>,
    /// Servers that ended by themselves or were given up, each as its error.
    pub dead: Vec<String>,
    /// What the servers are; none when a keeper of an older build does not say.
    pub kind: Option<Kind>,
    /// What is enforced on the exact slices, in [`Service::ALL`]'s order; none without slices, or from an older build.
    pub enforcement: Option<[Enforcement; 4]>,
    /// The process with which the exact slices go; none when they were detached, or from an older build.
    pub holder: Option<u32>,
}

impl Status {
    /// Where a service listens, when anybody has slices there under exact names.
    pub fn port(&self, service: Service) -> Option<u16> {
        let connections = &self.exact.first()?.connections;
        match service {
            Service::Postgres => Some(connections.postgres.port),
            Service::Redis => Some(connections.redis.port),
            Service::Rabbitmq => Some(connections.rabbitmq.port),
            Service::S3 => connections.s3.endpoint.rsplit_once(':')?.1.parse().ok(),
        }
    }
}

/// What keeps the set that `spec` asks for; none when nothing does.
///
/// # Errors
/// When a keeper is there and does not answer.
pub async fn status(spec: &TargetSpec) -> Result<Option<Status>, Error> {
    let doing = "ask the keeper for its status";
    let Some(link) = connect(spec, doing).await? else { return Ok(None) };
    let asked = tokio::time::timeout(ANSWER_DEADLINE, link.ask(doing, Request::Status)).await;
    match asked {
        Ok(Ok(Answer::Status(parts))) => Ok(Some(Status {
            run: parts.run,
            dir: parts.dir,
            pid: parts.pid,
            servers: parts.servers,
            leases: parts.leases,
            exact: parts.exact.into_iter().map(|access| access.0).collect(),
            dead: parts.dead,
            kind: parts.kind,
            enforcement: parts.enforcement,
            holder: parts.holder,
        })),
        // It ended between the two.
        Ok(Err(Error::Keeper { .. })) => Ok(None),
        Ok(Ok(_)) => Err(failed(doing, "it answered something else")),
        Ok(Err(error)) => Err(error),
        Err(_) => Err(failed(doing, format!("no answer after {ANSWER_DEADLINE:?}"))),
    }
}

/// Stops the set that `spec` asks for, whoever holds it; false when there was none.
///
/// # Errors
/// When the keeper does not stop, or something is left.
pub async fn stop(spec: &TargetSpec) -> Result<bool, Error> {
    let doing = "stop the servers";
    let Some(link) = connect(spec, doing).await? else { return Ok(false) };
    match tokio::time::timeout(STOP_DEADLINE, link.ask(doing, Request::Stop)).await {
        Ok(answer) => answer.map(|_done| true),
        Err(_) => Err(failed(doing, format!("they still run after {STOP_DEADLINE:?}"))),
    }
}

async fn connect(spec: &TargetSpec, doing: &str) -> Result<Option<Link>, Error> {
    let stream = name::connect(&name::rendezvous(spec)).map_err(|source| failed(doing, source))?;
    let Some(stream) = stream else { return Ok(None) };
    let (read, mut write) = stream.into_split();
    let hello = wire::line(&ToKeeper::Hello { protocol: PROTOCOL, intent: Intent::Control });
    let hello = hello.map_err(|source| failed(doing, source))?;
    if write.write_all(&hello).await.is_err() {
        return Ok(None);
    }
    Link::new(BufReader::new(read), write).map(Some).map_err(|source| failed(doing, source))
}
