//! Pipelines of large values, written and, for the most part, read: what is written is in the server's journal for ever,
//! which it reads again whenever it starts again.

use bulkhead_model::Service;
use bulkhead_target::{Error, clients};

use super::Client;

/// Commands in one pipeline.
const AT_ONCE: u64 = 100;

/// How many of those write.
const WRITES: u64 = 10;

/// Bytes of a value.
const SIZE: usize = 4096;

pub(super) async fn flood(mut client: Client) -> Result<u64, Error> {
    let failed = || Error::serve(Service::Redis, "flood it with commands");
    let mut connection = clients::redis::connect(&client.access).await?;
    let (key, value) = (client.access.tenant.slices.redis.key(&client.name()), vec![b'.'; SIZE]);
    let mut pipeline = redis::pipe();
    for number in 0..AT_ONCE {
        match number % (AT_ONCE / WRITES) {
            0 => pipeline.set(&key, &value).ignore(),
            _ => pipeline.get(&key).ignore(),
        };
    }
    while client.goes_on() {
        pipeline.query_async::<()>(&mut connection).await.map_err(failed())?;
        client.done += AT_ONCE;
    }
    redis::Cmd::del(&key).query_async::<()>(&mut connection).await.map_err(failed())?;
    Ok(client.done)
}
