//! A real MinIO in the embedded server's place: the same slices and the same fences, by another server's hand.
//!
//! These run where `minio` is on PATH or in `BULKHEAD_MINIO_BIN`, and say so where it is not.

use bulkhead_model::Service;
use bulkhead_target::{
    S3Kind, TargetSpec,
    services::{StandIn as _, s3},
};

use super::common::{fences, refuses_nothing, separate, shared};
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

#[tokio::test]
async fn tenants_are_fenced_on_minio_too() {
    let Some(mut server) = minio().await else { return };
    assert_eq!(server.running.report().product, "minio");
    fences(&mut server, &[separate(), shared()], true).await;
    let lines = command_lines(&server.place).join("\n");
    assert!(lines.contains("minio"), "{lines}");
    server.running.stop().await;
    assert_eq!(command_lines(&server.place), Vec::<String>::new());
}

/// The negative control: the fence is the policies' doing.
#[tokio::test]
async fn by_convention_minio_refuses_nothing() {
    let Some(mut server) = minio().await else { return };
    refuses_nothing(&mut server).await;
}
