//! The name of a bucket that is gone is free for whoever may make buckets, which no tenant may.

use bulkhead_model::{Enforcement, Service};
use bulkhead_target::clients;

use super::{Rig, Separate};

#[tokio::test]
async fn a_bucket_that_is_gone_leaves_its_name_to_no_tenant() {
    let mut rig = Rig::new(Service::S3, Separate).await;
    let [from, to] = rig.slices("gone", Enforcement::Enforced).await;
    rig.server.running.remove(std::slice::from_ref(&to.tenant)).await.unwrap();
    let (client, name) = (clients::s3::client(&from).unwrap(), &to.tenant.slices.s3.bucket);
    let refused = client.create_bucket().bucket(name).send().await.unwrap_err();
    assert_eq!(refused.raw_response().unwrap().status().as_u16(), 403, "{refused:?}");

    let grant = serde_json::json!({ "buckets": null, "prefix": "", "capabilities": ["writeBuckets"] });
    let key = &from.connections.s3.access_key_id;
    rig.administer(&serde_json::json!({ "key": key, "grant": grant }).to_string()).await;
    client.create_bucket().bucket(name).send().await.unwrap();
    rig.server.running.stop().await;
}
