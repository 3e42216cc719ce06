//! Tenants against one another: what B2 refuses is refused, in its words, and what is a tenant's own is not.

use aws_sdk_s3::Client;
use bulkhead_model::Enforcement;
use bulkhead_target::clients;

use super::common::{code, get, list, provision, put, separate, serving, shared};
use crate::support::direct;

const NOT_ENTITLED: &str = "403 AccessDenied: not entitled";

/// Reads, writes, deletes and lists below a slice; what each came to.
async fn try_all(client: &Client, bucket: &str, key: &str, prefix: &str) -> [Option<String>; 4] {
    let read = get(client, bucket, key).await.err();
    let write = put(client, bucket, key, b"written").await.err();
    let delete = client.delete_object().bucket(bucket).key(key).send().await.err().map(code);
    let list = list(client, bucket, prefix).await.err();
    [read, write, delete, list]
}

#[tokio::test]
async fn a_neighbours_slice_is_out_of_reach() {
    for tenants in [separate(), shared()] {
        let (_server, accesses, clients) = serving(&tenants).await;
        let slices: Vec<_> = accesses.iter().map(|access| access.tenant.slices.s3.clone()).collect();
        put(&clients[1], &slices[1].bucket, &slices[1].key("secret"), b"canary").await.unwrap();
        let (foreign, own) = (slices[1].key("secret"), slices[0].key("own"));
        put(&clients[0], &slices[0].bucket, &own, b"mine").await.unwrap();

        let tried = try_all(&clients[0], &slices[1].bucket, &foreign, &slices[1].key("")).await;
        assert_eq!(tried, [(); 4].map(|()| Some(NOT_ENTITLED.to_owned())));
        let head = clients[0].head_object().bucket(&slices[1].bucket).key(&foreign).send().await;
        assert_eq!(code(head.unwrap_err()), "403");
        assert_eq!(get(&clients[1], &slices[1].bucket, &foreign).await.unwrap(), b"canary");
        // The positive control: the same calls on its own slice.
        let tried = try_all(&clients[0], &slices[0].bucket, &own, &slices[0].key("")).await;
        assert_eq!(tried, [None, None, None, None]);
    }
}

/// The negative control: were the fence left out, these tests would see it.
#[tokio::test]
async fn by_convention_nothing_is_refused() {
    for tenants in [separate(), shared()] {
        let mut server = direct(bulkhead_model::Service::S3).await;
        let accesses = provision(&mut server, &tenants, Enforcement::Convention).await;
        let clients: Vec<_> = accesses.iter().map(|access| clients::s3::client(access).unwrap()).collect();
        let slice = &accesses[1].tenant.slices.s3;
        put(&clients[1], &slice.bucket, &slice.key("secret"), b"canary").await.unwrap();
        let tried = try_all(&clients[0], &slice.bucket, &slice.key("secret"), &slice.key("")).await;
        assert_eq!(tried, [None, None, None, None]);
    }
}
