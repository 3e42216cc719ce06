//! A look at every name that a case's tenants left on a service which is kept apart by convention only.
//!
//! The servers are common to many cases; what makes the claim sound is the scope that each case's slices bear. Where they
//! bear none nothing is claimed. A shared login does not tell who wrote a name: of several tenants that worked in a case,
//! one in the neighbour's slice counts as inside; where one worked alone it counts as outside.
//!
//! Redis and S3 list names to whoever holds the shared login. AMQP lists none to anybody, so RabbitMQ's administrator is
//! asked, where there is one: on stand-ins. PostgreSQL has no convention, since each tenant has a role of its own there.

use std::collections::{BTreeMap, BTreeSet};

use bulkhead_model::{AuditRecord, Enforcement, Service, Slices, Topology};
use bulkhead_target::{Error, Target, TenantAccess, clients};
use redis::aio::MultiplexedConnection;

mod meanwhile;

pub use meanwhile::{KEYS, Marks, Watch, is_due, places};
pub(crate) use meanwhile::{LOOKED, NAMES, READ, STEPS};

/// How many keys one step of the scan looks at.
const STEP: usize = 1000;

/// Looks at the names of this case on the service; none where the slices bear no scope or names are not listed. `layout`
/// holds the tenants' slices as they were before they were scoped, and `tenants` all that worked in the case.
///
/// # Errors
/// When the server does not let a tenant, or its administrator, look.
pub async fn look(
    target: &dyn Target,
    service: Service,
    tenants: &[TenantAccess],
    layout: &Topology,
) -> Result<Option<AuditRecord>, Error> {
    let found = match service {
        Service::Redis => redis(tenants, layout).await?,
        Service::Rabbitmq => rabbitmq(target, tenants, layout).await?,
        Service::S3 => s3(tenants, layout).await?,
        Service::Postgres => None,
    };
    Ok(found.map(|Found { names, mut outside }| {
        outside.truncate(AuditRecord::SHOWN);
        let by = tenants.iter().map(|access| access.tenant.name.clone()).collect();
        AuditRecord { service, by, names, outside }
    }))
}

/// Looks at every name on a service of servers that were there for this tenant alone, and says which lie outside its slice;
/// none where the server itself refuses that, or names are not listed.
///
/// # Errors
/// When the server does not let the tenant look.
pub async fn look_everywhere(
    service: Service,
    access: &TenantAccess,
    layout: &Topology,
) -> Result<Option<AuditRecord>, Error> {
    if layout.enforcement(service) == Enforcement::Enforced {
        return Ok(None);
    }
    let slices = &access.tenant.slices;
    let (names, outside): (Vec<String>, Vec<String>) = match service {
        Service::Redis => {
            let keys = keys(access, "").await?;
            keys.into_iter().partition(|key| key.starts_with(&slices.redis.prefix))
        }
        Service::S3 => {
            let client = clients::s3::client(access)?;
            let buckets: BTreeSet<_> = layout.tenants.iter().map(|tenant| &tenant.slices.s3.bucket).collect();
            let mut all = Vec::new();
            for bucket in buckets {
                all.extend(objects(&client, bucket).await?.into_iter().map(|key| (bucket, key)));
            }
            let prefix = slices.s3.prefix.as_deref().unwrap_or_default();
            let inside =
                |(bucket, key): &(&String, String)| **bucket == slices.s3.bucket && key.starts_with(prefix);
            let (inside, outside): (Vec<_>, Vec<_>) = all.into_iter().partition(inside);
            let told = |(bucket, key): (&String, String)| format!("{bucket}/{key}");
            (inside.into_iter().map(told).collect(), outside.into_iter().map(told).collect())
        }
        Service::Postgres | Service::Rabbitmq => return Ok(None),
    };
    let by = vec![access.tenant.name.clone()];
    let names = names.len() + outside.len();
    let outside = outside.into_iter().take(AuditRecord::SHOWN).collect();
    Ok(Some(AuditRecord { service, by, names, outside }))
}

/// What there is, and what of it lies in nobody's slice.
#[derive(Default)]
struct Found {
    names: usize,
    outside: Vec<String>,
}

impl Found {
    /// Adds the names in a vhost or a bucket, of which those are inside that begin as some slice there does.
    fn add(&mut self, place: &str, names: Vec<String>, prefixes: &[&str]) {
        self.names += names.len();
        let outside =
            names.into_iter().filter(|name| !prefixes.iter().any(|prefix| name.starts_with(prefix)));
        self.outside.extend(outside.map(|name| format!("{place}/{name}")));
    }
}

async fn redis(tenants: &[TenantAccess], layout: &Topology) -> Result<Option<Found>, Error> {
    let Some(viewer) = tenants.first() else { return Ok(None) };
    let Some(scope) = scope(viewer, layout) else { return Ok(None) };
    let keys = keys(viewer, scope).await?;
    let inside =
        |key: &String| tenants.iter().any(|access| key.starts_with(&access.tenant.slices.redis.prefix));
    let names = keys.len();
    Ok(Some(Found { names, outside: keys.into_iter().filter(|key| !inside(key)).collect() }))
}

/// Every key that begins so.
async fn keys(viewer: &TenantAccess, scope: &str) -> Result<Vec<String>, Error> {
    let mut connection = clients::redis::connect(viewer).await?;
    let keys = scan(&mut connection, scope).await;
    keys.map_err(Error::serve(Service::Redis, format!("look at every key that begins with `{scope}`")))
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

/// Whether this part of every tenant's slices bears the case's own name, so that all in it is the case's.
fn all_renamed(tenants: &[TenantAccess], layout: &Topology, part: impl Fn(&Slices) -> &String) -> bool {
    tenants.iter().all(|access| {
        let before = layout.tenant(access.tenant.name.as_str());
        before.is_some_and(|before| part(&before.slices) != part(&access.tenant.slices))
    })
}

/// Every queue and exchange in the vhosts of the case. A vhost that is one tenant's alone holds nothing that is outside.
async fn rabbitmq(
    target: &dyn Target,
    tenants: &[TenantAccess],
    layout: &Topology,
) -> Result<Option<Found>, Error> {
    if !all_renamed(tenants, layout, |slices| &slices.rabbitmq.vhost) {
        return Ok(None);
    }
    let slices = || tenants.iter().map(|access| (&access.tenant.slices.rabbitmq, access));
    let (vhosts, mut found) = (
        slices().map(|(slice, access)| (&slice.vhost, access)).collect::<BTreeMap<_, _>>(),
        Found::default(),
    );
    for (vhost, access) in vhosts {
        let Some(names) = target.names(Service::Rabbitmq, &access.tenant).await? else { return Ok(None) };
        let here = slices().filter(|(slice, _)| slice.vhost == *vhost);
        let prefixes: Vec<_> = here.map(|(slice, _)| slice.queues.as_deref().unwrap_or_default()).collect();
        found.add(vhost, names, &prefixes);
    }
    Ok(Some(found))
}

/// Every object in the buckets of the case. A bucket that is one tenant's alone holds nothing that is outside.
async fn s3(tenants: &[TenantAccess], layout: &Topology) -> Result<Option<Found>, Error> {
    let Some(viewer) = tenants.first() else { return Ok(None) };
    if !all_renamed(tenants, layout, |slices| &slices.s3.bucket) {
        return Ok(None);
    }
    let client = clients::s3::client(viewer)?;
    let slices = || tenants.iter().map(|access| &access.tenant.slices.s3);
    let (buckets, mut found) =
        (slices().map(|slice| &slice.bucket).collect::<BTreeSet<_>>(), Found::default());
    for bucket in buckets {
        let here = slices().filter(|slice| slice.bucket == *bucket);
        let prefixes: Vec<_> = here.map(|slice| slice.prefix.as_deref().unwrap_or_default()).collect();
        found.add(bucket, objects(&client, bucket).await?, &prefixes);
    }
    Ok(Some(found))
}

/// The key of every object in a bucket.
async fn objects(client: &aws_sdk_s3::Client, bucket: &str) -> Result<Vec<String>, Error> {
    let mut pages = client.list_objects_v2().bucket(bucket).into_paginator().send();
    let mut keys = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.map_err(Error::serve(Service::S3, format!("look at every object in `{bucket}`")))?;
        keys.extend(page.contents().iter().filter_map(|object| object.key()).map(str::to_owned));
    }
    Ok(keys)
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
