//! A look at every name that a case's tenants left on a service which is kept apart by convention only.
//!
//! The servers are common to many cases; what makes the claim sound is the scope that each case's key prefixes begin
//! with. Where slices have no scope of their own nothing is claimed. A shared login does not tell who wrote a key, so one
//! in the neighbour's prefix counts as inside.

use bulkhead_model::{AuditRecord, Service, Topology};
use bulkhead_target::{Error, TenantAccess, clients};
use redis::aio::MultiplexedConnection;

/// How many keys one step of the scan looks at.
const STEP: usize = 1000;

/// Looks at the keys of this case on Redis; none when the slices bear no scope. `layout` holds the tenants' prefixes as
/// they were before they were scoped.
///
/// # Errors
/// When the server does not let a tenant look.
pub async fn redis(tenants: &[TenantAccess], layout: &Topology) -> Result<Option<AuditRecord>, Error> {
    let Some(viewer) = tenants.first() else { return Ok(None) };
    let Some(scope) = scope(viewer, layout) else { return Ok(None) };
    let mut connection = clients::redis::connect(viewer).await?;
    let keys = scan(&mut connection, scope).await;
    let keys =
        keys.map_err(Error::serve(Service::Redis, format!("look at every key that begins with `{scope}`")))?;
    let inside =
        |key: &String| tenants.iter().any(|access| key.starts_with(&access.tenant.slices.redis.prefix));
    let outside = keys.iter().filter(|key| !inside(key)).take(AuditRecord::SHOWN).cloned().collect();
    Ok(Some(AuditRecord { service: Service::Redis, names: keys.len(), outside }))
}

/// What the case's prefixes begin with and the layout's do not.
fn scope<'a>(access: &'a TenantAccess, layout: &Topology) -> Option<&'a str> {
    let before = &layout.tenant(access.tenant.name.as_str())?.slices.redis.prefix;
    access.tenant.slices.redis.prefix.strip_suffix(before.as_str()).filter(|scope| !scope.is_empty())
}

async fn scan(connection: &mut MultiplexedConnection, scope: &str) -> redis::RedisResult<Vec<String>> {
    let mut cursor = String::from("0");
    let mut found = Vec::new();
    loop {
        // A scope holds letters, digits and a colon: nothing that a pattern would read otherwise.
        let mut step = redis::cmd("SCAN");
        step.arg(&cursor).arg("MATCH").arg(format!("{scope}*")).arg("COUNT").arg(STEP);
        let (next, keys): (String, Vec<Vec<u8>>) = step.query_async(connection).await?;
        found.extend(keys.iter().map(|key| String::from_utf8_lossy(key).into_owned()));
        if next == "0" {
            // A scan may return a key twice.
            found.sort();
            found.dedup();
            return Ok(found);
        }
        cursor = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::tenant;

    #[test]
    fn only_a_scoped_prefix_makes_a_claim() {
        let mut access = tenant("engine");
        let layout = Topology::builtin();
        assert_eq!(scope(&access, &layout), None);
        access.tenant.slices.redis.prefix = String::from("k7:engine:");
        assert_eq!(scope(&access, &layout), Some("k7:"));
        access.tenant.slices.redis.prefix = String::from("k7:other:");
        assert_eq!(scope(&access, &layout), None);
    }
}
