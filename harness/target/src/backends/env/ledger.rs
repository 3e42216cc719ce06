//! A tenant's schemas, which are the record on the server of what a run may have left anywhere, and the lock that tells
//! whether the run still lasts.

use bulkhead_model::{Service, TenantName};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::{
    sync::{Mutex, MutexGuard},
    time::timeout,
};

use super::space::{RunId, Space};
use crate::{
    Error, TenantAccess,
    clients::{self, COMMAND_DEADLINE},
};

/// A tenant's database, in which its records are kept.
pub(super) struct Ledger {
    access: TenantAccess,
    /// The run whose lock a connection takes anew when the one before it was lost.
    run: Option<RunId>,
    connection: Mutex<Option<PgConnection>>,
}

impl Ledger {
    /// A ledger whose connection holds the lock of `run`.
    pub(super) fn new(access: TenantAccess, run: Option<RunId>) -> Self {
        Self { access, run, connection: Mutex::new(None) }
    }

    /// The tenant.
    pub(super) fn tenant(&self) -> &TenantName {
        &self.access.tenant.name
    }

    /// What the server says it is.
    ///
    /// # Errors
    /// When it does not answer.
    pub(super) async fn version(&self) -> Result<String, Error> {
        let mut held = self.open().await?;
        clients::postgres::server_version(connection(&mut held)?).await
    }

    /// Whether the role may make schemas.
    ///
    /// # Errors
    /// When the server does not answer.
    pub(super) async fn may_make(&self) -> Result<bool, Error> {
        let sql = "SELECT has_database_privilege(current_database(), 'CREATE')";
        self.scalar(sql, "ask whether schemas may be made").await
    }

    /// Makes the case's schema.
    ///
    /// # Errors
    /// When the server refuses, as it does where such a schema is there already.
    pub(super) async fn enter(&self, space: &Space) -> Result<(), Error> {
        let schema = space.schema(self.tenant());
        self.run(&format!("CREATE SCHEMA \"{schema}\""), &format!("make schema `{schema}`")).await
    }

    /// Removes the case's schema and everything in it, where it is.
    ///
    /// # Errors
    /// When the server refuses.
    pub(super) async fn strike(&self, space: &Space) -> Result<(), Error> {
        let schema = space.schema(self.tenant());
        let sql = format!("DROP SCHEMA IF EXISTS \"{schema}\" CASCADE");
        self.run(&sql, &format!("remove schema `{schema}`")).await
    }

    /// The cases of all runs whose schemas of this tenant are there and belong to its role.
    ///
    /// # Errors
    /// When the server does not answer.
    pub(super) async fn entries(&self) -> Result<Vec<Space>, Error> {
        let sql = "SELECT nspname::text FROM pg_namespace WHERE pg_has_role(nspowner, 'USAGE') ORDER BY 1";
        let mut held = self.open().await?;
        let names = sqlx::query_scalar::<_, String>(sql).fetch_all(connection(&mut held)?);
        let names = bounded("list schemas", names).await?;
        Ok(names.iter().filter_map(|name| Space::of_schema(name, self.tenant())).collect())
    }

    /// Takes the lock of a run that is over; false while the run lasts. It is held as long as this connection.
    ///
    /// # Errors
    /// When the server does not answer.
    pub(super) async fn take_over(&self, run: &RunId) -> Result<bool, Error> {
        self.scalar(&self.lock(run), &format!("take the lock of run {run}")).await
    }

    /// Says farewell, which frees the lock.
    pub(super) async fn close(&self) {
        if let Some(connection) = self.connection.lock().await.take() {
            // The server frees everything when the socket closes, whatever it makes of the farewell.
            let _farewell = timeout(COMMAND_DEADLINE, connection.close()).await;
        }
    }

    /// The statement that takes a run's lock where it is free. It is the tenant's own, since two may share a database;
    /// neither an id nor a tenant's name holds anything that SQL would read otherwise.
    fn lock(&self, run: &RunId) -> String {
        let tenant = self.tenant();
        format!("SELECT pg_try_advisory_lock(hashtextextended('bulkhead run {run} of {tenant}', 0))")
    }

    async fn scalar(&self, sql: &str, doing: &str) -> Result<bool, Error> {
        let mut held = self.open().await?;
        let asked = sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_one(connection(&mut held)?);
        bounded(doing, asked).await
    }

    async fn run(&self, sql: &str, doing: &str) -> Result<(), Error> {
        let mut held = self.open().await?;
        let done = sqlx::query(AssertSqlSafe(sql.to_owned())).execute(connection(&mut held)?);
        bounded(doing, done).await.map(drop)
    }

    /// The connection, made anew where there is none or where it has ended: a service that suspends ends idle ones.
    async fn open(&self) -> Result<MutexGuard<'_, Option<PgConnection>>, Error> {
        let mut held = self.connection.lock().await;
        if let Some(connection) = held.as_mut()
            && !matches!(timeout(clients::ALIVE_DEADLINE, connection.ping()).await, Ok(Ok(())))
        {
            *held = None;
        }
        if held.is_none() {
            let mut fresh = clients::postgres::connect(&self.access).await?;
            if let Some(run) = &self.run {
                let locked =
                    sqlx::query_scalar::<_, bool>(AssertSqlSafe(self.lock(run))).fetch_one(&mut fresh);
                bounded("take the run's lock", locked).await?;
            }
            *held = Some(fresh);
        }
        Ok(held)
    }
}

fn connection<'c>(held: &'c mut MutexGuard<'_, Option<PgConnection>>) -> Result<&'c mut PgConnection, Error> {
    held.as_mut().ok_or_else(|| Error::serve(Service::Postgres, "connect")("there is no connection"))
}

async fn bounded<T>(doing: &str, asked: impl Future<Output = sqlx::Result<T>>) -> Result<T, Error> {
    match timeout(COMMAND_DEADLINE, asked).await {
        Ok(answer) => answer.map_err(Error::serve(Service::Postgres, doing)),
        Err(late) => {
            Err(Error::serve(Service::Postgres, format!("{doing} within {COMMAND_DEADLINE:?}"))(late))
        }
    }
}
