//! What somebody with the tenant's key does to its objects, a key that opens too much, and a proxy that drops writes.

use aws_sdk_s3::{
    Client as S3,
    error::SdkError,
    operation::complete_multipart_upload::CompleteMultipartUploadError,
    primitives::ByteStream,
    types::{CompletedMultipartUpload, CompletedPart},
};
use bulkhead_model::S3Slice;
use bulkhead_target::{Cause, TenantAccess, clients};
use tokio::time::sleep;

use super::{LOOKS, PLAIN, Sabotage, front};

pub(super) static SWAPPED_PART: Sabotage = Sabotage {
    name: "swapped-part",
    breaks: "A part of a multipart upload is replaced before it is completed.",
    // Slow enough for somebody to come between the last part and the completion.
    workload: "{ s3.backups: { rate: 2/s } }",
    run_for: "2s",
    expect: "byte-exact",
    says: "instead of 5308416 bytes",
    begin: |access| Ok(Box::pin(swap(access.clone()))),
    ..PLAIN
};

pub(super) static DROPPED_WRITE: Sabotage = Sabotage {
    name: "dropped-write",
    breaks: "A proxy acknowledges a write now and then and drops it.",
    workload: "s3.logs",
    expect: "nothing-lost",
    says: "are lost",
    begin: front::stand_in_front,
    ..PLAIN
};

pub(super) static OPEN_KEY: Sabotage = Sabotage {
    name: "open-key",
    breaks: "A tenant's key opens the whole bucket, of which it is to have but a folder.",
    workload: "s3.assets",
    expect: "fails-closed",
    says: "a link to an object outside its slice first",
    begin: |access| {
        access.tenant.slices.s3.prefix = Some(String::from("engine/"));
        (PLAIN.begin)(access)
    },
    ..PLAIN
};

pub(super) static SETTING_COMES_BACK: Sabotage = Sabotage {
    name: "setting-comes-back",
    breaks: "A setting that was replaced comes back, as from an older copy.",
    // One object, so that whatever is put is got.
    workload: "{ s3.config: { objects: 1, rate: 60/s } }",
    // Whoever meddles looks twice and may be late on a busy machine.
    run_for: "3s",
    expect: "linearizable",
    says: "do not linearise",
    begin: |access| Ok(Box::pin(come_back(access.clone()))),
    ..PLAIN
};

/// Waits until the setting is there and is not `old`.
async fn setting(client: &S3, slice: &S3Slice, old: Option<&str>) -> Result<String, Cause> {
    loop {
        let got = client.get_object().bucket(&slice.bucket).key(slice.key("bulkhead/config/1")).send().await;
        let body = match got {
            Ok(got) => got.body.collect().await?.into_bytes(),
            Err(error) if error.as_service_error().is_some_and(|error| error.is_no_such_key()) => {
                sleep(LOOKS).await;
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        let value = String::from_utf8(body.to_vec())?;
        if Some(value.as_str()) != old {
            return Ok(value);
        }
        sleep(LOOKS).await;
    }
}

/// Puts the setting that it saw first over the next, often enough that a client gets it before another puts one.
async fn come_back(access: TenantAccess) -> Result<(), Cause> {
    let (client, slice) = (clients::s3::client(&access)?, &access.tenant.slices.s3);
    let old = setting(&client, slice, None).await?;
    setting(&client, slice, Some(&old)).await?;
    for _ in 0..150 {
        let put = client.put_object().bucket(&slice.bucket).key(slice.key("bulkhead/config/1"));
        put.body(ByteStream::from(old.as_bytes().to_vec())).send().await?;
    }
    Ok(())
}

/// Replaces the last part of an upload as soon as both its parts are there, and completes it. One that its owner
/// completed or gave up meanwhile is left, for the next.
async fn swap(access: TenantAccess) -> Result<(), Cause> {
    let (client, slice) = (clients::s3::client(&access)?, &access.tenant.slices.s3);
    loop {
        sleep(LOOKS).await;
        let list =
            client.list_multipart_uploads().bucket(&slice.bucket).prefix(slice.key("bulkhead/backups/"));
        for upload in list.send().await?.uploads() {
            let (Some(key), Some(id)) = (upload.key(), upload.upload_id()) else { continue };
            let list = client.list_parts().bucket(&slice.bucket).key(key).upload_id(id);
            let Ok(listed) = list.send().await else { continue };
            let [first, _last] = listed.parts() else { continue };
            let send = client.upload_part().bucket(&slice.bucket).key(key).upload_id(id).part_number(2);
            let Ok(last) = send.body(ByteStream::from_static(b"swapped")).send().await else { continue };
            let (Some(first), Some(last)) = (first.e_tag(), last.e_tag()) else { continue };
            match complete(&client, slice, (key, id), [first, last]).await {
                Ok(()) => return Ok(()),
                Err(error) if error.raw_response().is_some_and(|answer| answer.status().as_u16() == 404) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

async fn complete(
    client: &S3,
    slice: &S3Slice,
    (key, id): (&str, &str),
    tags: [&str; 2],
) -> Result<(), SdkError<CompleteMultipartUploadError>> {
    let parts =
        (1..).zip(tags).map(|(number, tag)| CompletedPart::builder().part_number(number).e_tag(tag).build());
    let parts = CompletedMultipartUpload::builder().set_parts(Some(parts.collect())).build();
    let complete = client.complete_multipart_upload().bucket(&slice.bucket).key(key).upload_id(id);
    complete.multipart_upload(parts).send().await.map(drop)
}
