//! The S3 server in the image that `BULKHEAD_IMAGE_S3` names, whichever it is: the same slices and the same fences, by its hand.
//!
//! These run where the variable is set and an engine answers, and say so where not.

use bulkhead_model::{Enforcement, Service};
use bulkhead_target::{TargetSpec, clients};
use serde_json::json;
use testcontainers::core::client::docker_client_instance;

use super::common::{fences, get, provision, put, refuses_nothing, separate, shared};
use crate::{
    support::{Direct, direct_as, spec},
    tools::left_out,
};

const IMAGE: &str = "BULKHEAD_IMAGE_S3";

/// Whose rules are for whole buckets, and which keeps no versions.
const GARAGE: &str = "garage";

/// A running server, or none with a word on why.
async fn server() -> Option<Direct> {
    if std::env::var_os(IMAGE).is_none() {
        left_out(&format!("no container engine's image is in {IMAGE}"));
        return None;
    }
    if docker_client_instance().await.is_err() {
        left_out("no container engine answers");
        return None;
    }
    let spec: TargetSpec = spec().in_containers(None, |variable| std::env::var_os(variable.name));
    Some(direct_as(Service::S3, &spec).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn tenants_are_fenced_by_the_image_too() {
    let Some(mut server) = server().await else { return };
    let report = server.running.report();
    let named = std::env::var(IMAGE).unwrap();
    assert!(named.contains(&report.product) && report.version != "unknown", "{named}: {report:?}");
    if report.product == GARAGE {
        fences(&mut server, &[separate()], false).await;
        let refused = server.running.provision(&shared(), Enforcement::Enforced).await.unwrap_err();
        assert!(refused.to_string().contains("no rules below a bucket"), "{refused}");
    } else {
        fences(&mut server, &[separate(), shared()], true).await;
    }
    refuses_nothing(&mut server).await;
    server.running.stop().await;
}

/// What was acknowledged and who may read it outlive the server's death; who may is the policies' doing alone.
#[tokio::test(flavor = "multi_thread")]
async fn slices_outlive_a_kill_and_a_policy_opens_them() {
    let Some(mut server) = server().await else { return };
    let accesses = provision(&mut server, &separate(), Enforcement::Enforced).await;
    let clients: Vec<_> = accesses.iter().map(|access| clients::s3::client(access).unwrap()).collect();
    let bucket = &accesses[1].tenant.slices.s3.bucket;
    put(&clients[1], bucket, "a", b"canary").await.unwrap();
    server.running.halt(false).await.unwrap();
    server.running.start_again().await.unwrap();
    assert_eq!(get(&clients[1], bucket, "a").await.unwrap(), b"canary");
    assert!(get(&clients[0], bucket, "a").await.is_err());
    let document = match server.running.report().product.as_str() {
        GARAGE => json!({ bucket: { "read": true, "write": false, "owner": false } }),
        _ => json!({ "Version": "2012-10-17", "Statement": [
            { "Effect": "Allow", "Action": ["s3:GetObject"], "Resource": [format!("arn:aws:s3:::{bucket}/*")] },
        ] }),
    };
    let key = &accesses[0].connections.s3.access_key_id;
    let statement = json!({ "key": key, "document": document });
    server.running.administer(&statement.to_string()).await.unwrap();
    assert_eq!(get(&clients[0], bucket, "a").await.unwrap(), b"canary");
    server.running.stop().await;
}
