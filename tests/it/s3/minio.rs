//! A real MinIO in the embedded server's place: the same slices and the same fences, by another server's hand.
//!
//! These run where `minio` is on PATH or in `BULKHEAD_MINIO_BIN`, and say so where it is not.

use bulkhead_model::{Enforcement, Service, Tenant};
use bulkhead_target::{
    S3Kind, TargetSpec, clients,
    services::{StandIn as _, s3},
};

use super::common::{get, list, provision, put, separate, shared};
use crate::{
    support::{Direct, command_lines, direct, spec},
    tools::left_out,
};

/// What asks for a MinIO, or none with a word on why.
pub(crate) fn asked() -> Option<TargetSpec> {
    let spec = TargetSpec { s3: S3Kind::Minio, ..spec() };
    match s3::S3.find(&spec) {
        Ok(()) => Some(spec),
        Err(missing) => {
            left_out(&missing.looked);
            None
        }
    }
}

/// A running MinIO, or none with a word on why.
pub(crate) async fn minio() -> Option<Direct> {
    let spec = asked()?;
    let mut server = direct(Service::S3).await;
    server.running.stop().await;
    server.place.dir = server.place.dir.join("minio");
    std::fs::create_dir(&server.place.dir).unwrap();
    server.running = s3::S3.start(&spec, &server.place).await.unwrap();
    Some(server)
}

fn refused(outcome: Result<impl std::fmt::Debug, String>) -> bool {
    outcome.is_err_and(|reason| reason.starts_with("403 AccessDenied"))
}

#[tokio::test]
async fn tenants_are_fenced_on_minio_too() {
    let Some(mut server) = minio().await else { return };
    assert_eq!(server.running.report().product, "minio");
    for tenants in [separate(), shared()] {
        let accesses = provision(&mut server, &tenants, Enforcement::Enforced).await;
        let clients: Vec<_> = accesses.iter().map(|access| clients::s3::client(access).unwrap()).collect();
        let slices = [0, 1].map(|side| accesses[side].tenant.slices.s3.clone());
        for (client, slice) in clients.iter().zip(&slices) {
            let first = put(client, &slice.bucket, &slice.key("a"), b"one").await.unwrap();
            put(client, &slice.bucket, &slice.key("a"), b"two").await.unwrap();
            let old =
                client.get_object().bucket(&slice.bucket).key(slice.key("a")).version_id(first).send().await;
            assert_eq!(old.unwrap().body.collect().await.unwrap().to_vec(), b"one", "versions are on");
            assert_eq!(list(client, &slice.bucket, &slice.key("")).await.unwrap(), [slice.key("a")]);
        }
        let (bucket, key) = (&slices[1].bucket, slices[1].key("a"));
        assert!(refused(get(&clients[0], bucket, &key).await));
        assert!(refused(put(&clients[0], bucket, &key, b"x").await));
        assert!(refused(list(&clients[0], bucket, &slices[1].key("")).await));
        assert!(refused(list(&clients[0], bucket, "").await));
        assert_eq!(get(&clients[1], bucket, &key).await.unwrap(), b"two");

        let mine: [Tenant; 1] = [tenants[0].clone()];
        server.running.remove(&mine).await.unwrap();
        assert!(get(&clients[0], &slices[0].bucket, &slices[0].key("a")).await.is_err());
        assert_eq!(get(&clients[1], bucket, &key).await.unwrap(), b"two");
        server.running.remove(&tenants[1..]).await.unwrap();
    }
    let lines = command_lines(&server.place).join("\n");
    assert!(lines.contains("minio"), "{lines}");
    server.running.stop().await;
    assert_eq!(command_lines(&server.place), Vec::<String>::new());
}

/// The negative control: the fence is the policies' doing.
#[tokio::test]
async fn by_convention_minio_refuses_nothing() {
    let Some(mut server) = minio().await else { return };
    let accesses = provision(&mut server, &separate(), Enforcement::Convention).await;
    let clients: Vec<_> = accesses.iter().map(|access| clients::s3::client(access).unwrap()).collect();
    let bucket = &accesses[1].tenant.slices.s3.bucket;
    put(&clients[1], bucket, "a", b"canary").await.unwrap();
    assert_eq!(get(&clients[0], bucket, "a").await.unwrap(), b"canary");
}
