//! What somebody with the tenant's key does to its objects behind a workload's back.

use aws_sdk_s3::{Client as S3, primitives::ByteStream};
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
pub(super) const ONE_OBJECT: &str = "{ s3.config: { objects: 1, rate: 60/s } }";

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

#[tokio::test]
async fn a_setting_that_was_replaced_comes_back() {
    let sabotage = async |access: TenantAccess| {
        let (client, slice) = (clients::s3::client(&access).unwrap(), &access.tenant.slices.s3);
        let old = setting(&client, slice, None).await;
        setting(&client, slice, Some(&old)).await;
        overwrite(&client, slice, &old).await;
    };
    fails(ONE_OBJECT, "linearizable", "do not linearise", sabotage).await;
}
