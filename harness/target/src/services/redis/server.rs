//! A running Redis and its slices.

use std::{collections::BTreeMap, time::Duration};

use async_trait::async_trait;
use bulkhead_model::{Enforcement, Secret, Service, Tenant, report::ServerReport, url::RedisUrl};
use nix::{sys::signal::Signal, unistd::Pid};
use redis::{Client, Cmd, RedisError, aio::MultiplexedConnection, cmd};

use super::{
    acl,
    config::{self, Config},
};
use crate::{
    Error, ServiceFault,
    clients::{self, ALIVE_DEADLINE, redis::ServerFacts},
    error::Cause,
    instance::{Instance, InstanceSpec},
    ready,
    services::{
        Access, HALT, Running,
        password::{self, Source},
    },
};

/// How many keys one step of the removal looks at.
const SCAN_STEP: u32 = 1000;

/// What the server was started from.
pub(super) struct Origin {
    pub(super) spec: InstanceSpec,
    pub(super) config: Config,
    /// The administrator's password.
    pub(super) admin: Secret,
    /// From its start to ready.
    pub(super) deadline: Duration,
}

pub(super) struct Server {
    instance: Instance,
    origin: Origin,
    /// Makes the administrator's connection.
    client: Client,
    pub(super) admin: MultiplexedConnection,
    report: ServerReport,
    /// The login of every slice that exists, by prefix.
    pub(super) logins: BTreeMap<String, Login>,
    /// How many commands were refused for want of memory before the present want began.
    pub(super) refused: u64,
    /// The logins whose passwords a fault took, by prefix.
    pub(super) revoked: BTreeMap<String, Revoked>,
}

/// A login whose password is another one for a while.
#[derive(Clone)]
pub(super) struct Revoked {
    pub(super) old: Login,
    pub(super) new: Login,
    /// How many logins were refused before.
    pub(super) refused: u64,
}

#[derive(Clone, PartialEq, Eq)]
pub(super) enum Login {
    /// The shared `default` user with this password.
    Shared(Secret),
    /// A user of the tenant's own, with its rules.
    Own(String, Vec<String>),
}

impl Login {
    /// The tenant's, `shared` being the password of all tenants of a topology by convention; its user and password.
    pub(super) fn of(tenant: &Tenant, shared: Option<&Secret>, source: Source) -> (Self, String, Secret) {
        match shared {
            Some(password) => (Self::Shared(password.clone()), acl::DEFAULT.to_owned(), password.clone()),
            None => {
                let user = acl::user(tenant);
                let password = source.password(&format!("redis {user}"));
                let rules = acl::rules(&tenant.slices.redis.prefix, &password);
                (Self::Own(user.clone(), rules), user, password)
            }
        }
    }

    /// The same with a password that nobody is told.
    pub(super) fn with_another_password(&self) -> Self {
        match self {
            Self::Shared(_) => Self::Shared(password::random()),
            Self::Own(user, rules) => Self::Own(user.clone(), acl::with_password(rules, &password::random())),
        }
    }
}

impl Server {
    pub(super) fn new(
        instance: Instance,
        origin: Origin,
        client: Client,
        admin: MultiplexedConnection,
        facts: ServerFacts,
        startup: Duration,
    ) -> Self {
        let report = ServerReport {
            service: Service::Redis,
            product: facts.product.into(),
            version: facts.version,
            startup_ms: u64::try_from(startup.as_millis()).unwrap_or(u64::MAX),
        };
        let (logins, revoked) = (BTreeMap::new(), BTreeMap::new());
        Self { instance, origin, client, admin, report, logins, refused: 0, revoked }
    }

    /// Sees that the administrator's connection answers, or makes another: the server may have ended it, or have been
    /// started again. Nothing is repeated: what was under way when it broke has failed.
    pub(super) async fn revive(&mut self) -> Result<(), Error> {
        let ping = cmd("PING");
        let answer = ping.query_async::<redis::Value>(&mut self.admin);
        if !matches!(tokio::time::timeout(ALIVE_DEADLINE, answer).await, Ok(Ok(_))) {
            let failed = Error::serve(Service::Redis, "connect as administrator again");
            self.admin = clients::redis::multiplexed(&self.client).await.map_err(failed)?;
        }
        Ok(())
    }

    pub(super) async fn run(&mut self, command: &Cmd) -> Result<(), RedisError> {
        command.query_async::<redis::Value>(&mut self.admin).await.map(|_| ())
    }

    /// Lets the tenant in and notes how, `shared` being the password of all tenants of a topology by convention.
    async fn admit(&mut self, tenant: &Tenant, shared: Option<&Secret>) -> Result<Access, Error> {
        let prefix = &tenant.slices.redis.prefix;
        let failed = |source: Cause| {
            Error::serve(Service::Redis, format!("make the slice `{prefix}*` for tenant `{}`", tenant.name))(
                source,
            )
        };
        if self.logins.contains_key(prefix) {
            return Err(failed("it exists already".into()));
        }
        let mut set = cmd("ACL");
        set.arg("SETUSER");
        let (login, user, password) = Login::of(tenant, shared, Source::Random);
        match &login {
            Login::Shared(password) => set.arg(acl::DEFAULT).arg("on").arg(acl::digest(password)),
            Login::Own(user, rules) => set.arg(user).arg(rules),
        };
        self.logins.insert(prefix.clone(), login);
        if let Err(error) = self.run(&set).await {
            // Without a word from the server it may have been done all the same.
            if error.code().is_none() {
                self.undo(prefix).await;
            }
            self.logins.remove(prefix);
            return Err(failed(error.into()));
        }
        Ok(access(self.origin.config.port, user, password))
    }

    /// Takes a login away of which it is not known whether it is there.
    async fn undo(&mut self, prefix: &str) {
        let undone = async {
            self.revive().await?;
            let failed = Error::serve(Service::Redis, format!("take the login of `{prefix}*` away"));
            self.dismiss(prefix).await.map_err(failed)
        };
        if let Err(left) = undone.await {
            tracing::warn!("after a failed provision: {}", left.chain());
        }
    }

    /// Takes the login of one slice away, ending its connections where they can be told from others'.
    async fn dismiss(&mut self, prefix: &str) -> Result<(), RedisError> {
        let Some(login) = self.logins.get(prefix).cloned() else { return Ok(()) };
        match &login {
            Login::Own(user, _) => self.run(cmd("ACL").arg("DELUSER").arg(user)).await?,
            Login::Shared(password) => {
                let mut others =
                    self.logins.iter().filter(|(other, _)| *other != prefix).map(|(_, login)| login);
                let mut set = cmd("ACL");
                set.arg("SETUSER").arg(acl::DEFAULT);
                if others.clone().all(|other| matches!(other, Login::Own(..))) {
                    self.run(set.arg("off").arg("resetpass")).await?;
                    self.end_shared().await?;
                } else if !others.any(|other| *other == login) {
                    self.run(set.arg(acl::undigest(password))).await?;
                }
            }
        }
        self.logins.remove(prefix);
        Ok(())
    }

    /// Ends the connections that are logged in as the shared user.
    ///
    /// `CLIENT KILL USER` would take others along: until it logs in, every connection belongs to that user.
    pub(super) async fn end_shared(&mut self) -> Result<u64, RedisError> {
        let list: String = cmd("CLIENT").arg("LIST").query_async(&mut self.admin).await?;
        let mut ended = 0;
        for id in acl::shared_connections(&list) {
            // One that has ended meanwhile is no error.
            let kill = cmd("CLIENT").arg("KILL").arg("ID").arg(id).take();
            ended += kill.query_async::<u64>(&mut self.admin).await?;
        }
        Ok(ended)
    }

    async fn unlink(&mut self, prefix: &str) -> Result<(), RedisError> {
        let pattern = acl::pattern(prefix);
        let mut cursor = String::from("0");
        loop {
            let mut scan = cmd("SCAN");
            scan.arg(&cursor).arg("MATCH").arg(&pattern).arg("COUNT").arg(SCAN_STEP);
            let (next, keys): (String, Vec<Vec<u8>>) = scan.query_async(&mut self.admin).await?;
            if !keys.is_empty() {
                self.run(cmd("UNLINK").arg(keys)).await?;
            }
            if next == "0" {
                return Ok(());
            }
            cursor = next;
        }
    }
}

/// Waits until the server lets its administrator in and has read its data: until then it lets everybody in and answers
/// nothing (LOADING).
pub(super) async fn ready(
    instance: &mut Instance,
    deadline: Duration,
    client: &Client,
) -> Result<MultiplexedConnection, Error> {
    ready::until(Service::Redis, instance, deadline, || async {
        let told = |error: RedisError| error.to_string();
        let mut connection = clients::redis::multiplexed(client).await.map_err(told)?;
        cmd("PING").query_async::<()>(&mut connection).await.map_err(told)?;
        Ok(connection)
    })
    .await
}

/// What leads there.
pub(super) fn access(port: u16, user: String, password: Secret) -> Access {
    Access::Redis(RedisUrl { host: "127.0.0.1".into(), port, user, password, database: 0, tls: true })
}

/// The users of these logins with their rules, and the shared one, whoever has it.
pub(super) fn users_of<'l>(logins: impl Iterator<Item = &'l Login>) -> Vec<(String, Vec<String>)> {
    let (mut shared, mut users) = (acl::nobody(), Vec::new());
    for login in logins {
        match login {
            Login::Own(user, rules) => users.push((user.clone(), rules.clone())),
            Login::Shared(password) => {
                let lets_in = [String::from("on"), acl::digest(password)];
                if !shared.1.ends_with(&lets_in) {
                    shared.1.extend(lets_in);
                }
            }
        }
    }
    users.push(shared);
    users
}

#[async_trait]
impl Running for Server {
    fn report(&self) -> ServerReport {
        self.report.clone()
    }

    async fn provision(
        &mut self,
        tenants: &[Tenant],
        enforcement: Enforcement,
    ) -> Result<Vec<Access>, Error> {
        self.revive().await?;
        let shared = match enforcement {
            Enforcement::Convention => Some(password::random()),
            Enforcement::Enforced => None,
        };
        let mut made = Vec::with_capacity(tenants.len());
        for (index, tenant) in tenants.iter().enumerate() {
            match self.admit(tenant, shared.as_ref()).await {
                Ok(access) => made.push(access),
                Err(error) => {
                    if let Err(left) = self.remove(&tenants[..index]).await {
                        tracing::warn!("after a failed provision: {}", left.chain());
                    }
                    return Err(error);
                }
            }
        }
        Ok(made)
    }

    async fn remove(&mut self, tenants: &[Tenant]) -> Result<(), Error> {
        self.revive().await?;
        for tenant in tenants {
            let prefix = tenant.slices.redis.prefix.as_str();
            if !self.logins.contains_key(prefix) {
                continue;
            }
            let doing = format!("remove the slice `{prefix}*` of tenant `{}`", tenant.name);
            // The login first, so that nobody adds keys behind the scan.
            let gone = async {
                self.dismiss(prefix).await?;
                self.unlink(prefix).await
            };
            gone.await.map_err(Error::serve(Service::Redis, doing))?;
        }
        Ok(())
    }

    async fn administer(&mut self, statement: &str) -> Result<String, Error> {
        self.revive().await?;
        let mut command = Cmd::new();
        command.arg(statement.split_whitespace().collect::<Vec<_>>());
        let answer = command.query_async::<redis::Value>(&mut self.admin).await;
        let answer = answer.map_err(Error::serve(Service::Redis, "run a command as administrator"))?;
        Ok(format!("{answer:?}"))
    }

    async fn inflict(&mut self, fault: ServiceFault, tenant: &Tenant, begins: bool) -> Result<u64, Error> {
        self.befall(fault, tenant, begins).await
    }

    async fn pause(&mut self, paused: bool) -> Result<(), Error> {
        let failed = Error::serve(Service::Redis, "pause the server, or let it go on");
        self.instance.pause(paused).await.map_err(failed)
    }

    async fn halt(&mut self, in_good_order: bool) -> Result<(), Error> {
        if in_good_order {
            self.instance.stop(Signal::SIGTERM, HALT).await;
            return Ok(());
        }
        self.instance.kill().await.map_err(Error::serve(Service::Redis, "kill the server"))
    }

    /// Its logins are in its configuration from the beginning, so that nobody who comes early is refused.
    async fn start_again(&mut self) -> Result<(), Error> {
        let mut users = vec![acl::admin(&self.origin.admin)];
        users.extend(users_of(self.logins.values()));
        config::write(&self.origin.config, &users)?;
        self.origin.spec.start_again(&mut self.instance).await?;
        self.admin = ready(&mut self.instance, self.origin.deadline, &self.client).await?;
        Ok(())
    }

    fn pid(&self) -> Option<Pid> {
        self.instance.pid()
    }

    fn exited(&mut self) -> Option<Error> {
        self.instance.end()
    }

    fn log_tail(&self, lines: usize) -> Vec<String> {
        self.instance.log_tail(lines)
    }

    async fn stop(&mut self) {
        self.instance.discard(Signal::SIGKILL).await;
    }
}
