//! Every S3 operation against keys of each kind, as one table: a key of one bucket, one with a prefix, read-only and
//! write-only ones, and the account's own.

use std::slice::from_ref;

use super::{
    Capability::{self, *},
    Decision, KeyGrant, Request, allowed,
};

const READ_WRITE: [Capability; 8] = [
    ListBuckets,
    ReadBuckets,
    ReadBucketEncryption,
    ListFiles,
    ReadFiles,
    ShareFiles,
    WriteFiles,
    DeleteFiles,
];

/// Operation, what its path names (`/` the account, `b` a bucket, `o` an object, `c` a copy), and which of the keys in
/// [`keys`] may do it, by letter.
const TABLE: &[(&str, char, &str)] = &[
    ("ListBuckets", '/', "a"),
    ("CreateBucket", 'b', "a"),
    ("DeleteBucket", 'b', "a"),
    ("HeadBucket", 'b', "apn"),
    ("GetBucketLocation", 'b', "ap"),
    ("GetBucketVersioning", 'b', "ap"),
    ("GetBucketAcl", 'b', "ap"),
    ("GetBucketEncryption", 'b', "ap"),
    ("GetBucketPolicy", 'b', "ap"),
    ("GetBucketCors", 'b', "ap"),
    ("GetBucketLifecycleConfiguration", 'b', "ap"),
    ("GetObjectLockConfiguration", 'b', "ap"),
    ("PutBucketPolicy", 'b', "a"),
    ("PutBucketAcl", 'b', "a"),
    ("PutBucketCors", 'b', "a"),
    ("PutBucketVersioning", 'b', "a"),
    ("PutBucketEncryption", 'b', "a"),
    ("PutBucketLifecycleConfiguration", 'b', "a"),
    ("PutBucketReplication", 'b', "a"),
    ("DeleteBucketPolicy", 'b', "a"),
    ("DeleteBucketCors", 'b', "a"),
    ("DeleteBucketLifecycle", 'b', "a"),
    ("ListObjects", 'b', "apr"),
    ("ListObjectsV2", 'b', "apr"),
    ("ListObjectVersions", 'b', "apr"),
    ("ListMultipartUploads", 'b', "apr"),
    ("GetObject", 'o', "apr"),
    ("HeadObject", 'o', "apr"),
    ("GetObjectAcl", 'o', "apr"),
    ("GetObjectAttributes", 'o', "apr"),
    ("GetObjectTagging", 'o', "apr"),
    ("GetObjectRetention", 'o', "apr"),
    ("PutObject", 'o', "apw"),
    ("CreateMultipartUpload", 'o', "apw"),
    ("UploadPart", 'o', "apw"),
    ("CompleteMultipartUpload", 'o', "apw"),
    ("AbortMultipartUpload", 'o', "apw"),
    ("ListParts", 'o', "apw"),
    ("PutObjectAcl", 'o', "apw"),
    ("PutObjectTagging", 'o', "apw"),
    ("CopyObject", 'c', "ap"),
    ("UploadPartCopy", 'c', "ap"),
    ("DeleteObject", 'o', "apw"),
    ("DeleteObject", 'v', "apd"),
    ("DeleteObjects", 'b', "apwd"),
    // Refused to everybody: B2 has none of them, and a form upload's signature covers no header.
    ("PostObject", 'b', ""),
    ("CreateSession", 'b', ""),
    ("ListDirectoryBuckets", '/', ""),
    ("WriteGetObjectResponse", 'b', ""),
    ("CreateBucketMetadataTableConfiguration", 'b', ""),
    ("PutBucketAnalyticsConfiguration", 'b', ""),
    ("ListBucketInventoryConfigurations", 'b', ""),
    ("AnOperationOfTheFuture", 'o', ""),
];

fn grant(bucket: Option<&str>, capabilities: &[Capability]) -> KeyGrant {
    KeyGrant {
        buckets: bucket.map(|bucket| vec![bucket.to_owned()]),
        prefix: String::new(),
        capabilities: capabilities.to_vec(),
    }
}

/// The account's key, and keys of the bucket `mine`: the console's read-and-write, read-only, write-only, delete-only
/// and one that may only name its bucket.
fn keys() -> Vec<(char, KeyGrant)> {
    let all = [&READ_WRITE[..], &[ListAllBucketNames, WriteBuckets, DeleteBuckets]].concat();
    vec![
        ('a', grant(None, &all)),
        ('p', grant(Some("mine"), &READ_WRITE)),
        ('r', grant(Some("mine"), &[ListFiles, ReadFiles])),
        ('w', grant(Some("mine"), &[WriteFiles])),
        ('d', grant(Some("mine"), &[DeleteFiles])),
        ('n', grant(Some("mine"), &[ListBuckets])),
    ]
}

fn request<'a>(operation: &'a str, shape: char, bucket: &'a str, key: &'a str) -> Request<'a> {
    Request {
        operation,
        bucket: (shape != '/').then_some(bucket),
        key: matches!(shape, 'o' | 'v' | 'c').then_some(key),
        prefix: if shape == 'b' { key } else { "" },
        version: shape == 'v',
        source: (shape == 'c').then_some((bucket, key)),
    }
}

#[test]
fn every_operation_asks_for_its_capability_in_the_keys_own_bucket() {
    for (operation, shape, who) in TABLE {
        for (letter, key) in keys() {
            let expected = if who.contains(letter) { Decision::Allowed } else { Decision::NotEntitled };
            let decision = allowed(from_ref(&key), &request(operation, *shape, "mine", "a/b"));
            assert_eq!(decision, expected, "{operation} ({shape}) by key {letter}");
        }
    }
}

#[test]
fn nothing_but_the_accounts_key_reaches_another_bucket() {
    for (operation, shape, who) in TABLE.iter().filter(|row| row.1 != '/') {
        for (letter, key) in keys() {
            let expected =
                if letter == 'a' && who.contains('a') { Decision::Allowed } else { Decision::NotEntitled };
            let decision = allowed(from_ref(&key), &request(operation, *shape, "theirs", "a/b"));
            assert_eq!(decision, expected, "{operation} ({shape}) by key {letter}");
        }
    }
}

#[test]
fn a_prefix_key_keeps_below_its_prefix() {
    let key = KeyGrant { prefix: String::from("engine/"), ..grant(Some("mine"), &READ_WRITE) };
    let outside =
        ["", "e", "engine", "engines/x", "plane/x", "Engine/x", "/engine/x", "../engine/x", "plane/engine/"];
    let inside = ["engine/", "engine/x", "engine//x", "engine/../plane/x"];
    for (operation, shape, _) in TABLE.iter().filter(|(_, shape, who)| who.contains('p') && *shape != '/') {
        let whole =
            matches!(*operation, "HeadBucket" | "DeleteObjects") || operation.starts_with("GetBucket");
        if whole || *operation == "GetObjectLockConfiguration" {
            continue;
        }
        for name in outside {
            let decision = allowed(from_ref(&key), &request(operation, *shape, "mine", name));
            assert_eq!(decision, Decision::NotEntitled, "{operation} on `{name}`");
        }
        for name in inside {
            let decision = allowed(from_ref(&key), &request(operation, *shape, "mine", name));
            assert_eq!(decision, Decision::Allowed, "{operation} on `{name}`");
        }
    }
}

#[test]
fn a_copy_asks_about_both_ends() {
    let key = grant(Some("mine"), &READ_WRITE);
    for operation in ["CopyObject", "UploadPartCopy"] {
        let copy = |source: Option<(&'static str, &'static str)>, bucket: &'static str| {
            allowed(from_ref(&key), &Request { source, ..request(operation, 'o', bucket, "to") })
        };
        assert_eq!(copy(Some(("mine", "from")), "mine"), Decision::Allowed);
        assert_eq!(copy(Some(("theirs", "from")), "mine"), Decision::NotEntitled);
        assert_eq!(copy(Some(("mine", "from")), "theirs"), Decision::NotEntitled);
        assert_eq!(copy(None, "mine"), Decision::NotEntitled);
    }
    let writes = grant(Some("mine"), &[WriteFiles]);
    assert_eq!(allowed(from_ref(&writes), &request("CopyObject", 'c', "mine", "x")), Decision::NotEntitled);
}

#[test]
fn a_key_without_buckets_reaches_none() {
    let key = KeyGrant { buckets: Some(Vec::new()), ..grant(None, &READ_WRITE) };
    assert_eq!(allowed(from_ref(&key), &request("GetObject", 'o', "mine", "x")), Decision::NotEntitled);
}

#[test]
fn what_a_key_was_given_on_top_adds_to_its_own_and_lends_it_nothing_more() {
    let extra = |prefix: &str, capability| KeyGrant {
        prefix: prefix.to_owned(),
        ..grant(Some("theirs"), &[capability])
    };
    let of = |extra| [grant(Some("mine"), &READ_WRITE), extra];
    let asks = |key: &[KeyGrant; 2], operation, shape, bucket, name| {
        allowed(key, &request(operation, shape, bucket, name)) == Decision::Allowed
    };
    for (capability, can) in [
        (ReadFiles, ["GetObject"].as_slice()),
        (WriteFiles, ["PutObject", "DeleteObject", "DeleteObjects"].as_slice()),
        (DeleteFiles, ["DeleteObjects"].as_slice()),
        (ListFiles, ["ListObjectsV2"].as_slice()),
    ] {
        let key = of(extra("", capability));
        for (operation, shape) in [
            ("GetObject", 'o'),
            ("PutObject", 'o'),
            ("DeleteObject", 'o'),
            ("DeleteObjects", 'b'),
            ("ListObjectsV2", 'b'),
        ] {
            assert!(asks(&key, operation, shape, "mine", "x"), "{operation} with {capability:?} on top");
            let there = asks(&key, operation, shape, "theirs", "x");
            assert_eq!(there, can.contains(&operation), "{operation} with {capability:?} on top");
        }
        assert_eq!(asks(&key, "DeleteObject", 'v', "theirs", "x"), capability == DeleteFiles);
        assert!(!asks(&key, "GetObject", 'o', "third", "x"));
    }
    let reads = of(extra("engine/", ReadFiles));
    assert!(asks(&reads, "GetObject", 'o', "theirs", "engine/x"));
    assert!(!asks(&reads, "GetObject", 'o', "theirs", "plane/x"));
    let copy = |key: &[KeyGrant; 2], source, bucket| {
        let source = Some((source, "engine/x"));
        allowed(key, &Request { source, ..request("CopyObject", 'o', bucket, "engine/y") })
    };
    assert_eq!(copy(&reads, "theirs", "mine"), Decision::Allowed, "each end by the grant that covers it");
    assert_eq!(copy(&reads, "mine", "theirs"), Decision::NotEntitled);
    assert_eq!(copy(&of(extra("", WriteFiles)), "mine", "theirs"), Decision::Allowed);
    assert_eq!(copy(&of(extra("", WriteFiles)), "theirs", "mine"), Decision::NotEntitled);
}
