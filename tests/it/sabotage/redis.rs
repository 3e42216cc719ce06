//! What somebody with the tenant's login does to its keys behind a workload's back.

use std::collections::HashSet;

use bulkhead_target::{TenantAccess, clients};
use futures::StreamExt;
use redis::{AsyncCommands, aio::MultiplexedConnection};

use super::fails;

/// Sends this on the workload's channel until somebody has heard it, in one of its subscribers' place.
async fn send(access: TenantAccess, message: &str) {
    let mut connection = clients::redis::connect(&access).await.unwrap();
    let channel = access.tenant.slices.redis.key("bulkhead:news");
    while connection.publish::<_, _, u64>(&channel, message).await.unwrap() == 0 {}
}

#[tokio::test]
async fn a_neighbours_message_is_foreign() {
    let sabotage = |access| send(access, "plane.1.1 ");
    fails("redis.pub-sub", "nothing-foreign", "`plane.1.1` first, plane's", sabotage).await;
}

/// Sends every message that it hears once more.
async fn repeat(access: TenantAccess) {
    let channel = access.tenant.slices.redis.key("bulkhead:news");
    let mut connection = clients::redis::connect(&access).await.unwrap();
    let mut subscriber = clients::redis::subscriber(&access).await.unwrap();
    subscriber.subscribe(&channel).await.unwrap();
    let (mut messages, mut known) = (subscriber.on_message(), HashSet::new());
    while let Some(message) = messages.next().await {
        let message: String = message.get_payload().unwrap();
        if known.insert(message.clone()) {
            let _: u64 = connection.publish(&channel, message).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_message_that_comes_twice_is_told() {
    fails("redis.pub-sub", "nothing-missed", "were heard more than once", repeat).await;
}

/// Every key that is there of those that begin so.
async fn keys(connection: &mut MultiplexedConnection, beginning: &str) -> Vec<String> {
    redis::cmd("KEYS").arg(format!("{beginning}*")).query_async(connection).await.unwrap()
}

/// Takes every time to live away, as a careless SET of another client would.
async fn persist(access: TenantAccess, kind: &str) {
    let mut connection = clients::redis::connect(&access).await.unwrap();
    loop {
        for key in keys(&mut connection, &access.tenant.slices.redis.key(kind)).await {
            let _: bool = connection.persist(&key).await.unwrap();
        }
    }
}

#[tokio::test]
async fn an_entry_that_is_kept_lives_on_too_long() {
    let sabotage = |access| persist(access, "bulkhead:cache:");
    fails("redis.query-cache", "within-ttl: 50ms", "it lives on too long", sabotage).await;
}

/// Puts a neighbour's value under every key that it sees, for as long as what was there has to live.
async fn mix_up(access: TenantAccess, kind: &str) {
    let mut connection = clients::redis::connect(&access).await.unwrap();
    loop {
        for key in keys(&mut connection, &access.tenant.slices.redis.key(kind)).await {
            let mut set = redis::cmd("SET");
            set.arg(&key).arg("plane.1.1").arg("XX").arg("KEEPTTL");
            set.query_async::<()>(&mut connection).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_neighbours_session_is_foreign() {
    let sabotage = |access| mix_up(access, "bulkhead:session:");
    fails("redis.sessions", "nothing-foreign", "`plane.1.1` first, plane's", sabotage).await;
}

#[tokio::test]
async fn a_neighbours_entry_is_foreign_and_was_never_put_there() {
    let sabotage = |access| mix_up(access, "bulkhead:cache:");
    fails("redis.query-cache", "nothing-foreign", "`plane.1.1` first, plane's", sabotage).await;
    let sabotage = |access| mix_up(access, "bulkhead:cache:");
    fails("redis.query-cache", "within-ttl: 50ms", "which nobody put anywhere", sabotage).await;
}

/// One entry that outlives the case unless it is invalidated.
const LONG: &str = "{ redis.query-cache: { entries: 1, ttl: 1min } }";

/// Puts back what it saw of the entry as soon as it is gone, as a replica that lags would show it.
async fn put_back(access: TenantAccess) {
    let mut connection = clients::redis::connect(&access).await.unwrap();
    let key = access.tenant.slices.redis.key("bulkhead:cache:1");
    let mut seen: Option<String> = None;
    loop {
        match (connection.get::<_, Option<String>>(&key).await.unwrap(), &seen) {
            (None, Some(old)) => {
                let mut set = redis::cmd("SET");
                set.arg(&key).arg(old).arg("NX").query_async::<()>(&mut connection).await.unwrap();
            }
            (None, None) => {}
            (found, _) => seen = found,
        }
    }
}

#[tokio::test]
async fn an_invalidated_entry_that_comes_back_is_stale() {
    fails(LONG, "within-ttl: 50ms", " took away by ", put_back).await;
}
