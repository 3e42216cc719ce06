//! What befalls a tenant's connections though the server is well: done by the administrator to the tenant's role, so that
//! nobody else meets it, in a shared database either.

use bulkhead_model::{Secret, Service, Tenant};
use tokio::time::timeout;

use super::{
    server::Server,
    sql::{self, quoted},
};
use crate::{Error, ServiceFault, clients::COMMAND_DEADLINE, error::Cause, services::password};

/// What the server keeps of a role's password: enough to check one and to give the same one back.
const VERIFIER: &str = "SELECT rolpassword FROM pg_authid WHERE rolname = $1";

/// The connections are found before one is ended: as two conditions of one `WHERE` the server may check them in either
/// order, and would end everybody's.
const TERMINATE: &str = "\
    WITH its AS MATERIALIZED (SELECT pid FROM pg_stat_activity WHERE usename = $1) \
    SELECT count(*) FILTER (WHERE pg_terminate_backend(pid)) FROM its";

impl Server {
    /// Begins a fault or undoes it; it touches the connections that it ends.
    pub(super) async fn befall(
        &mut self,
        fault: ServiceFault,
        tenant: &Tenant,
        begins: bool,
    ) -> Result<u64, Error> {
        self.revive().await?;
        let role = sql::role(tenant);
        let doing = || format!("begin or undo {fault:?} for tenant `{}`", tenant.name);
        match (fault, begins) {
            (ServiceFault::Terminate, true) => self.terminate(&role, doing()).await,
            (ServiceFault::Exhaust, begins) => {
                self.run(sql::limit_connections(&role, if begins { 0 } else { sql::CONNECTIONS }), doing)
                    .await?;
                // As when others of the tenant's took all of them: whoever had one has none any more.
                if begins { self.terminate(&role, doing()).await } else { Ok(0) }
            }
            (ServiceFault::ReadOnly, begins) => {
                let database = quoted(&tenant.slices.postgres.database);
                let what = if begins {
                    "SET default_transaction_read_only = on"
                } else {
                    "RESET default_transaction_read_only"
                };
                let sql = format!("ALTER ROLE {} IN DATABASE {database} {what}", quoted(&role));
                self.run(sql, doing).await?;
                // A connection keeps what it began with, so each ends, as with a primary that gives way to a standby.
                self.terminate(&role, doing()).await
            }
            (ServiceFault::RevokedPassword, true) => self.revoke(role, &doing).await,
            (ServiceFault::RevokedPassword, false) => self.give_back(&role, &doing).await.map(|()| 0),
            _ => Ok(0),
        }
    }

    /// Gives a role another password, which nobody is told, and ends its connections: how many.
    async fn revoke(&mut self, role: String, doing: &impl Fn() -> String) -> Result<u64, Error> {
        if !self.revoked.contains_key(&role) {
            let asked = sqlx::query_scalar(VERIFIER).bind(&role).fetch_one(&mut self.admin);
            let asking = async { Ok::<String, Cause>(timeout(COMMAND_DEADLINE, asked).await??) };
            let verifier = asking.await.map_err(Error::serve(Service::Postgres, doing()))?;
            self.revoked.insert(role.clone(), Secret::new(verifier));
        }
        self.run(sql::set_password(&role, &password::random()), doing).await?;
        self.terminate(&role, doing()).await
    }

    /// Gives a role the password back that was taken from it, if one was.
    async fn give_back(&mut self, role: &str, doing: &impl Fn() -> String) -> Result<(), Error> {
        if let Some(verifier) = self.revoked.get(role) {
            self.run(sql::set_password(role, verifier), doing).await?;
            self.revoked.remove(role);
        }
        Ok(())
    }

    /// Ends every connection of a role, each of which is told 57P01, and says how many.
    async fn terminate(&mut self, role: &str, doing: String) -> Result<u64, Error> {
        let ending = async {
            let ended = sqlx::query_scalar::<_, i64>(TERMINATE).bind(role).fetch_one(&mut self.admin);
            Ok::<_, Cause>(timeout(COMMAND_DEADLINE, ended).await??)
        };
        let ended = ending.await.map_err(Error::serve(Service::Postgres, doing))?;
        Ok(u64::try_from(ended).unwrap_or(0))
    }
}
