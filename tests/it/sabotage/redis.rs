//! What somebody with the tenant's login does to its keys behind a workload's back.

use bulkhead_target::{TenantAccess, clients};
use futures::StreamExt;
use redis::AsyncCommands;

use super::fails;

/// Ten times what the limit lets through.
pub(super) const LIMITED: &str = "{ redis.rate-limit: { limit: 20, rate: 200/s } }";

/// Takes a window's counter away whenever it is used up, as an eviction would.
async fn evict(access: TenantAccess) {
    let mut connection = clients::redis::connect(&access).await.unwrap();
    loop {
        // Of those seconds that a slow machine may take to begin, and some more.
        for window in 0..30 {
            let key = access.tenant.slices.redis.key(&format!("bulkhead:rate:{window}"));
            let count: Option<u64> = connection.get(&key).await.unwrap();
            if count.is_some_and(|count| count >= 20) {
                let _: () = connection.del(&key).await.unwrap();
            }
        }
    }
}

#[tokio::test]
async fn an_evicted_counter_admits_too_many() {
    fails(LIMITED, "within-limit", "admitted more than their limit", evict).await;
}

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

#[tokio::test]
async fn a_message_that_nobody_sent_is_heard() {
    let sabotage = |access| send(access, "engine.9.9 ");
    fails("redis.pub-sub", "nothing-missed", "were heard that nobody sent", sabotage).await;
}

/// Sends the first message that it hears once more.
async fn repeat(access: TenantAccess) {
    let mut subscriber = clients::redis::subscriber(&access).await.unwrap();
    subscriber.subscribe(access.tenant.slices.redis.key("bulkhead:news")).await.unwrap();
    let message = subscriber.on_message().next().await.unwrap().get_payload::<String>().unwrap();
    send(access, &message).await;
}

#[tokio::test]
async fn a_message_that_comes_twice_is_told() {
    fails("redis.pub-sub", "nothing-missed", "were heard more than once", repeat).await;
}
