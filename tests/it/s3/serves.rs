//! It serves, and goes away again without a trace.

use std::os::unix::fs::PermissionsExt as _;

use bulkhead_model::Enforcement;

use super::common::{get, list, provision, put, separate, serving, shared};
use crate::support::command_lines;

#[tokio::test]
async fn a_tenant_puts_gets_heads_lists_and_deletes() {
    for tenants in [separate(), shared()] {
        let (mut server, accesses, clients) = serving(&tenants).await;
        assert_eq!(server.running.report().product, "embedded");
        for (access, client) in accesses.iter().zip(&clients) {
            let slice = &access.tenant.slices.s3;
            let (bucket, key) = (slice.bucket.as_str(), slice.key("a/b c.txt"));
            put(client, bucket, &key, b"hello").await.unwrap();
            assert_eq!(get(client, bucket, &key).await.unwrap(), b"hello");
            let head = client.head_object().bucket(bucket).key(&key).send().await.unwrap();
            assert_eq!(
                (head.content_length(), head.e_tag()),
                (Some(5), Some("\"5d41402abc4b2a76b9719d911017c592\""))
            );
            assert_eq!(list(client, bucket, &slice.key("")).await.unwrap(), [key.as_str()]);
            client.delete_object().bucket(bucket).key(&key).send().await.unwrap();
            assert!(get(client, bucket, &key).await.unwrap_err().starts_with("404 NoSuchKey"));
        }
        server.running.stop().await;
        assert_eq!(command_lines(&server.place), Vec::<String>::new());
        assert!(server.running.exited().is_some());
    }
}

#[tokio::test]
async fn a_removed_slice_is_gone_with_its_keys_and_no_neighbour_notices() {
    for tenants in [separate(), shared()] {
        let (mut server, accesses, clients) = serving(&tenants).await;
        let slices: Vec<_> = accesses.iter().map(|access| access.tenant.slices.s3.clone()).collect();
        for (slice, client) in slices.iter().zip(&clients) {
            put(client, &slice.bucket, &slice.key("x"), b"mine").await.unwrap();
        }
        server.running.remove(&tenants[..1]).await.unwrap();
        let refused = get(&clients[0], &slices[0].bucket, &slices[0].key("x")).await.unwrap_err();
        let id = &accesses[0].connections.s3.access_key_id;
        assert_eq!(refused, format!("403 InvalidAccessKeyId: The key '{id}' is not valid"));
        assert_eq!(get(&clients[1], &slices[1].bucket, &slices[1].key("x")).await.unwrap(), b"mine");

        // Made again it is empty, and has a new key.
        let again = provision(&mut server, &tenants[..1], Enforcement::Enforced).await;
        assert_ne!(again[0].connections.s3.access_key_id, *id);
        let client = bulkhead_target::clients::s3::client(&again[0]).unwrap();
        assert!(list(&client, &slices[0].bucket, &slices[0].key("")).await.unwrap().is_empty());
        server.running.remove(&tenants).await.unwrap();
        assert!(get(&clients[1], &slices[1].bucket, &slices[1].key("x")).await.is_err());
    }
}

#[tokio::test]
async fn secrets_stay_out_of_sight() {
    let tenants = separate();
    let (server, accesses, _clients) = serving(&tenants).await;
    let data = server.place.dir.join("data");
    assert_eq!(std::fs::metadata(&data).unwrap().permissions().mode() & 0o777, 0o700);
    let keys = data.join("keys.journal");
    assert_eq!(std::fs::metadata(&keys).unwrap().permissions().mode() & 0o777, 0o600);
    let kept = std::fs::read_to_string(keys).unwrap();
    let lines = command_lines(&server.place).join("\n");
    for access in &accesses {
        let secret = access.connections.s3.secret_access_key.expose();
        assert!(kept.contains(secret), "the search would find it where it is");
        assert!(!lines.contains(secret));
        assert!(!server.running.log_tail(1000).join("\n").contains(secret));
        assert!(!format!("{:?}{:?}", access, server.running.report()).contains(secret));
    }
}
