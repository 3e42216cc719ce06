//! Keys of each kind against buckets and calls of each kind, over the wire. The table over every operation is a unit
//! test of `allowed`; here is shown that the server asks it.

use aws_sdk_s3::{
    Client,
    types::{Delete, ObjectIdentifier},
};
use bulkhead_target::services::s3::{
    Options,
    embedded::{
        Capability::{self, *},
        KeyGrant,
    },
};

use super::common::{Own, code, get, list, own, put, serving, shared};

const NOT_ENTITLED: &str = "403 AccessDenied: not entitled";

fn ok<T>(result: Result<T, String>) -> String {
    result.map_or_else(|refused| refused, |_| String::from("ok"))
}

/// What each of these calls comes to: get, put, delete, delete a version, list, head bucket, location, list buckets.
async fn outcomes(client: &Client, bucket: &str, version: &str) -> [String; 8] {
    let (key, buckets) = ("team/a", client.list_buckets().send().await.map_err(code));
    let delete = client.delete_object().bucket(bucket).key(key).send().await.map_err(code);
    let purge = client.delete_object().bucket(bucket).key(key).version_id(version).send().await.map_err(code);
    [
        ok(client.head_object().bucket(bucket).key("team/keep").send().await.map_err(code)),
        ok(put(client, bucket, key, b"x").await),
        ok(delete),
        ok(purge),
        ok(list(client, bucket, "team/").await),
        ok(client.head_bucket().bucket(bucket).send().await.map_err(code)),
        ok(client.get_bucket_location().bucket(bucket).send().await.map_err(code)),
        ok(buckets),
    ]
}

/// The capabilities that this table is about.
const EVERY: [Capability; 9] = [
    ListBuckets,
    ListAllBucketNames,
    ReadBuckets,
    WriteBuckets,
    DeleteBuckets,
    ListFiles,
    ReadFiles,
    WriteFiles,
    DeleteFiles,
];

/// A name, the key's buckets, prefix and capabilities, the bucket that is tried, and what [`outcomes`] must say.
type Row<'a> = (&'a str, Option<&'a [&'a str]>, &'a str, &'a [Capability], &'a str, [&'a str; 8]);

async fn key(own: &mut Own, buckets: Option<&[&str]>, prefix: &str, capabilities: &[Capability]) -> Client {
    let grant = KeyGrant {
        buckets: buckets.map(|names| names.iter().map(|name| (*name).to_owned()).collect()),
        prefix: prefix.to_owned(),
        capabilities: capabilities.to_vec(),
    };
    let access = own.running.add_key("bucket-one", grant).await.unwrap();
    own.client(access)
}

#[tokio::test]
async fn a_key_does_what_its_capabilities_say_where_they_say() {
    let mut own = own(Options::default()).await;
    let all = EVERY;
    let account = key(&mut own, None, "", &all).await;
    account.create_bucket().bucket("bucket-two").send().await.unwrap();
    for bucket in ["bucket-one", "bucket-two"] {
        put(&account, bucket, "team/keep", b"kept").await.unwrap();
    }
    let no = NOT_ENTITLED;
    let bare = "403";
    let ok = "ok";
    // get, put, delete, delete a version, list, head bucket, location, list buckets
    let table: [Row<'_>; 8] = [
        ("the account's", None, "", &all, "bucket-two", [ok, ok, ok, ok, ok, ok, ok, ok]),
        (
            "all rights, one bucket",
            Some(&["bucket-one"]),
            "",
            &all,
            "bucket-one",
            [ok, ok, ok, ok, ok, ok, ok, ok],
        ),
        (
            "all rights, the other",
            Some(&["bucket-one"]),
            "",
            &all,
            "bucket-two",
            [bare, no, no, no, no, bare, no, ok],
        ),
        (
            "two buckets",
            Some(&["bucket-one", "bucket-two"]),
            "",
            &all,
            "bucket-two",
            [ok, ok, ok, ok, ok, ok, ok, ok],
        ),
        ("reader", Some(&["bucket-one"]), "", &[ReadFiles], "bucket-one", [ok, no, no, no, no, bare, no, no]),
        (
            "writer",
            Some(&["bucket-one"]),
            "",
            &[WriteFiles],
            "bucket-one",
            [bare, ok, ok, no, no, bare, no, no],
        ),
        ("its prefix", Some(&["bucket-one"]), "team/", &all, "bucket-one", [ok, ok, ok, ok, ok, ok, ok, ok]),
        (
            "another prefix",
            Some(&["bucket-one"]),
            "te/",
            &all,
            "bucket-one",
            [bare, no, no, no, no, ok, ok, ok],
        ),
    ];
    for (what, buckets, prefix, capabilities, bucket, expected) in table {
        let version = put(&account, bucket, "team/a", b"old").await.unwrap();
        let client = key(&mut own, buckets, prefix, capabilities).await;
        assert_eq!(outcomes(&client, bucket, &version).await, expected, "{what}");
    }
}

#[tokio::test]
async fn buckets_are_made_and_removed_by_the_accounts_key_alone() {
    let mut own = own(Options::default()).await;
    let all = [
        ListBuckets,
        ListAllBucketNames,
        WriteBuckets,
        DeleteBuckets,
        ListFiles,
        ReadFiles,
        WriteFiles,
        DeleteFiles,
    ];
    let account = key(&mut own, None, "", &all).await;
    let limited = key(&mut own, Some(&["bucket-one"]), "", &all).await;
    let create = |client: &Client, name: &str| {
        let create = client.create_bucket().bucket(name);
        async move { ok(create.send().await.map_err(code)) }
    };
    assert_eq!(create(&limited, "bucket-two").await, NOT_ENTITLED);
    assert_eq!(create(&account, "bucket-two").await, "ok");
    assert!(create(&account, "bucket-two").await.starts_with("409 BucketAlreadyOwnedByYou"));
    let names = account.list_buckets().send().await.unwrap();
    let names: Vec<_> = names.buckets().iter().map(|bucket| bucket.name().unwrap()).collect();
    assert_eq!(names, ["bucket-one", "bucket-two"]);

    let version = put(&account, "bucket-two", "a", b"x").await.unwrap();
    let delete = || async { ok(account.delete_bucket().bucket("bucket-two").send().await.map_err(code)) };
    assert!(delete().await.starts_with("409 BucketNotEmpty"));
    account.delete_object().bucket("bucket-two").key("a").version_id(version).send().await.unwrap();
    assert_eq!(delete().await, "ok");
    assert!(delete().await.starts_with("404 NoSuchBucket"));
    assert!(put(&account, "bucket-two", "a", b"x").await.unwrap_err().starts_with("404 NoSuchBucket"));
    let policy = account.put_bucket_policy().bucket("bucket-one").policy("{}").send().await.unwrap_err();
    assert!(code(policy).starts_with("501 NotImplemented"));
    let policy = limited.put_bucket_policy().bucket("bucket-one").policy("{}").send().await.unwrap_err();
    assert_eq!(code(policy), NOT_ENTITLED, "who may not ask does not learn that there is nothing to have");
}

#[tokio::test]
async fn copies_and_batches_cannot_reach_over_the_fence() {
    let (_server, accesses, clients) = serving(&shared()).await;
    let [mine, theirs] = [0, 1].map(|side| accesses[side].tenant.slices.s3.clone());
    put(&clients[1], &theirs.bucket, &theirs.key("secret"), b"canary").await.unwrap();
    put(&clients[0], &mine.bucket, &mine.key("a"), b"mine").await.unwrap();
    let client = &clients[0];
    let copy = |from: String, to: String| {
        let source = format!("{}/{from}", mine.bucket);
        client.copy_object().bucket(&mine.bucket).key(to).copy_source(source).send()
    };
    assert_eq!(code(copy(theirs.key("secret"), mine.key("stolen")).await.unwrap_err()), NOT_ENTITLED);
    assert_eq!(code(copy(mine.key("a"), theirs.key("planted")).await.unwrap_err()), NOT_ENTITLED);
    copy(mine.key("a"), mine.key("b")).await.unwrap();
    assert_eq!(get(client, &mine.bucket, &mine.key("b")).await.unwrap(), b"mine");

    let upload =
        client.create_multipart_upload().bucket(&mine.bucket).key(mine.key("c")).send().await.unwrap();
    let part = |from: String| {
        let copy = client.upload_part_copy().bucket(&mine.bucket).key(mine.key("c")).part_number(1);
        copy.upload_id(upload.upload_id().unwrap()).copy_source(format!("{}/{from}", mine.bucket)).send()
    };
    assert_eq!(code(part(theirs.key("secret")).await.unwrap_err()), NOT_ENTITLED);
    part(mine.key("a")).await.unwrap();

    let named = |key: String| ObjectIdentifier::builder().key(key).build().unwrap();
    let batch =
        Delete::builder().objects(named(mine.key("b"))).objects(named(theirs.key("secret"))).build().unwrap();
    let deleted = client.delete_objects().bucket(&mine.bucket).delete(batch).send().await.unwrap();
    assert_eq!(deleted.deleted()[0].key(), Some(mine.key("b").as_str()));
    let error = &deleted.errors()[0];
    assert_eq!((error.key(), error.message()), (Some(theirs.key("secret").as_str()), Some("not entitled")));
    assert_eq!(get(&clients[1], &theirs.bucket, &theirs.key("secret")).await.unwrap(), b"canary");

    // Listings of uploads and versions keep below the prefix too.
    for prefix in ["", "plane/", "engin", "plane/../engine/"] {
        let uploads = client.list_multipart_uploads().bucket(&mine.bucket).prefix(prefix).send().await;
        assert_eq!(code(uploads.unwrap_err()), NOT_ENTITLED, "{prefix}");
        let versions = client.list_object_versions().bucket(&mine.bucket).prefix(prefix).send().await;
        assert_eq!(code(versions.unwrap_err()), NOT_ENTITLED, "{prefix}");
        assert_eq!(list(client, &mine.bucket, prefix).await.unwrap_err(), NOT_ENTITLED, "{prefix}");
    }
    let uploads =
        client.list_multipart_uploads().bucket(&mine.bucket).prefix("engine/").send().await.unwrap();
    assert_eq!(uploads.uploads().len(), 1);
    assert_eq!(code(client.list_buckets().send().await.unwrap_err()), NOT_ENTITLED);
}
