//! What befalls a tenant's connections and writes though the server is well: done by the administrator.

use bulkhead_model::{Service, Tenant};
use redis::{RedisError, cmd};

use super::server::{Login, Server};
use crate::{Error, ServiceFault};

/// The server counts the errors that it gave by their first word.
const REFUSED: &str = "errorstat_OOM:count=";

impl Server {
    /// Begins a fault or undoes it; it touches the connections that it ends, and the commands that are refused.
    pub(super) async fn befall(
        &mut self,
        fault: ServiceFault,
        tenant: &Tenant,
        begins: bool,
    ) -> Result<u64, Error> {
        self.revive().await?;
        let done = match (fault, begins) {
            (ServiceFault::Terminate, true) => self.terminate(tenant).await,
            (ServiceFault::OutOfMemory, true) => self.fill("noeviction").await.map(|()| 0),
            (ServiceFault::Evict, true) => self.fill("allkeys-random").await.map(|()| 0),
            (ServiceFault::OutOfMemory | ServiceFault::Evict, false) => self.empty().await,
            _ => Ok(0),
        };
        let doing = format!("begin or undo {fault:?} for tenant `{}`", tenant.name);
        done.map_err(Error::serve(Service::Redis, doing))
    }

    /// Ends every connection of the tenant's login, which by convention is everybody's, and says how many.
    async fn terminate(&mut self, tenant: &Tenant) -> Result<u64, RedisError> {
        match self.logins.get(&tenant.slices.redis.prefix).cloned() {
            Some(Login::Own(user, _)) => {
                cmd("CLIENT").arg("KILL").arg("USER").arg(user).query_async(&mut self.admin).await
            }
            Some(Login::Shared(_)) => self.end_shared().await,
            None => Ok(0),
        }
    }

    /// Sets the limit below what the server itself needs: it evicts what the policy says and refuses what would take memory.
    async fn fill(&mut self, policy: &str) -> Result<(), RedisError> {
        self.refused = self.refusals().await?;
        self.limit("1", policy).await
    }

    /// Takes the limit away, as the server was started, and says how many commands met it.
    async fn empty(&mut self) -> Result<u64, RedisError> {
        self.limit("0", "noeviction").await?;
        Ok(self.refusals().await?.saturating_sub(self.refused))
    }

    async fn limit(&mut self, bytes: &str, policy: &str) -> Result<(), RedisError> {
        let mut set = cmd("CONFIG");
        set.arg("SET").arg("maxmemory").arg(bytes).arg("maxmemory-policy").arg(policy);
        self.run(&set).await
    }

    async fn refusals(&mut self) -> Result<u64, RedisError> {
        let stats: String = cmd("INFO").arg("errorstats").query_async(&mut self.admin).await?;
        let count = stats.lines().find_map(|line| line.strip_prefix(REFUSED)?.trim().parse().ok());
        Ok(count.unwrap_or(0))
    }
}
