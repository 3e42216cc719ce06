//! What somebody with the tenant's login does to its keys behind a workload's back.

use bulkhead_target::{Cause, TenantAccess, clients};
use redis::{AsyncCommands, aio::MultiplexedConnection};
use tokio::time::sleep;

use super::{LOOKS, PLAIN, Sabotage};
use crate::workload::Flaw;

/// Ten times what the limit lets through.
const LIMITED: &str = "{ redis.rate-limit: { limit: 20, rate: 200/s } }";

pub(super) static EVICTION: Sabotage = Sabotage {
    name: "eviction",
    breaks: "Redis evicts keys for want of memory, a limiter's counter among them.",
    workload: LIMITED,
    // One of them is in the middle of a window, whose counter is used up by then, however slow the machine.
    extra: "evict: { service: redis, at: 300ms, for: 50ms }, evict: { service: redis, at: 650ms, for: 50ms }, \
            evict: { service: redis, at: 1s, for: 50ms }",
    expect: "within-limit",
    says: "admitted more than their limit",
    ..PLAIN
};

pub(super) static LIMIT_IN_TWO_STEPS: Sabotage = Sabotage {
    name: "limit-in-two-steps",
    breaks: "A limiter gets its counter and sets it afterwards, where it should count in one step.",
    workload: LIMITED,
    expect: "within-limit",
    says: "admitted more than their limit",
    flaw: Some(Flaw::TwoSteps),
    ..PLAIN
};

pub(super) static NEIGHBOURS_ENTRY: Sabotage = Sabotage {
    name: "neighbours-entry",
    breaks: "A cache answers one tenant with what is another's.",
    workload: "redis.query-cache",
    expect: "nothing-foreign",
    says: "`plane.1.1` first, plane's",
    begin: |access| Ok(Box::pin(mix_up(access.clone()))),
    ..PLAIN
};

pub(super) static KEPT_SESSIONS: Sabotage = Sabotage {
    name: "kept-sessions",
    breaks: "Sessions lose their time to live, as by a careless SET of another client.",
    workload: "redis.sessions",
    expect: "within-ttl: 50ms",
    says: "it lives on too long",
    begin: |access| Ok(Box::pin(persist(access.clone()))),
    ..PLAIN
};

pub(super) static DELETED_SESSIONS: Sabotage = Sabotage {
    name: "deleted-sessions",
    breaks: "Sessions are deleted before their time.",
    workload: "redis.sessions",
    expect: "within-ttl: 50ms",
    says: "it is gone too early",
    begin: |access| Ok(Box::pin(log_out(access.clone()))),
    ..PLAIN
};

pub(super) static FLUSHED_SESSIONS: Sabotage = Sabotage {
    name: "flushed-sessions",
    breaks: "A neighbour empties the database in which a convention keeps tenants apart.",
    workload: "{ redis.sessions: { rate: 200/s, ttl: 600ms } }",
    extra: "flush: { service: redis, at: 600ms, for: 100ms }, flush: { service: redis, at: 1s, for: 100ms }",
    expect: "within-ttl: 50ms",
    says: "it is gone too early",
    ..PLAIN
};

pub(super) static SHARED_LINK: Sabotage = Sabotage {
    name: "shared-link",
    breaks: "When a neighbour's link breaks the tenant's breaks with it, as where both go over one gateway.",
    workload: "{ redis.query-cache: { clients: 2, rate: 90/s } }",
    run_for: "3s",
    fault: "down: { service: redis, at: 1500ms, for: 1s, tenants: neighbour }",
    extra: "down: { service: redis, at: 1500ms, for: 1s }",
    expect: "unhindered",
    says: "operations of the neighbour's trouble's time did not succeed",
    ..PLAIN
};

pub(super) static NOBODYS_MESSAGE: Sabotage = Sabotage {
    name: "nobodys-message",
    breaks: "Subscribers hear a message that nobody of them sent.",
    workload: "redis.pub-sub",
    expect: "nothing-missed",
    says: "were heard that nobody sent",
    begin: |access| Ok(Box::pin(send(access.clone()))),
    ..PLAIN
};

/// Every key that is there of those that begin so.
async fn keys(connection: &mut MultiplexedConnection, beginning: &str) -> Result<Vec<String>, Cause> {
    sleep(LOOKS).await;
    Ok(redis::cmd("KEYS").arg(format!("{beginning}*")).query_async(connection).await?)
}

/// Puts a neighbour's value under every key that it sees, for as long as what was there has to live.
async fn mix_up(access: TenantAccess) -> Result<(), Cause> {
    let mut connection = clients::redis::connect(&access).await?;
    loop {
        for key in keys(&mut connection, &access.tenant.slices.redis.key("bulkhead:cache:")).await? {
            let mut set = redis::cmd("SET");
            set.arg(&key).arg("plane.1.1").arg("XX").arg("KEEPTTL");
            set.query_async::<()>(&mut connection).await?;
        }
    }
}

/// Takes every session's time to live away.
async fn persist(access: TenantAccess) -> Result<(), Cause> {
    let mut connection = clients::redis::connect(&access).await?;
    loop {
        for key in keys(&mut connection, &access.tenant.slices.redis.key("bulkhead:session:")).await? {
            let _: bool = connection.persist(&key).await?;
        }
    }
}

/// Deletes every session that it sees.
async fn log_out(access: TenantAccess) -> Result<(), Cause> {
    let mut connection = clients::redis::connect(&access).await?;
    loop {
        for key in keys(&mut connection, &access.tenant.slices.redis.key("bulkhead:session:")).await? {
            let _: () = connection.del(&key).await?;
        }
    }
}

/// Sends a message on the workload's channel until somebody has heard it.
async fn send(access: TenantAccess) -> Result<(), Cause> {
    let mut connection = clients::redis::connect(&access).await?;
    let channel = access.tenant.slices.redis.key("bulkhead:news");
    while connection.publish::<_, _, u64>(&channel, "engine.9.9 ").await? == 0 {
        sleep(LOOKS).await;
    }
    Ok(())
}
