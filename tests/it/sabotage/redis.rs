//! What somebody with the tenant's login does to its keys behind a workload's back.

use bulkhead_target::{TenantAccess, clients};
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
