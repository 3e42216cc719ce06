//! Uploads in parts.

use aws_sdk_s3::{
    Client,
    types::{ChecksumAlgorithm, ChecksumMode, ChecksumType, CompletedMultipartUpload, CompletedPart},
};
use bulkhead_target::services::s3::Options;

use super::common::{code, get, list, own, put};

/// Five bytes a part will do.
fn small() -> Options {
    Options { min_part_size: 5, ..Options::default() }
}

async fn begin(client: &Client, bucket: &str, key: &str) -> String {
    let begun = client.create_multipart_upload().bucket(bucket).key(key).content_type("text/plain");
    begun.send().await.unwrap().upload_id().unwrap().to_owned()
}

async fn part(client: &Client, bucket: &str, key: &str, id: &str, number: i32, body: &[u8]) -> CompletedPart {
    let part = client.upload_part().bucket(bucket).key(key).upload_id(id).part_number(number);
    let sent = part.body(body.to_vec().into()).send().await.unwrap();
    CompletedPart::builder().part_number(number).set_e_tag(sent.e_tag().map(str::to_owned)).build()
}

async fn complete(
    client: &Client,
    bucket: &str,
    key: &str,
    id: &str,
    parts: &[CompletedPart],
) -> Result<String, String> {
    let parts = CompletedMultipartUpload::builder().set_parts(Some(parts.to_vec())).build();
    let complete = client.complete_multipart_upload().bucket(bucket).key(key).upload_id(id);
    let done = complete.multipart_upload(parts).send().await.map_err(code)?;
    Ok(done.e_tag().unwrap().to_owned())
}

#[tokio::test]
async fn parts_in_any_order_make_one_object_that_shows_only_when_complete() {
    let mut own = own(small()).await;
    let (client, bucket) = own.tenant().await;
    let id = begin(&client, &bucket, "a").await;
    let two = part(&client, &bucket, "a", &id, 2, b"world").await;
    part(&client, &bucket, "a", &id, 1, b"wrong").await;
    let one = part(&client, &bucket, "a", &id, 1, b"hello ").await;
    let last = part(&client, &bucket, "a", &id, 10_000, b"!").await;
    assert!(get(&client, &bucket, "a").await.unwrap_err().starts_with("404 NoSuchKey"));
    assert!(list(&client, &bucket, "").await.unwrap().is_empty());
    let parts =
        client.list_parts().bucket(&bucket).key("a").upload_id(&id).max_parts(2).send().await.unwrap();
    let sizes: Vec<_> = parts.parts().iter().map(|p| (p.part_number().unwrap(), p.size().unwrap())).collect();
    assert_eq!((sizes, parts.is_truncated()), (vec![(1, 6), (2, 5)], Some(true)));
    let marker = parts.next_part_number_marker().unwrap();
    let rest = client.list_parts().bucket(&bucket).key("a").upload_id(&id).part_number_marker(marker);
    assert_eq!(rest.send().await.unwrap().parts()[0].part_number(), Some(10_000));

    let tag = complete(&client, &bucket, "a", &id, &[one, two, last]).await.unwrap();
    // MD5 over the three binary MD5s, by another hand: `md5sum` and `xxd -r -p`.
    assert_eq!(tag, "\"17fe2db5a72f9b36615452a6309e4cbb-3\"");
    assert_eq!(get(&client, &bucket, "a").await.unwrap(), b"hello world!");
    let head = client.head_object().bucket(&bucket).key("a").send().await.unwrap();
    assert_eq!((head.content_length(), head.content_type()), (Some(12), Some("text/plain")));
    let ranged = client.get_object().bucket(&bucket).key("a").range("bytes=4-7").send().await.unwrap();
    assert_eq!(ranged.body.collect().await.unwrap().to_vec(), b"o wo", "across the seam");
    let second = client.get_object().bucket(&bucket).key("a").part_number(2).send().await.unwrap();
    assert_eq!(second.parts_count(), Some(3));
    assert_eq!(second.body.collect().await.unwrap().to_vec(), b"world");
    let gone = client.list_parts().bucket(&bucket).key("a").upload_id(&id).send().await.unwrap_err();
    assert!(code(gone).starts_with("404 NoSuchUpload"));
}

#[tokio::test]
async fn the_rules_for_parts() {
    let mut own = own(small()).await;
    let (client, bucket) = own.tenant().await;
    let id = begin(&client, &bucket, "a").await;
    let short = part(&client, &bucket, "a", &id, 1, b"1").await;
    let long = part(&client, &bucket, "a", &id, 2, b"12345").await;
    let made_up = CompletedPart::builder().part_number(3).e_tag("\"x\"").build();
    let other_tag = CompletedPart::builder().part_number(2).e_tag(short.e_tag().unwrap()).build();
    for (parts, expected) in [
        (vec![short.clone(), long.clone()], "400 EntityTooSmall"),
        (vec![long.clone(), short.clone()], "400 InvalidPartOrder"),
        (vec![long.clone(), long.clone()], "400 InvalidPartOrder"),
        (vec![long.clone(), made_up], "400 InvalidPart:"),
        (vec![other_tag], "400 InvalidPart:"),
        (vec![], "400 MalformedXML"),
    ] {
        let refused = complete(&client, &bucket, "a", &id, &parts).await.unwrap_err();
        assert!(refused.starts_with(expected), "{expected}: {refused}");
    }
    for number in [0, 10_001] {
        let part = client.upload_part().bucket(&bucket).key("a").upload_id(&id).part_number(number);
        assert!(code(part.send().await.unwrap_err()).starts_with("400 InvalidArgument"), "{number}");
    }
    let elsewhere = client.upload_part().bucket(&bucket).key("b").upload_id(&id).part_number(1).send().await;
    assert!(code(elsewhere.unwrap_err()).starts_with("404 NoSuchUpload"));
    // Only the last may be short, and alone it is the last.
    complete(&client, &bucket, "a", &id, &[short]).await.unwrap();
    assert!(complete(&client, &bucket, "a", &id, &[long]).await.unwrap_err().starts_with("404 NoSuchUpload"));
}

#[tokio::test]
async fn the_shortest_part_is_five_mebibytes_unless_said_otherwise() {
    let mut own = own(Options::default()).await;
    let (client, bucket) = own.tenant().await;
    let id = begin(&client, &bucket, "a").await;
    let one = part(&client, &bucket, "a", &id, 1, &vec![0; 5 * 1024 * 1024 - 1]).await;
    let two = part(&client, &bucket, "a", &id, 2, b"x").await;
    let refused = complete(&client, &bucket, "a", &id, &[one, two.clone()]).await.unwrap_err();
    assert!(refused.starts_with("400 EntityTooSmall"), "{refused}");
    let one = part(&client, &bucket, "a", &id, 1, &vec![0; 5 * 1024 * 1024]).await;
    complete(&client, &bucket, "a", &id, &[one, two]).await.unwrap();
}

#[tokio::test]
async fn an_aborted_upload_leaves_nothing() {
    let mut own = own(small()).await;
    let (client, bucket) = own.tenant().await;
    let id = begin(&client, &bucket, "a").await;
    part(&client, &bucket, "a", &id, 1, b"hello").await;
    let abort = || client.abort_multipart_upload().bucket(&bucket).key("a").upload_id(&id).send();
    abort().await.unwrap();
    assert!(code(abort().await.unwrap_err()).starts_with("404 NoSuchUpload"));
    assert_eq!(std::fs::read_dir(own.direct.place.dir.join("data/objects")).unwrap().count(), 0);
}

#[tokio::test]
async fn unfinished_uploads_are_listed() {
    let mut own = own(small()).await;
    let (client, bucket) = own.tenant().await;
    let mut ids = Vec::new();
    for key in ["a", "a", "dir/b", "dir/c", "z"] {
        ids.push((key.to_owned(), begin(&client, &bucket, key).await));
    }
    let (mut found, mut marker) = (Vec::new(), (None, None));
    loop {
        let list = client.list_multipart_uploads().bucket(&bucket).max_uploads(2);
        let page = list.set_key_marker(marker.0).set_upload_id_marker(marker.1).send().await.unwrap();
        let lines =
            page.uploads().iter().map(|u| (u.key().unwrap().to_owned(), u.upload_id().unwrap().to_owned()));
        found.extend(lines);
        marker = (page.next_key_marker().map(str::to_owned), page.next_upload_id_marker().map(str::to_owned));
        if !page.is_truncated().unwrap() {
            break;
        }
    }
    // Uploads of one key come in the order in which they began, to the millisecond.
    found.sort();
    ids.sort();
    assert_eq!(found, ids);
    let folded = client.list_multipart_uploads().bucket(&bucket).delimiter("/").send().await.unwrap();
    assert_eq!(folded.common_prefixes()[0].prefix(), Some("dir/"));
    assert_eq!(folded.uploads().len(), 3);
}

#[tokio::test]
async fn parts_are_copied_from_objects() {
    let mut own = own(small()).await;
    let (client, bucket) = own.tenant().await;
    put(&client, &bucket, "source", b"0123456789").await.unwrap();
    let id = begin(&client, &bucket, "a").await;
    let copy = |range: &str| {
        let copy = client.upload_part_copy().bucket(&bucket).key("a").upload_id(&id).part_number(1);
        copy.copy_source(format!("{bucket}/source")).copy_source_range(range).send()
    };
    assert!(code(copy("bytes=0-10").await.unwrap_err()).starts_with("416 InvalidRange"));
    assert!(code(copy("bytes=5-").await.unwrap_err()).starts_with("400 InvalidArgument"));
    let copied = copy("bytes=3-8").await.unwrap();
    let tag = copied.copy_part_result().unwrap().e_tag().unwrap();
    let one = CompletedPart::builder().part_number(1).e_tag(tag).build();
    let two = part(&client, &bucket, "a", &id, 2, b"!").await;
    complete(&client, &bucket, "a", &id, &[one, two]).await.unwrap();
    assert_eq!(get(&client, &bucket, "a").await.unwrap(), b"345678!");
}

#[tokio::test]
async fn checksums_over_parts_and_over_the_whole() {
    let mut own = own(small()).await;
    let (client, bucket) = own.tenant().await;
    // The same bytes in one request have the checksum that FULL_OBJECT promises.
    put(&client, &bucket, "whole", b"hello world").await.unwrap();
    let head = client.head_object().bucket(&bucket).key("whole").checksum_mode(ChecksumMode::Enabled);
    let whole = head.send().await.unwrap().checksum_crc32().unwrap().to_owned();
    for (kind, expected) in [(ChecksumType::FullObject, whole.as_str()), (ChecksumType::Composite, "-2")] {
        let begun = client.create_multipart_upload().bucket(&bucket).key("parts").checksum_type(kind.clone());
        let begun = begun.checksum_algorithm(ChecksumAlgorithm::Crc32).send().await.unwrap();
        let id = begun.upload_id().unwrap();
        let mut parts = Vec::new();
        for (number, body) in [(1, &b"hello "[..]), (2, b"world")] {
            parts.push(part(&client, &bucket, "parts", id, number, body).await);
        }
        complete(&client, &bucket, "parts", id, &parts).await.unwrap();
        let head = client.head_object().bucket(&bucket).key("parts").checksum_mode(ChecksumMode::Enabled);
        let head = head.send().await.unwrap();
        assert!(head.checksum_crc32().unwrap().ends_with(expected), "{kind}: {head:?}");
        assert_eq!(head.checksum_type(), Some(&kind));
        assert_eq!(get(&client, &bucket, "parts").await.unwrap(), b"hello world");
    }
}
