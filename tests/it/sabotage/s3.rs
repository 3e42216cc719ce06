//! What somebody with the tenant's key does to its objects behind a workload's back.

use aws_sdk_s3::{
    Client as S3,
    error::SdkError,
    operation::complete_multipart_upload::CompleteMultipartUploadError,
    primitives::ByteStream,
    types::{CompletedMultipartUpload, CompletedPart},
};
use bulkhead_model::S3Slice;
use bulkhead_target::{TenantAccess, clients};

use super::fails;

/// Deletes every log that is there, once there are a few.
async fn shred(access: TenantAccess) {
    let (client, slice) = (clients::s3::client(&access).unwrap(), &access.tenant.slices.s3);
    let keys: Vec<_> = loop {
        let list = client.list_objects_v2().bucket(&slice.bucket).prefix(slice.key("bulkhead/logs/"));
        let listed = list.send().await.unwrap();
        if listed.contents().len() >= 10 {
            break listed.contents().iter().map(|object| object.key().unwrap().to_owned()).collect();
        }
    };
    for key in keys {
        client.delete_object().bucket(&slice.bucket).key(key).send().await.unwrap();
    }
}

#[tokio::test]
async fn deleted_objects_are_lost() {
    fails("s3.logs", "nothing-lost", "are lost", shred).await;
}

/// One object, so that whatever is put is got.
const ONE_OBJECT: &str = "{ s3.config: { objects: 1, rate: 60/s } }";

/// Waits until the setting is there and is not `old`.
async fn setting(client: &S3, slice: &S3Slice, old: Option<&str>) -> String {
    loop {
        let got = client.get_object().bucket(&slice.bucket).key(slice.key("bulkhead/config/1")).send().await;
        let body = match got {
            Ok(got) => got.body.collect().await.unwrap().into_bytes(),
            Err(error) if error.as_service_error().is_some_and(|error| error.is_no_such_key()) => continue,
            Err(error) => panic!("{error:?}"),
        };
        let value = String::from_utf8(body.to_vec()).unwrap();
        if Some(value.as_str()) != old {
            return value;
        }
    }
}

/// Puts the value over the setting's, often enough that a client gets it before another puts the next.
async fn overwrite(client: &S3, slice: &S3Slice, value: &str) {
    for _ in 0..50 {
        let put = client.put_object().bucket(&slice.bucket).key(slice.key("bulkhead/config/1"));
        put.body(ByteStream::from(value.as_bytes().to_vec())).send().await.unwrap();
    }
}

#[tokio::test]
async fn a_setting_that_nobody_put_is_got() {
    let sabotage = async |access: TenantAccess| {
        let (client, slice) = (clients::s3::client(&access).unwrap(), &access.tenant.slices.s3);
        setting(&client, slice, None).await;
        overwrite(&client, slice, "engine.0.0").await;
    };
    fails(ONE_OBJECT, "linearizable", "`engine.0.0` (which nobody put there)", sabotage).await;
}

/// Waits until there are objects whose keys begin like this inside the slice.
async fn stored(client: &S3, slice: &S3Slice, folder: &str) -> Vec<String> {
    loop {
        let list = client.list_objects_v2().bucket(&slice.bucket).prefix(slice.key(folder));
        let listed = list.send().await.unwrap();
        let keys = listed.contents().iter().map(|object| object.key().unwrap().to_owned());
        let keys: Vec<_> = keys.collect();
        if !keys.is_empty() {
            return keys;
        }
    }
}

/// Puts other bytes over all objects whose keys begin like this, as soon as there are any.
async fn scribble(access: TenantAccess, folder: &str) {
    let (client, slice) = (clients::s3::client(&access).unwrap(), &access.tenant.slices.s3);
    for key in stored(&client, slice, folder).await {
        let put = client.put_object().bucket(&slice.bucket).key(key);
        put.body(ByteStream::from_static(b"scribbled")).send().await.unwrap();
    }
}

/// Completes an upload of another's as soon as both its parts are there. One that its owner completed or gave up meanwhile is
/// left, for the next.
async fn complete(access: TenantAccess) {
    let (client, slice) = (clients::s3::client(&access).unwrap(), &access.tenant.slices.s3);
    loop {
        let list =
            client.list_multipart_uploads().bucket(&slice.bucket).prefix(slice.key("bulkhead/backups/"));
        for upload in list.send().await.unwrap().uploads() {
            let (key, id) = (upload.key().unwrap(), upload.upload_id().unwrap());
            let list = client.list_parts().bucket(&slice.bucket).key(key).upload_id(id);
            let Ok(parts) = list.send().await else { continue };
            let tags: Vec<_> = parts.parts().iter().map(|part| part.e_tag().unwrap().to_owned()).collect();
            if tags.len() < 2 {
                continue;
            }
            match finish(&client, slice, (key, id), &tags).await {
                Ok(()) => return,
                Err(error) if error.raw_response().is_some_and(|answer| answer.status().as_u16() == 404) => {}
                Err(error) => panic!("{error:?}"),
            }
        }
    }
}

async fn finish(
    client: &S3,
    slice: &S3Slice,
    (key, id): (&str, &str),
    tags: &[String],
) -> Result<(), SdkError<CompleteMultipartUploadError>> {
    let parts =
        (1..).zip(tags).map(|(number, tag)| CompletedPart::builder().part_number(number).e_tag(tag).build());
    let parts = CompletedMultipartUpload::builder().set_parts(Some(parts.collect())).build();
    let complete = client.complete_multipart_upload().bucket(&slice.bucket).key(key).upload_id(id);
    complete.multipart_upload(parts).send().await.map(drop)
}

/// Slow enough for somebody to come between the last part and the completion.
const ONE_BACKUP: &str = "{ s3.backups: { rate: 2/s } }";

#[tokio::test]
async fn a_backup_that_another_completes_shows_too_early() {
    fails(ONE_BACKUP, "byte-exact", ", found it ", complete).await;
}

#[tokio::test]
async fn a_backup_that_was_overwritten_is_not_what_was_sent() {
    let sabotage = |access| scribble(access, "bulkhead/backups/");
    fails("s3.backups", "byte-exact", "found 9 bytes", sabotage).await;
}

#[tokio::test]
async fn an_asset_that_was_overwritten_is_not_what_was_put() {
    let sabotage = |access| scribble(access, "bulkhead/assets/");
    fails("{ s3.assets: { objects: 1 } }", "byte-exact", "found 9 bytes", sabotage).await;
}
