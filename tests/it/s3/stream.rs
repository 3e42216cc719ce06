//! A big object streams both ways: the server's memory does not grow with it.

use std::{
    io::{Seek as _, SeekFrom, Write as _},
    time::Duration,
};

use aws_sdk_s3::{
    config::{Config, timeout::TimeoutConfig},
    primitives::ByteStream,
};
use bulkhead_model::Enforcement;
use bulkhead_target::services::{Access, Running as _, s3::Options};

use super::{
    common::{Own, list, own},
    raw,
};
use crate::support::tenant;

/// The object's size. A server that held it in memory could not stay below [`MAX_MEMORY`].
const SIZE: u64 = 256 * 1024 * 1024;

/// The most that the server's memory may ever have come to, in KiB.
const MAX_MEMORY: u64 = 96 * 1024;

/// The longest that one transfer may take.
const PATIENCE: Duration = Duration::from_secs(600);

#[tokio::test]
async fn a_big_object_never_sits_in_memory() {
    let mut own = own(Options::default()).await;
    let (client, bucket) = own.tenant().await;
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().set_len(SIZE).unwrap();
    for at in [0, SIZE / 2, SIZE - 4] {
        file.seek(SeekFrom::Start(at)).unwrap();
        file.write_all(b"mark").unwrap();
    }
    let body = ByteStream::from_path(file.path()).await.unwrap();
    // A debug build's checksums on a busy machine: what is measured here is memory, not speed.
    let patient = TimeoutConfig::builder().operation_timeout(PATIENCE).operation_attempt_timeout(PATIENCE);
    let patient = Config::builder().timeout_config(patient.read_timeout(PATIENCE).build());
    let put = client.put_object().bucket(&bucket).key("big").body(body).customize().config_override(patient);
    put.send().await.unwrap();
    let mut got = client.get_object().bucket(&bucket).key("big").send().await.unwrap();
    let (mut at, mut marks) = (0_u64, Vec::new());
    while let Some(bytes) = got.body.try_next().await.unwrap() {
        // Each mark's letters, wherever the chunks are cut.
        marks.extend(bytes.iter().copied().filter(|byte| *byte != 0));
        at += u64::try_from(bytes.len()).unwrap();
    }
    assert_eq!(at, SIZE);
    assert_eq!(marks, b"markmarkmark");
    let ranged = client.get_object().bucket(&bucket).key("big").range("bytes=-4").send().await.unwrap();
    assert_eq!(ranged.body.collect().await.unwrap().to_vec(), b"mark");

    assert_modest(&own);
}

/// As some clients do: the whole body in one chunk.
#[tokio::test]
async fn a_big_chunk_never_sits_in_memory() {
    let mut own = own(Options::default()).await;
    let tenant = tenant("engine", "own");
    let made = own.running.provision(std::slice::from_ref(&tenant), Enforcement::Enforced).await.unwrap();
    let [Access::S3(access)] = &made[..] else { panic!("{made:?}") };
    let access = own.access(access.clone());
    let size = usize::try_from(SIZE / 2).unwrap();
    let mut body = format!("{size:x}\r\n").into_bytes();
    body.resize(body.len() + size, 7);
    body.extend_from_slice(b"\r\n0\r\n\r\n");
    let length = size.to_string();
    let headers = [
        ("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"),
        ("x-amz-decoded-content-length", &length),
        ("x-amz-trailer", "x-amz-meta-nothing"),
    ];
    let bucket = access.connections.s3.bucket.clone();
    let put = raw::signed(&access, "PUT", &raw::path(&bucket, "big"), "", &headers, &body).await;
    assert_eq!(put.status, 200, "{put:?}");
    let client = own.client(access.connections.s3.clone());
    let head = client.head_object().bucket(&bucket).key("big").send().await.unwrap();
    assert_eq!(head.content_length(), Some(i64::try_from(size).unwrap()));
    let ranged = client.get_object().bucket(&bucket).key("big").range("bytes=-3").send().await.unwrap();
    assert_eq!(ranged.body.collect().await.unwrap().to_vec(), [7, 7, 7]);
    assert_modest(&own);
    // The same, cut off in the middle of its chunk.
    let cut = raw::signed(&access, "PUT", &raw::path(&bucket, "cut"), "", &headers, &body[..size / 2]).await;
    assert_eq!((cut.status, raw::reason(&cut).starts_with("IncompleteBody")), (400, true), "{cut:?}");
    assert_eq!(list(&client, &bucket, "").await.unwrap(), ["big"]);
}

fn assert_modest(own: &Own) {
    let status = std::fs::read_to_string(format!("/proc/{}/status", own.running.pid())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let peak: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(peak < MAX_MEMORY, "the server's memory came to {peak} KiB");
}
