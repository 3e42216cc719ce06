//! A big object streams both ways, whole, in parts and when it is copied: the server's memory does not grow with it.

use std::{
    io::{Seek as _, SeekFrom, Write as _},
    time::Duration,
};

use aws_sdk_s3::{
    Client,
    config::{
        Builder, Config, RequestChecksumCalculation, ResponseChecksumValidation, timeout::TimeoutConfig,
    },
    primitives::{ByteStream, Length},
    types::{CompletedMultipartUpload, CompletedPart},
};
use bulkhead_model::Enforcement;
use bulkhead_target::services::{Access, Running as _, s3::Options};

use super::{
    common::{Own, list, own},
    raw,
};
use crate::support::tenant;

/// The object's size. A server that held it in memory could not stay below [`MAX_MEMORY`].
const SIZE: u64 = 1024 * 1024 * 1024;

/// The size of one chunk, which the test itself does hold in memory.
const BIG_CHUNK: u64 = 128 * 1024 * 1024;

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
    let put = client.put_object().bucket(&bucket).key("big").body(body).customize();
    put.config_override(lean()).disable_payload_signing().send().await.unwrap();
    assert_modest(&own, "a put");
    assert_marked(&client, &bucket, "big").await;
    assert_modest(&own, "a get");
    let ranged = client.get_object().bucket(&bucket).key("big").range("bytes=-4").send().await.unwrap();
    assert_eq!(ranged.body.collect().await.unwrap().to_vec(), b"mark");

    let copy = client.copy_object().bucket(&bucket).key("copy").copy_source(format!("{bucket}/big"));
    copy.customize().config_override(lean()).send().await.unwrap();
    assert_modest(&own, "a copy");

    // In parts: one sent in chunks with a sum behind them, as is the default, the others copied out of the object.
    let begun = client.create_multipart_upload().bucket(&bucket).key("parts").send().await.unwrap();
    let id = begun.upload_id().unwrap();
    let quarter = SIZE / 4;
    let body =
        ByteStream::read_from().path(file.path()).length(Length::Exact(quarter)).build().await.unwrap();
    let sent = client.upload_part().bucket(&bucket).key("parts").upload_id(id).part_number(1).body(body);
    let sent = sent.customize().config_override(patient()).send().await.unwrap();
    let mut parts = vec![CompletedPart::builder().part_number(1).set_e_tag(sent.e_tag).build()];
    assert_modest(&own, "a part");
    for (number, first) in [(2, quarter), (3, 2 * quarter), (4, 3 * quarter)] {
        let part = client.upload_part_copy().bucket(&bucket).key("parts").upload_id(id).part_number(number);
        let part = part.copy_source(format!("{bucket}/big"));
        let part = part.copy_source_range(format!("bytes={first}-{}", first + quarter - 1));
        let copied = part.customize().config_override(lean()).send().await.unwrap();
        let tag = copied.copy_part_result.unwrap().e_tag;
        parts.push(CompletedPart::builder().part_number(number).set_e_tag(tag).build());
    }
    assert_modest(&own, "a copied part");
    let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
    let complete = client.complete_multipart_upload().bucket(&bucket).key("parts").upload_id(id);
    complete.multipart_upload(parts).customize().config_override(lean()).send().await.unwrap();
    assert_modest(&own, "the completion of an upload in parts");
    assert_marked(&client, &bucket, "parts").await;
    assert_modest(&own, "a get of an object in parts");
}

/// Reads the object to its end: its size and its marks, wherever the chunks are cut.
async fn assert_marked(client: &Client, bucket: &str, key: &str) {
    let got = client.get_object().bucket(bucket).key(key).customize().config_override(lean());
    let mut got = got.send().await.unwrap();
    let (mut size, mut marks) = (0_u64, Vec::new());
    while let Some(bytes) = got.body.try_next().await.unwrap() {
        if bytes.iter().any(|byte| *byte != 0) {
            marks.extend(bytes.iter().copied().filter(|byte| *byte != 0));
        }
        size += u64::try_from(bytes.len()).unwrap();
    }
    assert_eq!((size, marks.as_slice()), (SIZE, b"markmarkmark".as_slice()), "{key}");
}

/// What a client needs on a busy machine, where a debug build is slow: measured here is memory, not speed.
fn patient() -> Builder {
    let patient = TimeoutConfig::builder().operation_timeout(PATIENCE).operation_attempt_timeout(PATIENCE);
    Config::builder().timeout_config(patient.read_timeout(PATIENCE).build())
}

/// The same without sums of the client's own, which take it longer than all the rest.
fn lean() -> Builder {
    let sums = RequestChecksumCalculation::WhenRequired;
    let compared = ResponseChecksumValidation::WhenRequired;
    patient().request_checksum_calculation(sums).response_checksum_validation(compared)
}

/// As some clients do: the whole body in one chunk.
#[tokio::test]
async fn a_big_chunk_never_sits_in_memory() {
    let mut own = own(Options::default()).await;
    let tenant = tenant("engine", "own");
    let made = own.running.provision(std::slice::from_ref(&tenant), Enforcement::Enforced).await.unwrap();
    let [Access::S3(access)] = &made[..] else { panic!("{made:?}") };
    let access = own.access(access.clone());
    let size = usize::try_from(BIG_CHUNK).unwrap();
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
    assert_modest(&own, "a big chunk");
    // The same, cut off in the middle of its chunk.
    let cut = raw::signed(&access, "PUT", &raw::path(&bucket, "cut"), "", &headers, &body[..size / 2]).await;
    assert_eq!((cut.status, raw::reason(&cut).starts_with("IncompleteBody")), (400, true), "{cut:?}");
    assert_eq!(list(&client, &bucket, "").await.unwrap(), ["big"]);
}

/// Holds the most that the server's memory ever came to against the limit.
fn assert_modest(own: &Own, after: &str) {
    let status = std::fs::read_to_string(format!("/proc/{}/status", own.running.pid())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let peak: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(peak < MAX_MEMORY, "with {after} the server's memory came to {peak} KiB");
}
