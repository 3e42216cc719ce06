//! Takes away what a case may have left on Redis, RabbitMQ and S3. Redis and AMQP have no listing that a fenced login may
//! use, so there every name goes that the engine says it may have made; on S3 it is the case's prefix.

use bulkhead_model::{RabbitmqSlice, S3Slice, Service, Tenant};
use lapin::{
    Channel, Connection, ErrorKind,
    options::{ExchangeDeleteOptions, QueueDeleteOptions},
    protocol::{AMQPErrorKind, AMQPSoftError},
};

use super::Leavings;
use crate::{Error, TenantAccess, clients};

/// Removes the case's keys. `tenant` is the one whose slices they are in, `access` who removes them.
pub(super) async fn redis(access: &TenantAccess, tenant: &Tenant, leavings: &Leavings) -> Result<(), Error> {
    let keys: Vec<_> = leavings.keys.iter().map(|name| tenant.slices.redis.key(name)).collect();
    let mut connection = clients::redis::connect(access).await?;
    let removed: redis::RedisResult<()> = redis::cmd("DEL").arg(&keys).query_async(&mut connection).await;
    removed.map_err(Error::serve(Service::Redis, format!("remove {}", tenant.slices.redis)))
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
async fn remove_names(
    connection: &Connection,
    channels: &mut Vec<Channel>,
    names: &[String],
    own: bool,
) -> lapin::Result<()> {
    let mut channel = connection.create_channel().await?;
    channels.push(channel.clone());
    for name in names {
        let removed = remove_name(&channel, name).await;
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

async fn remove_name(channel: &Channel, name: &str) -> lapin::Result<()> {
    channel.queue_delete(name.into(), QueueDeleteOptions::default()).await?;
    channel.exchange_delete(name.into(), ExchangeDeleteOptions::default()).await
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
        let mut found = false;
        for (key, version) in versions.chain(markers) {
            let Some(key) = key.filter(|key| key.starts_with(prefix)) else { continue };
            found = true;
            let delete = client.delete_object().bucket(&slice.bucket).key(key);
            let deleted = delete.set_version_id(version.map(str::to_owned)).send().await;
            deleted.map_err(Error::serve(Service::S3, failed(&format!("remove `{key}`"))))?;
        }
        // Listed anew, for what came while this went on and for the pages that follow.
        if !found {
            return Ok(());
        }
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
