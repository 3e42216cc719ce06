//! The four services: how each is found, started and carved into slices. A folder a service, a line in [`ALL`].

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use bulkhead_model::{
    Enforcement, Secret, Service, Tenant,
    report::ServerReport,
    url::{AmqpUrl, Connections, PostgresUrl, RedisUrl, S3Access},
};
use nix::unistd::Pid;

use crate::{
    Authority, Detours, Error, Missing, ServiceFault, TargetSpec, TenantAccess, backends::compose::Part,
};

mod locate;
mod password;
pub(crate) mod port;
pub mod postgres;
pub mod rabbitmq;
pub mod redis;
pub mod s3;

/// How long a server has to end in good order before it is killed, when its data are wanted again.
pub(crate) const HALT: Duration = Duration::from_secs(20);

/// Every stand-in, in [`Service::ALL`]'s order.
pub const ALL: [&dyn StandIn; 4] = [&postgres::Postgres, &redis::Redis, &rabbitmq::Rabbitmq, &s3::S3];

/// How one service is started here. Stateless: what it finds and starts are values of their own.
#[async_trait]
pub trait StandIn: Sync {
    /// Which service it plays.
    fn service(&self) -> Service;

    /// Looks for the server on this machine. Starts nothing and writes nothing.
    ///
    /// # Errors
    /// What was looked for and where, when it is not there.
    fn find(&self, spec: &TargetSpec) -> Result<(), Missing>;

    /// Its part of a Compose file in which these tenants have their slices.
    ///
    /// # Errors
    /// When a slice cannot be written down.
    fn composed(&self, tenants: &[Tenant], enforcement: Enforcement) -> Result<Part, Error>;

    /// Starts the server and waits until it serves.
    ///
    /// # Errors
    /// Always with the end of the server's log when the server had one.
    async fn start(&self, spec: &TargetSpec, place: &Place) -> Result<Box<dyn Running>, Error>;
}

/// A server that serves.
#[async_trait]
pub trait Running: Send {
    /// Which service, which product and version, and how long it took.
    fn report(&self) -> ServerReport;

    /// Makes the slices of these tenants, all or none: databases and roles, users and permissions, buckets and keys.
    ///
    /// The tenants come from one topology, so containers that several of them name are made once. Names are as in
    /// the slices, exactly. Every call makes fresh passwords.
    ///
    /// # Errors
    /// What was refused, naming tenant and slice.
    async fn provision(&mut self, tenants: &[Tenant], enforcement: Enforcement)
    -> Result<Vec<Access>, Error>;

    /// Removes what [`Running::provision`] made for these tenants, contents included.
    ///
    /// # Errors
    /// What could not be removed.
    async fn remove(&mut self, tenants: &[Tenant]) -> Result<(), Error>;

    /// The address of the server's management API, for a server that has one. It may be started by this call and has
    /// answered when it returns.
    ///
    /// # Errors
    /// When it does not start.
    async fn management(&mut self) -> Result<Option<String>, Error> {
        Ok(None)
    }

    /// The names of all that lies where the tenant's slice does, neighbours' too, for a server that tells them to its
    /// administrator alone.
    ///
    /// # Errors
    /// When it does not tell.
    async fn names(&mut self, _tenant: &Tenant) -> Result<Option<Vec<String>>, Error> {
        Ok(None)
    }

    /// Remarks for the reader that change nothing, such as a slower way of starting that had to be taken.
    fn notes(&self) -> Vec<String> {
        Vec::new()
    }

    /// Has the administrator run one statement in the service's own language, and gives its answer: a Redis command,
    /// an Erlang expression on RabbitMQ's node, more rights for a key of the embedded S3. Whatever this changes ends with
    /// the server.
    ///
    /// It is how a server is set up wrong on purpose; provisioning never goes through it.
    ///
    /// # Errors
    /// What the server refused, or that this stand-in takes no statements.
    async fn administer(&mut self, _statement: &str) -> Result<String, Error> {
        let service = self.report().service;
        Err(Error::serve(service, "run a statement as administrator")("this stand-in takes none"))
    }

    /// Begins a service fault for a tenant, or undoes it, and says how many connections, requests or queues it touched.
    /// Undoing one that is not there changes nothing.
    ///
    /// # Errors
    /// What the server refused, or that this stand-in has no such fault.
    async fn inflict(&mut self, fault: ServiceFault, _tenant: &Tenant, _begins: bool) -> Result<u64, Error> {
        let ServerReport { service, product, .. } = self.report();
        let why = format!("a stand-in that is {product} has no such fault");
        Err(Error::serve(service, format!("begin {fault:?}"))(why))
    }

    /// Stops the server where it is, with every process of it, or lets it go on. Its sockets stay open meanwhile.
    ///
    /// # Errors
    /// When it could not be told.
    async fn pause(&mut self, paused: bool) -> Result<(), Error>;

    /// Ends the server and keeps its data: in good order, or at once with every process of it.
    ///
    /// # Errors
    /// When the system could not be told.
    async fn halt(&mut self, in_good_order: bool) -> Result<(), Error>;

    /// Starts a server that was halted again, on the same port, with the data and the slices that it had.
    ///
    /// # Errors
    /// As [`StandIn::start`].
    async fn start_again(&mut self) -> Result<(), Error>;

    /// The number of the server's first process, below which all others of it are; none where it is not this system's.
    fn pid(&self) -> Option<Pid>;

    /// How the process ended, if it has.
    fn exited(&mut self) -> Option<Error>;

    /// The last lines of the server's log.
    fn log_tail(&self, lines: usize) -> Vec<String>;

    /// Ends the server at once, its data being thrown away, and returns when every process of it is gone.
    async fn stop(&mut self);
}

/// A tenant's connection to one service, in the order of the tenants given to [`Running::provision`].
#[derive(Clone, Debug)]
pub enum Access {
    /// To PostgreSQL.
    Postgres(PostgresUrl),
    /// To Redis.
    Redis(RedisUrl),
    /// To RabbitMQ.
    Rabbitmq(AmqpUrl),
    /// To S3.
    S3(S3Access),
}

impl Access {
    /// To nowhere, for a tenant without a slice on the service: port 0, at which nothing listens, and no password.
    pub(crate) fn nowhere(service: Service, tenant: &Tenant) -> Self {
        let (host, user, password) = (String::from("localhost"), String::new(), Secret::new(String::new()));
        let slices = tenant.slices.clone();
        match service {
            Service::Postgres => {
                let (database, parameters) = (slices.postgres.database, Vec::new());
                Self::Postgres(PostgresUrl { host, port: 0, user, password, database, parameters })
            }
            Service::Redis => Self::Redis(RedisUrl { host, port: 0, user, password, database: 0, tls: true }),
            Service::Rabbitmq => {
                let vhost = slices.rabbitmq.vhost;
                Self::Rabbitmq(AmqpUrl { host, port: 0, user, password, vhost, tls: true })
            }
            Service::S3 => Self::S3(S3Access {
                endpoint: format!("https://{host}:0"),
                access_key_id: user,
                secret_access_key: password,
                bucket: slices.s3.bucket,
            }),
        }
    }
}

/// Where a server may work.
#[derive(Clone)]
pub struct Place {
    /// The run's id, which marks every process and path.
    pub run: String,
    /// The server's own folder, empty, mode 0700, owned by us.
    pub dir: PathBuf,
    /// Signs its certificate.
    pub authority: Arc<Authority>,
    /// The authority's certificate where clients read it; it outlives the server's own folder.
    pub ca: PathBuf,
    /// From start to ready.
    pub deadline: Duration,
    /// A port to use instead of one that the kernel picks. Tests use it to take the port first.
    pub port: Option<u16>,
    /// Slices to make with the start, where the server can, and who keeps them apart: whoever asks for just these gets them.
    pub first: Option<(Vec<Tenant>, Enforcement)>,
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Place").field("dir", &self.dir).field("port", &self.port).finish_non_exhaustive()
    }
}

/// Sorts what the services gave by tenant. On a service that gave nothing a tenant's connection leads nowhere.
pub(crate) fn assemble(
    tenants: &[Tenant],
    access: Vec<(Service, Vec<Access>)>,
    ca: &Path,
) -> Result<Vec<TenantAccess>, String> {
    let mut columns: Vec<_> =
        access.into_iter().map(|(service, column)| (service, column.into_iter())).collect();
    let mut next = |service, tenant| match columns.iter_mut().find(|(of, _)| *of == service) {
        Some((_, column)) => column.next(),
        None => Some(Access::nowhere(service, tenant)),
    };
    let each = tenants.iter().map(|tenant| match Service::ALL.map(|service| next(service, tenant)) {
        [
            Some(Access::Postgres(postgres)),
            Some(Access::Redis(redis)),
            Some(Access::Rabbitmq(rabbitmq)),
            Some(Access::S3(s3)),
        ] => Ok(TenantAccess {
            tenant: tenant.clone(),
            connections: Connections { postgres, redis, rabbitmq, s3 },
            ca: Some(ca.to_owned()),
            detours: Detours::default(),
        }),
        _ => Err(format!("a service gave no connection for `{}`", tenant.name)),
    });
    each.collect()
}
