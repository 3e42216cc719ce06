//! Objects in one request: what they keep, versions, ranges, conditions, copies, batches, and what B2 refuses.

use aws_sdk_s3::{
    primitives::{ByteStream, DateTime},
    types::{ChecksumAlgorithm, ChecksumMode, Delete, MetadataDirective, ObjectIdentifier},
};
use bulkhead_target::services::s3::{Options, Profile};

use super::common::{code, get, list, own, put};

#[tokio::test]
async fn an_object_keeps_its_headers_and_a_copy_takes_or_replaces_them() {
    let mut own = own(Options::default()).await;
    let (client, bucket) = own.tenant().await;
    let put = client.put_object().bucket(&bucket).key("a").body(ByteStream::from_static(b"body"));
    let put = put.content_type("text/plain").cache_control("max-age=60").content_disposition("inline");
    let put = put.content_encoding("gzip").content_language("en").expires(DateTime::from_secs(1_800_000_000));
    put.metadata("owner", "engine").metadata("name", "Zoë").send().await.unwrap();
    let head = client.head_object().bucket(&bucket).key("a").send().await.unwrap();
    assert_eq!(head.content_type(), Some("text/plain"));
    assert_eq!(head.cache_control(), Some("max-age=60"));
    assert_eq!(head.content_disposition(), Some("inline"));
    assert_eq!(head.content_encoding(), Some("gzip"), "and nothing of the transfer's own `aws-chunked`");
    assert_eq!(head.content_language(), Some("en"));
    assert_eq!(head.expires_string(), Some("Fri, 15 Jan 2027 08:00:00 GMT"));
    assert_eq!(head.metadata().unwrap()["owner"], "engine");

    let copy = || client.copy_object().bucket(&bucket).copy_source(format!("{bucket}/a"));
    copy().key("b").send().await.unwrap();
    let replaced = copy().key("c").metadata_directive(MetadataDirective::Replace).content_type("text/html");
    replaced.metadata("new", "yes").send().await.unwrap();
    let b = client.head_object().bucket(&bucket).key("b").send().await.unwrap();
    assert_eq!((b.content_type(), b.metadata()), (Some("text/plain"), head.metadata()));
    let c = client.head_object().bucket(&bucket).key("c").send().await.unwrap();
    assert_eq!((c.content_type(), c.cache_control()), (Some("text/html"), None));
    assert_eq!(c.metadata().unwrap().len(), 1);
    assert_eq!(get(&client, &bucket, "c").await.unwrap(), b"body");

    let itself = copy().key("a").send().await.unwrap_err();
    assert!(code(itself).starts_with("400 InvalidRequest"));
    let missing = client.copy_object().bucket(&bucket).key("d").copy_source(format!("{bucket}/none"));
    assert!(code(missing.send().await.unwrap_err()).starts_with("404 NoSuchKey"));
    let other = copy().key("d").copy_source_if_match("\"other\"").send().await.unwrap_err();
    assert!(code(other).starts_with("412 PreconditionFailed"));
    let much = client.put_object().bucket(&bucket).key("e").metadata("m", "x".repeat(2048));
    assert!(code(much.send().await.unwrap_err()).starts_with("400 MetadataTooLarge"));
}

#[tokio::test]
async fn ranges() {
    let mut own = own(Options::default()).await;
    let (client, bucket) = own.tenant().await;
    put(&client, &bucket, "a", b"0123456789").await.unwrap();
    put(&client, &bucket, "empty", b"").await.unwrap();
    let ranged = |key: &str, range: &str| {
        let get = client.get_object().bucket(&bucket).key(key).range(range);
        async move {
            let got = get.send().await.map_err(code)?;
            let shown = got.content_range().unwrap_or("whole").to_owned();
            Ok::<_, String>((shown, String::from_utf8(got.body.collect().await.unwrap().to_vec()).unwrap()))
        }
    };
    for (range, shown, body) in [
        ("bytes=0-0", "bytes 0-0/10", "0"),
        ("bytes=2-4", "bytes 2-4/10", "234"),
        ("bytes=8-", "bytes 8-9/10", "89"),
        ("bytes=8-100", "bytes 8-9/10", "89"),
        ("bytes=-3", "bytes 7-9/10", "789"),
        ("bytes=-100", "bytes 0-9/10", "0123456789"),
    ] {
        assert_eq!(ranged("a", range).await.unwrap(), (shown.to_owned(), body.to_owned()), "{range}");
    }
    for (key, range) in [("a", "bytes=10-"), ("a", "bytes=-0"), ("empty", "bytes=0-"), ("empty", "bytes=-1")]
    {
        let refused = ranged(key, range).await.unwrap_err();
        assert!(refused.starts_with("416 InvalidRange"), "{key} {range}: {refused}");
    }
    assert_eq!(get(&client, &bucket, "empty").await.unwrap(), b"");
}

#[tokio::test]
async fn conditional_reads() {
    let mut own = own(Options::default()).await;
    let (client, bucket) = own.tenant().await;
    put(&client, &bucket, "a", b"x").await.unwrap();
    let head = client.head_object().bucket(&bucket).key("a").send().await.unwrap();
    let (tag, at) = (head.e_tag().unwrap(), *head.last_modified().unwrap());
    let before = DateTime::from_secs(at.secs() - 1);
    let get = || client.get_object().bucket(&bucket).key("a");
    let status = |get: aws_sdk_s3::operation::get_object::builders::GetObjectFluentBuilder| async move {
        get.send().await.map_or_else(code, |_| String::from("200"))
    };
    assert_eq!(status(get().if_match(tag)).await, "200");
    assert!(status(get().if_match("\"other\"")).await.starts_with("412 PreconditionFailed"));
    assert_eq!(status(get().if_none_match("\"other\"")).await, "200");
    assert_eq!(status(get().if_none_match(tag)).await, "304");
    assert_eq!(status(get().if_modified_since(at)).await, "304");
    assert_eq!(status(get().if_modified_since(before)).await, "200");
    assert_eq!(status(get().if_unmodified_since(at)).await, "200");
    assert!(status(get().if_unmodified_since(before)).await.starts_with("412 PreconditionFailed"));
}

#[tokio::test]
async fn conditional_writes_follow_the_profile() {
    let mut b2 = own(Options::default()).await;
    let (client, bucket) = b2.tenant().await;
    let refused = client.put_object().bucket(&bucket).key("a").if_none_match("*").send().await.unwrap_err();
    let expected = "501 NotImplemented: A header you provided implies functionality that is not implemented";
    assert_eq!(code(refused), expected);
    assert!(list(&client, &bucket, "").await.unwrap().is_empty());

    let mut s3 = own(Options { profile: Profile::S3, ..Options::default() }).await;
    let (client, bucket) = s3.tenant().await;
    // Of eight that race to create it, one wins.
    let racers: Vec<_> = (0..8)
        .map(|n: u8| {
            let put = client.put_object().bucket(&bucket).key("a").if_none_match("*").body(vec![n].into());
            tokio::spawn(put.send())
        })
        .collect();
    let mut won = 0;
    for racer in racers {
        match racer.await.unwrap() {
            Ok(_) => won += 1,
            Err(error) => assert!(code(error).starts_with("412 PreconditionFailed")),
        }
    }
    assert_eq!(won, 1);
    let head = client.head_object().bucket(&bucket).key("a").send().await.unwrap();
    let swap = |tag: &str| {
        client.put_object().bucket(&bucket).key("a").if_match(tag).body(b"new".to_vec().into()).send()
    };
    swap(head.e_tag().unwrap()).await.unwrap();
    assert!(code(swap(head.e_tag().unwrap()).await.unwrap_err()).starts_with("412 PreconditionFailed"));
    let absent = client.put_object().bucket(&bucket).key("none").if_match("\"x\"").send().await.unwrap_err();
    assert!(code(absent).starts_with("404 NoSuchKey"));
}

#[tokio::test]
async fn versions_stay_until_they_are_deleted_by_their_ids() {
    let mut own = own(Options::default()).await;
    let (client, bucket) = own.tenant().await;
    let status = client.get_bucket_versioning().bucket(&bucket).send().await.unwrap();
    assert_eq!(status.status().unwrap().as_str(), "Enabled");
    let first = put(&client, &bucket, "a", b"one").await.unwrap();
    let second = put(&client, &bucket, "a", b"two").await.unwrap();
    let deleted = client.delete_object().bucket(&bucket).key("a").send().await.unwrap();
    assert_eq!(deleted.delete_marker(), Some(true));
    let marker = deleted.version_id().unwrap();
    assert!(get(&client, &bucket, "a").await.unwrap_err().starts_with("404 NoSuchKey"));
    assert!(list(&client, &bucket, "").await.unwrap().is_empty());
    let by_id = |id: &str| client.get_object().bucket(&bucket).key("a").version_id(id).send();
    assert_eq!(by_id(&first).await.unwrap().body.collect().await.unwrap().to_vec(), b"one");
    assert!(code(by_id(marker).await.unwrap_err()).starts_with("405 MethodNotAllowed"));
    assert!(code(by_id("nothing").await.unwrap_err()).starts_with("404 NoSuchVersion"));

    let listed = client.list_object_versions().bucket(&bucket).send().await.unwrap();
    let ids: Vec<_> =
        listed.versions().iter().map(|v| (v.version_id().unwrap(), v.is_latest().unwrap())).collect();
    assert_eq!(ids, [(second.as_str(), false), (first.as_str(), false)], "newest first");
    assert_eq!(listed.delete_markers()[0].is_latest(), Some(true));
    // A copy of an old version brings it back.
    let source = format!("{bucket}/a?versionId={first}");
    let copied = client.copy_object().bucket(&bucket).key("a").copy_source(source).send().await.unwrap();
    assert_eq!(copied.copy_source_version_id(), Some(first.as_str()));
    assert_eq!(get(&client, &bucket, "a").await.unwrap(), b"one");
    let delete = |id: &str| client.delete_object().bucket(&bucket).key("a").version_id(id).send();
    delete(copied.version_id().unwrap()).await.unwrap();
    assert_eq!(delete(marker).await.unwrap().delete_marker(), Some(true));
    assert_eq!(
        get(&client, &bucket, "a").await.unwrap(),
        b"two",
        "without the marker the object shows again"
    );
}

#[tokio::test]
async fn a_batch_deletes_many() {
    let mut own = own(Options::default()).await;
    let (client, bucket) = own.tenant().await;
    let mut batch = Delete::builder();
    for n in 0..20 {
        put(&client, &bucket, &format!("k{n:02}"), b"x").await.unwrap();
        batch = batch.objects(ObjectIdentifier::builder().key(format!("k{n:02}")).build().unwrap());
    }
    put(&client, &bucket, "stays", b"x").await.unwrap();
    let deleted =
        client.delete_objects().bucket(&bucket).delete(batch.build().unwrap()).send().await.unwrap();
    assert_eq!((deleted.deleted().len(), deleted.errors().len()), (20, 0));
    assert_eq!(list(&client, &bucket, "").await.unwrap(), ["stays"]);
}

#[tokio::test]
async fn checksums_are_checked_kept_and_given_back() {
    let mut own = own(Options::default()).await;
    let (client, bucket) = own.tenant().await;
    for algorithm in [
        ChecksumAlgorithm::Crc32,
        ChecksumAlgorithm::Crc32C,
        ChecksumAlgorithm::Crc64Nvme,
        ChecksumAlgorithm::Sha1,
        ChecksumAlgorithm::Sha256,
    ] {
        let key = algorithm.as_str();
        let body = ByteStream::from(b"0123456789".repeat(20_000));
        let put =
            client.put_object().bucket(&bucket).key(key).body(body).checksum_algorithm(algorithm.clone());
        let put = put.send().await.unwrap();
        let get = client.get_object().bucket(&bucket).key(key).checksum_mode(ChecksumMode::Enabled);
        let got = get.send().await.unwrap();
        let sums = (got.checksum_crc32(), got.checksum_crc32_c(), got.checksum_crc64_nvme());
        assert_eq!(sums, (put.checksum_crc32(), put.checksum_crc32_c(), put.checksum_crc64_nvme()), "{key}");
        let given = [sums.0, sums.1, sums.2, got.checksum_sha1(), got.checksum_sha256()];
        assert_eq!(given.iter().flatten().count(), 1, "{key}: {given:?}");
        // The SDK checks it as it reads.
        assert_eq!(got.body.collect().await.unwrap().into_bytes().len(), 200_000);
    }
    let wrong = client.put_object().bucket(&bucket).key("w").body(b"x".to_vec().into());
    let wrong = wrong.checksum_sha256("47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=").send().await;
    assert!(code(wrong.unwrap_err()).starts_with("400 BadDigest"));
    let wrong = client.put_object().bucket(&bucket).key("w").body(b"x".to_vec().into());
    let wrong = wrong.content_md5("1B2M2Y8AsgTpgAmY7PhCfg==").send().await;
    assert!(code(wrong.unwrap_err()).starts_with("400 BadDigest"));
    assert!(get(&client, &bucket, "w").await.is_err());
}

#[tokio::test]
async fn tags_are_refused_as_on_b2() {
    let mut own = own(Options::default()).await;
    let (client, bucket) = own.tenant().await;
    let refused = client.put_object().bucket(&bucket).key("a").tagging("a=b").send().await.unwrap_err();
    let expected = "400 InvalidArgument: Unsupported header 'x-amz-tagging' received for this API call.";
    assert_eq!(code(refused), expected);
    let tags = client.get_object_tagging().bucket(&bucket).key("a").send().await.unwrap_err();
    assert!(code(tags).starts_with("501 NotImplemented"));
}
