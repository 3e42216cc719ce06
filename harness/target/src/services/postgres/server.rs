//! A running PostgreSQL and its slices.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    time::Duration,
};

use async_trait::async_trait;
use bulkhead_model::{Enforcement, Secret, Service, Tenant, report::ServerReport, url::PostgresUrl};
use nix::{sys::signal::Signal, unistd::Pid};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, postgres::PgConnectOptions};

use super::{spares::Spares, sql};
use crate::{
    Error, ServiceFault, clients,
    clients::{ALIVE_DEADLINE, COMMAND_DEADLINE},
    error::Cause,
    instance::{Instance, InstanceSpec},
    ready,
    services::{Access, HALT, Place, Running, password},
};

pub(super) struct Server {
    instance: Instance,
    /// How it is started.
    spec: InstanceSpec,
    /// From its start to ready.
    deadline: Duration,
    pub(super) admin: PgConnection,
    options: PgConnectOptions,
    report: ServerReport,
    port: u16,
    ca: PathBuf,
    /// The major version.
    version: u32,
    spares: Spares,
    /// The roles of every database that exists.
    databases: BTreeMap<String, BTreeSet<String>>,
    /// What the server kept of the passwords that a fault took from roles.
    pub(super) revoked: BTreeMap<String, Secret>,
}

/// A tenant's slice, about to exist.
pub(super) struct Slice<'a> {
    pub(super) tenant: &'a Tenant,
    pub(super) role: String,
    pub(super) password: Secret,
}

impl Slice<'_> {
    /// What leads to it. The server is `verified` by its authority's certificate in this file, or else in one that the
    /// environment names.
    pub(super) fn url(self, port: u16, verified: Option<&Path>) -> Access {
        let mut parameters = vec![("sslmode".into(), "verify-full".into())];
        parameters.extend(verified.map(|ca| ("sslrootcert".into(), ca.display().to_string())));
        Access::Postgres(PostgresUrl {
            host: "127.0.0.1".into(),
            port,
            user: self.role,
            password: self.password,
            database: self.tenant.slices.postgres.database.clone(),
            parameters,
        })
    }
}

impl Server {
    /// Takes a server that serves, and closes its maintenance databases to everybody.
    pub(super) async fn open(
        (instance, spec): (Instance, InstanceSpec),
        admin: PgConnection,
        options: PgConnectOptions,
        report: ServerReport,
        port: u16,
        place: &Place,
    ) -> Result<Self, Error> {
        let version = report.version.split('.').next().and_then(|major| major.parse().ok()).unwrap_or(0);
        let spares = Spares::start(options.clone(), version);
        let mut server = Self {
            instance,
            spec,
            deadline: place.deadline,
            admin,
            options,
            report,
            port,
            ca: place.ca.clone(),
            version,
            spares,
            databases: BTreeMap::new(),
            revoked: BTreeMap::new(),
        };
        server.run(sql::CLOSE_MAINTENANCE.into(), || "close the maintenance databases".into()).await?;
        Ok(server)
    }

    /// Sees that the administrator's connection answers, or makes another: the server may have ended it, or have been
    /// started again. Nothing is repeated: what was under way when it broke has failed.
    pub(super) async fn revive(&mut self) -> Result<(), Error> {
        if !matches!(tokio::time::timeout(ALIVE_DEADLINE, self.admin.ping()).await, Ok(Ok(()))) {
            self.admin = clients::postgres::open(&self.options).await?;
        }
        Ok(())
    }

    /// Sees what became of databases whose making failed, perhaps without a word from the server: spare ones are what
    /// they were when that was rolled back, and else it was done and is to be undone.
    async fn settle(&mut self, plans: &[Plan<'_>], spares: Vec<String>) -> Result<(), Error> {
        self.revive().await?;
        for (plan, spare) in plans.iter().zip(spares) {
            let asked = sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)");
            let asked = asked.bind(&spare).fetch_one(&mut self.admin);
            let failed = |error: Cause| Error::serve(Service::Postgres, "look for a spare database")(error);
            let there = tokio::time::timeout(COMMAND_DEADLINE, asked).await;
            if there.map_err(|late| failed(late.into()))?.map_err(|error| failed(error.into()))? {
                self.spares.give_back(spare);
            } else {
                self.databases.insert(plan.database.to_owned(), plan.roles.iter().cloned().collect());
            }
        }
        Ok(())
    }

    pub(super) async fn run(&mut self, sql: String, doing: impl Fn() -> String) -> Result<(), Error> {
        run(&mut self.admin, sql, doing).await
    }

    /// Runs statements inside another database.
    async fn run_in(&self, database: &str, sql: String, doing: impl Fn() -> String) -> Result<(), Error> {
        let mut connection = clients::postgres::open(&self.options.clone().database(database)).await?;
        let done = run(&mut connection, sql, doing).await;
        // Waiting for the end matters: the backend would be in the way of whoever drops the database next.
        let _closed = connection.close().await;
        done
    }

    /// Makes roles and databases in one transaction, then what can only be said inside each database.
    async fn make(&mut self, slices: &[Slice<'_>]) -> Result<(), Error> {
        let plans = plans(slices)?;
        let mut spares = Vec::with_capacity(plans.len());
        for _ in &plans {
            spares.push(self.spares.take(&mut self.admin).await?);
        }
        let mut statements: Vec<_> =
            slices.iter().map(|slice| sql::create_role(&slice.role, &slice.password)).collect();
        statements.extend(
            plans
                .iter()
                .zip(&spares)
                .map(|(plan, spare)| sql::take_over(spare, plan.database, &plan.holders())),
        );
        let tenants = plans.iter().map(Plan::tenants).collect::<Vec<_>>().join(" and ");
        if let Err(error) = self.run(statements.join("; "), || format!("make {tenants}")).await {
            if let Err(left) = self.settle(&plans, spares).await {
                tracing::warn!("after a failed provision: {}", left.chain());
            }
            return Err(error);
        }
        for plan in &plans {
            self.databases.insert(plan.database.to_owned(), plan.roles.iter().cloned().collect());
        }
        for plan in &plans {
            if let Some(inside) = plan.inside(self.version) {
                self.run_in(plan.database, inside, || format!("set up {}", plan.tenants())).await?;
            }
        }
        Ok(())
    }

    /// Refuses names that the server would cut, and slices that exist.
    fn check(&self, tenants: &[Tenant]) -> Result<(), Error> {
        for tenant in tenants {
            let slice = &tenant.slices.postgres;
            let refused = |why: &str| {
                let doing = format!("make the slice {slice} for tenant `{}`", tenant.name);
                Err(Error::serve(Service::Postgres, doing)(why.to_owned()))
            };
            let names = [Some(slice.database.as_str()), slice.schema.as_deref()];
            if names.into_iter().flatten().any(|name| name.len() > sql::LONGEST_NAME || name.contains('\0')) {
                return refused("PostgreSQL's names have at most 63 bytes and no NUL");
            }
            if self.databases.contains_key(&slice.database) {
                return refused("it exists already");
            }
        }
        Ok(())
    }

    async fn unmake(&mut self, tenants: &[Tenant]) -> Result<(), Error> {
        self.revive().await?;
        for tenant in tenants {
            let (database, role) = (tenant.slices.postgres.database.as_str(), sql::role(tenant));
            let doing = || format!("remove the slice {} of tenant `{}`", tenant.slices.postgres, tenant.name);
            if let Some(roles) = self.databases.get(database) {
                let gone: BTreeSet<_> = tenants
                    .iter()
                    .filter(|other| other.slices.postgres.database == database)
                    .map(sql::role)
                    .collect();
                if roles.is_subset(&gone) {
                    self.run(sql::drop_database(database), doing).await?;
                    self.databases.remove(database);
                } else if roles.contains(&role) {
                    self.run_in(database, sql::drop_owned(&role), doing).await?;
                    if let Some(roles) = self.databases.get_mut(database) {
                        roles.remove(&role);
                    }
                }
            }
            self.run(sql::drop_role(&role), doing).await?;
        }
        Ok(())
    }
}

/// One database that is about to exist.
pub(super) struct Plan<'a> {
    pub(super) database: &'a str,
    slices: Vec<&'a Slice<'a>>,
    roles: Vec<String>,
}

/// One plan for each database that the slices name.
pub(super) fn plans<'a>(slices: &'a [Slice<'a>]) -> Result<Vec<Plan<'a>>, Error> {
    let mut plans: BTreeMap<&str, Plan<'_>> = BTreeMap::new();
    for slice in slices {
        let database = slice.tenant.slices.postgres.database.as_str();
        let plan = plans.entry(database).or_insert(Plan { database, slices: Vec::new(), roles: Vec::new() });
        plan.slices.push(slice);
        plan.roles.push(slice.role.clone());
    }
    for plan in plans.values() {
        if plan.slices.len() > 1 && plan.schemas().count() < plan.slices.len() {
            let why = "several tenants share it and not every one of them names a schema";
            return Err(Error::serve(Service::Postgres, format!("make {}", plan.tenants()))(why));
        }
    }
    Ok(plans.into_values().collect())
}

impl Plan<'_> {
    /// "database `enginedb` for tenant `engine`"
    fn tenants(&self) -> String {
        let names =
            self.slices.iter().map(|slice| slice.tenant.name.as_str()).collect::<Vec<_>>().join("`, `");
        format!("database `{}` for tenant `{names}`", self.database)
    }

    fn schemas(&self) -> impl Iterator<Item = (&str, &str)> {
        self.slices.iter().filter_map(|slice| {
            let schema = slice.tenant.slices.postgres.schema.as_deref()?;
            Some((schema, slice.role.as_str()))
        })
    }

    pub(super) fn holders(&self) -> sql::Holders<'_> {
        match self.roles.as_slice() {
            [only] if self.schemas().next().is_none() => sql::Holders::Owner(only),
            roles => sql::Holders::Guests(roles),
        }
    }

    /// What remains to be said inside the database, if anything.
    pub(super) fn inside(&self, version: u32) -> Option<String> {
        let schemas: Vec<_> =
            self.schemas().map(|(schema, role)| sql::create_schema(schema, role, self.database)).collect();
        match schemas.as_slice() {
            [] if version >= 15 => None,
            [] => Some(sql::CLOSE_PUBLIC.to_owned()),
            schemas => Some(format!("{}; {}", sql::EMPTY_PUBLIC, schemas.join("; "))),
        }
    }
}

/// Waits until the server lets its administrator in.
pub(super) async fn ready(
    instance: &mut Instance,
    deadline: Duration,
    options: &PgConnectOptions,
) -> Result<PgConnection, Error> {
    ready::until(Service::Postgres, instance, deadline, || async {
        clients::postgres::open(options).await.map_err(|error| error.to_string())
    })
    .await
}

/// Runs statements as one implicit transaction, where they allow that, under the deadline.
pub(super) async fn run(
    connection: &mut PgConnection,
    sql: String,
    doing: impl Fn() -> String,
) -> Result<(), Error> {
    let running = sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection);
    match tokio::time::timeout(COMMAND_DEADLINE, running).await {
        Ok(done) => done.map(|_| ()).map_err(Error::serve(Service::Postgres, doing())),
        Err(late) => Err(Error::serve(Service::Postgres, doing())(late)),
    }
}

#[async_trait]
impl Running for Server {
    fn report(&self) -> ServerReport {
        self.report.clone()
    }

    /// PostgreSQL has no convention: every tenant has a role of its own either way, as on Neon.
    async fn provision(&mut self, tenants: &[Tenant], _promised: Enforcement) -> Result<Vec<Access>, Error> {
        self.check(tenants)?;
        self.revive().await?;
        let slices: Vec<_> = tenants
            .iter()
            .map(|tenant| Slice { tenant, role: sql::role(tenant), password: password::random() })
            .collect();
        if let Err(error) = self.make(&slices).await {
            if let Err(left) = self.unmake(tenants).await {
                tracing::warn!("after a failed provision: {}", left.chain());
            }
            return Err(error);
        }
        Ok(slices.into_iter().map(|slice| slice.url(self.port, Some(&self.ca))).collect())
    }

    async fn remove(&mut self, tenants: &[Tenant]) -> Result<(), Error> {
        self.unmake(tenants).await
    }

    async fn inflict(&mut self, fault: ServiceFault, tenant: &Tenant, begins: bool) -> Result<u64, Error> {
        self.befall(fault, tenant, begins).await
    }

    async fn pause(&mut self, paused: bool) -> Result<(), Error> {
        let failed = Error::serve(Service::Postgres, "pause the server, or let it go on");
        self.instance.pause(paused).await.map_err(failed)
    }

    async fn halt(&mut self, in_good_order: bool) -> Result<(), Error> {
        if in_good_order {
            // Fast shutdown: clients are told, and a checkpoint is written.
            self.instance.stop(Signal::SIGINT, HALT).await;
            return Ok(());
        }
        self.instance.kill().await.map_err(Error::serve(Service::Postgres, "kill the server"))
    }

    async fn start_again(&mut self) -> Result<(), Error> {
        self.spec.start_again(&mut self.instance).await?;
        self.admin = ready(&mut self.instance, self.deadline, &self.options).await?;
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
        self.instance.discard(Signal::SIGQUIT).await;
    }
}
