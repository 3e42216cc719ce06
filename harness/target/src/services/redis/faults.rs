//! What befalls a tenant's connections and writes though the server is well: done by the administrator.

use bulkhead_model::{Service, Tenant};
use redis::{RedisError, cmd};

use super::{
    acl,
    server::{Login, Revoked, Server},
};
use crate::{Error, ServiceFault};

/// What the server calls a command that it refuses for want of memory.
const FULL: &str = "OOM";

/// What it calls a login that it refuses.
const WRONG: &str = "WRONGPASS";

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
            (ServiceFault::RevokedPassword, true) => self.revoke(tenant).await,
            (ServiceFault::RevokedPassword, false) => self.give_back(tenant).await,
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

    /// Gives the tenant's login another password, which nobody is told, and ends its connections: how many. By convention
    /// the password is that of all tenants of a topology.
    async fn revoke(&mut self, tenant: &Tenant) -> Result<u64, RedisError> {
        let prefix = tenant.slices.redis.prefix.clone();
        if !self.revoked.contains_key(&prefix)
            && let Some(old) = self.logins.get(&prefix).cloned()
        {
            let new = old.with_another_password();
            let refused = self.refusals(WRONG).await?;
            self.revoked.insert(prefix, Revoked { old: old.clone(), new: new.clone(), refused });
            self.exchange(&old, &new).await?;
        }
        self.terminate(tenant).await
    }

    /// Gives the login the password back that was taken from it, if one was, and says how many logins were refused meanwhile.
    async fn give_back(&mut self, tenant: &Tenant) -> Result<u64, RedisError> {
        let prefix = &tenant.slices.redis.prefix;
        let Some(Revoked { old, new, refused }) = self.revoked.get(prefix).cloned() else { return Ok(0) };
        self.exchange(&new, &old).await?;
        self.revoked.remove(prefix);
        Ok(self.refusals(WRONG).await?.saturating_sub(refused))
    }

    /// Has the server know a login as it is to be from now on, which a restart does not change.
    async fn exchange(&mut self, from: &Login, to: &Login) -> Result<(), RedisError> {
        let mut set = cmd("ACL");
        set.arg("SETUSER");
        match to {
            Login::Own(user, rules) => {
                set.arg(user).arg(rules);
            }
            Login::Shared(password) => {
                set.arg(acl::DEFAULT).arg(acl::digest(password));
                if let Login::Shared(old) = from {
                    set.arg(acl::undigest(old));
                }
            }
        }
        self.run(&set).await?;
        self.logins.values_mut().filter(|login| *login == from).for_each(|login| login.clone_from(to));
        Ok(())
    }

    /// Sets the limit below what the server itself needs: it evicts what the policy says and refuses what would take memory.
    async fn fill(&mut self, policy: &str) -> Result<(), RedisError> {
        self.refused = self.refusals(FULL).await?;
        self.limit("1", policy).await
    }

    /// Takes the limit away, as the server was started, and says how many commands met it.
    async fn empty(&mut self) -> Result<u64, RedisError> {
        self.limit("0", "noeviction").await?;
        Ok(self.refusals(FULL).await?.saturating_sub(self.refused))
    }

    async fn limit(&mut self, bytes: &str, policy: &str) -> Result<(), RedisError> {
        let mut set = cmd("CONFIG");
        set.arg("SET").arg("maxmemory").arg(bytes).arg("maxmemory-policy").arg(policy);
        self.run(&set).await
    }

    /// How many errors of this name the server has given: it counts them by their first word.
    async fn refusals(&mut self, word: &str) -> Result<u64, RedisError> {
        let stats: String = cmd("INFO").arg("errorstats").query_async(&mut self.admin).await?;
        let counter = format!("errorstat_{word}:count=");
        let count = stats.lines().find_map(|line| line.strip_prefix(&*counter)?.trim().parse().ok());
        Ok(count.unwrap_or(0))
    }
}
