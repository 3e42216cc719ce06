//! Takes away what a case may have left on Redis, RabbitMQ and S3. Redis and AMQP have no listing that a fenced login may
//! use, so there every name goes that the engine says it may have made; on S3 it is the case's prefix. Keys of Redis that
//! nobody can name are looked for where a login may, and expire where it may not.

use bulkhead_model::{RabbitmqSlice, S3Slice, Service, Tenant};
use futures::{StreamExt, TryStreamExt};
use lapin::{
    Channel, Connection, ErrorKind,
    options::{ExchangeDeleteOptions, QueueDeleteOptions},
    protocol::{AMQPErrorKind, AMQPSoftError},
};
use redis::{ErrorKind as Refusal, RedisResult, ServerErrorKind, aio::MultiplexedConnection};

use super::Leavings;
use crate::{Error, TenantAccess, clients};

/// How often a scan goes on for a case's keys: as many times a thousand keys of the server are looked at.
pub const SCANS: usize = 16;

/// How many keys one step of it looks at.
const STEP: usize = 1000;

/// How many objects are removed at a time.
const BESIDE: usize = 16;

/// Removes the case's keys. `tenant` is the one whose slices they are in, `access` who removes them.
pub(super) async fn redis(access: &TenantAccess, tenant: &Tenant, leavings: &Leavings) -> Result<(), Error> {
    let slice = &tenant.slices.redis;
    let names = leavings.keys.iter().chain([&leavings.more]);
    let keys: Vec<_> = names.map(|name| slice.key(name)).collect();
    let mut connection = clients::redis::connect(access).await?;
    let removed: RedisResult<()> = async {
        let more = redis::cmd("EXISTS").arg(slice.key(leavings.more)).query_async(&mut connection).await?;
        if more {
            scan(&mut connection, &slice.prefix).await?;
        }
        redis::cmd("DEL").arg(&keys).query_async(&mut connection).await
    }
    .await;
    removed.map_err(Error::serve(Service::Redis, format!("remove {slice}")))
}

/// Removes what begins with the case's prefix, as far as a scan gets.
async fn scan(connection: &mut MultiplexedConnection, prefix: &str) -> RedisResult<()> {
    // Without a run's own part this would be the tenant's whole prefix.
    if !prefix.contains("bulkhead:") {
        return Ok(());
    }
    let (pattern, mut cursor) = (pattern(prefix), String::from("0"));
    for _ in 0..SCANS {
        let mut step = redis::cmd("SCAN");
        step.arg(&cursor).arg("MATCH").arg(&pattern).arg("COUNT").arg(STEP);
        let (next, keys): (String, Vec<Vec<u8>>) = match step.query_async(connection).await {
            Ok(found) => found,
            // It may not look; they expire.
            Err(error) if error.kind() == Refusal::Server(ServerErrorKind::NoPerm) => return Ok(()),
            Err(error) => return Err(error),
        };
        let own: Vec<_> = keys.into_iter().filter(|key| key.starts_with(prefix.as_bytes())).collect();
        if !own.is_empty() {
            redis::cmd("DEL").arg(&own).exec_async(connection).await?;
        }
        if next == "0" {
            break;
        }
        cursor = next;
    }
    Ok(())
}

/// What matches every key that begins so, whatever a pattern would make of its letters.
fn pattern(prefix: &str) -> String {
    let mut pattern = String::with_capacity(prefix.len() + 1);
    for letter in prefix.chars() {
        if matches!(letter, '*' | '?' | '[' | ']' | '^' | '\\') {
            pattern.push('\\');
        }
        pattern.push(letter);
    }
    pattern.push('*');
    pattern
}

/// Removes these queues and exchanges of the vhost in which the case's slice lies.
pub(super) async fn rabbitmq(
    access: &TenantAccess,
    slice: &RabbitmqSlice,
    names: &[String],
    own: bool,
) -> Result<(), Error> {
    let mut access = access.clone();
    access.connections.rabbitmq.vhost.clone_from(&slice.vhost);
    let connection = match clients::rabbitmq::connect(&access).await {
        // Who is kept out of a neighbour's vhost has left nothing there.
        Err(_) if !own => return Ok(()),
        connected => connected?,
    };
    let mut channels = Vec::new();
    let removed = remove_names(&connection, &mut channels, names, own).await;
    // How the broker takes the farewell changes nothing. Channels that are dropped before are closed in the background,
    // and their ends and the connection's get in each other's way.
    let _farewell = connection.close(200, "done".into()).await;
    removed.map_err(Error::serve(Service::Rabbitmq, format!("remove {slice}")))
}

/// A name that is not there is as good as removed, which is what the broker answers, too. What a neighbour's vhost refuses
/// to remove was not made there, since making it asks for the same right; the channel on which it was refused is gone.
/// Nothing of a tenant's own is refused: there only the last answer is waited for, which comes after all others are done.
async fn remove_names(
    connection: &Connection,
    channels: &mut Vec<Channel>,
    names: &[String],
    own: bool,
) -> lapin::Result<()> {
    let mut channel = connection.create_channel().await?;
    channels.push(channel.clone());
    for (number, name) in (1..).zip(names) {
        let removed = remove_name(&channel, name, own && number < names.len()).await;
        match removed {
            Err(error) if !own && is_refusal(&error) => {
                channel = connection.create_channel().await?;
                channels.push(channel.clone());
            }
            removed => removed?,
        }
    }
    Ok(())
}

async fn remove_name(channel: &Channel, name: &str, nowait: bool) -> lapin::Result<()> {
    let queue = QueueDeleteOptions { nowait, ..QueueDeleteOptions::default() };
    channel.queue_delete(name.into(), queue).await?;
    let exchange = ExchangeDeleteOptions { nowait, ..ExchangeDeleteOptions::default() };
    channel.exchange_delete(name.into(), exchange).await
}

fn is_refusal(error: &lapin::Error) -> bool {
    let kind = AMQPErrorKind::Soft(AMQPSoftError::ACCESSREFUSED);
    matches!(error.kind(), ErrorKind::ProtocolError(error) if *error.kind() == kind)
}

/// Removes the case's objects, their versions and unfinished uploads.
pub(super) async fn s3(access: &TenantAccess, tenant: &Tenant) -> Result<(), Error> {
    let slice = &tenant.slices.s3;
    // Without a prefix this would be the tenant's whole bucket.
    let Some(prefix) = slice.prefix.as_deref().filter(|prefix| prefix.contains("bulkhead/")) else {
        return Err(Error::serve(Service::S3, "remove a case's objects")(
            "its slice has no prefix of its own",
        ));
    };
    let client = clients::s3::client(access)?;
    versions(&client, slice, prefix).await?;
    uploads(&client, slice, prefix).await
}

async fn versions(client: &aws_sdk_s3::Client, slice: &S3Slice, prefix: &str) -> Result<(), Error> {
    let failed = |doing: &str| format!("{doing} in {slice}");
    loop {
        let listed = client.list_object_versions().bucket(&slice.bucket).prefix(prefix).send().await;
        let listed = listed.map_err(Error::serve(Service::S3, failed("list versions")))?;
        let versions = listed.versions().iter().map(|one| (one.key(), one.version_id()));
        let markers = listed.delete_markers().iter().map(|one| (one.key(), one.version_id()));
        let own = versions.chain(markers).filter_map(|(key, version)| {
            let key = key.filter(|key| key.starts_with(prefix))?;
            Some((key.to_owned(), version.map(str::to_owned)))
        });
        let own: Vec<_> = own.collect();
        // Listed anew, for what came while this went on and for the pages that follow.
        if own.is_empty() {
            return Ok(());
        }
        let removing = futures::stream::iter(own).map(|(key, version)| async move {
            let delete = client.delete_object().bucket(&slice.bucket).key(&key).set_version_id(version);
            let deleted = delete.send().await.map(drop);
            deleted.map_err(Error::serve(Service::S3, format!("remove `{key}` in {slice}")))
        });
        removing.buffer_unordered(BESIDE).try_collect::<()>().await?;
    }
}

async fn uploads(client: &aws_sdk_s3::Client, slice: &S3Slice, prefix: &str) -> Result<(), Error> {
    let failed = |doing: &str| format!("{doing} in {slice}");
    let listed = client.list_multipart_uploads().bucket(&slice.bucket).prefix(prefix).send().await;
    let listed = listed.map_err(Error::serve(Service::S3, failed("list unfinished uploads")))?;
    for upload in listed.uploads() {
        let (Some(key), Some(id)) = (upload.key(), upload.upload_id()) else { continue };
        if key.starts_with(prefix) {
            let abort = client.abort_multipart_upload().bucket(&slice.bucket).key(key).upload_id(id);
            abort.send().await.map_err(Error::serve(Service::S3, failed(&format!("give `{key}` up"))))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::pattern;

    #[test]
    fn a_pattern_is_the_prefix_letter_by_letter() {
        assert_eq!(pattern("engine:bulkhead:7:"), "engine:bulkhead:7:*");
        assert_eq!(pattern("a[b]*?\\^:"), "a\\[b\\]\\*\\?\\\\\\^:*");
    }
}
