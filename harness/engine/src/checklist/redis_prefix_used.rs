//! "Redis URL configured and prefix used": a key under the tenant's prefix can be written and read back.

use bulkhead_model::{Enforcement, Item, Service};
use bulkhead_target::{Error, clients};
use redis::{AsyncCommands, aio::MultiplexedConnection};
use tokio::time::Instant;

use super::{ChecklistItem, Examination, Examining, NotDone, RoundTrips};

/// How long the key may outlive an examination that broke off, in seconds.
const EXPIRES: u64 = 60;

/// What to do where no work was refused, but none was done either.
const CONNECT: &str =
    "look at host, port, user and password in the Redis URL; it must begin with `rediss://`";

pub(super) struct RedisPrefixUsed;

impl ChecklistItem for RedisPrefixUsed {
    fn item(&self) -> Item {
        Item::RedisPrefixUsed
    }

    fn examine<'a>(&'a self, examination: &'a Examination<'a>) -> Examining<'a> {
        Box::pin(async move {
            let slice = &examination.access.tenant.slices.redis;
            let user = &examination.access.connections.redis.user;
            let not_done = |error: Error, fix: String| NotDone::new(error.chain(), fix);
            let unreachable = |error| not_done(error, CONNECT.to_owned());
            let mut connection = clients::redis::connect(examination.access).await.map_err(unreachable)?;
            let trips = work(&mut connection, &slice.key("bulkhead:checklist")).await.map_err(|error| {
                // The code and not the text, whose wording differs between servers and versions.
                let fix = match error.code() {
                    Some("NOPERM") => format!(
                        "use the prefix that the login is limited to, or: ACL SETUSER {user} resetkeys ~{}*",
                        slice.prefix
                    ),
                    _ => CONNECT.to_owned(),
                };
                not_done(Error::serve(Service::Redis, format!("work with {slice}"))(error), fix)
            })?;
            let server = examination.server(Service::Redis).await?;
            let refuses = match examination.topology.enforcement(Service::Redis) {
                Enforcement::Enforced => "the topology promises that the server refuses other keys",
                Enforcement::Convention => "the prefix is a convention: the server refuses nothing",
            };
            Ok(format!(
                "{server}, {slice}, key written and read back as `{user}`, {refuses}, {}",
                trips.text()
            ))
        })
    }
}

async fn work(connection: &mut MultiplexedConnection, key: &str) -> redis::RedisResult<RoundTrips> {
    let _: () = connection.set_ex(key, "written", EXPIRES).await?;
    let read: Option<String> = connection.get(key).await?;
    let _: () = connection.del(key).await?;
    if read.as_deref() != Some("written") {
        return Err(std::io::Error::other(format!("read {read:?} instead of what was written")).into());
    }
    let mut trips = RoundTrips::new();
    while trips.wanted() {
        let begun = Instant::now();
        let _: () = redis::cmd("PING").query_async(connection).await?;
        trips.took(begun);
    }
    Ok(trips)
}
