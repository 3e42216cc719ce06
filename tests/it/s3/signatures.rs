//! Signatures: what is not signed by a living key, in version 4, over everything that matters, is refused.

use std::time::{Duration, SystemTime};

use aws_sdk_s3::{Client, presigning::PresigningConfig};
use bulkhead_model::Secret;
use bulkhead_target::{
    TenantAccess, clients,
    services::s3::{Options, Profile},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::{
    common::{code, get, own, put, separate, serving},
    raw::{self, reason, target},
};

async fn presigned_get(client: &Client, bucket: &str, key: &str, config: PresigningConfig) -> String {
    target(client.get_object().bucket(bucket).key(key).presigned(config).await.unwrap().uri()).to_owned()
}

fn for_a_minute() -> PresigningConfig {
    PresigningConfig::expires_in(Duration::from_secs(60)).unwrap()
}

#[tokio::test]
async fn only_the_right_secret_of_a_known_key_opens() {
    let (_server, accesses, clients) = serving(&separate()).await;
    let bucket = &accesses[0].tenant.slices.s3.bucket;
    put(&clients[0], bucket, "a", b"x").await.unwrap();
    let with = |change: &dyn Fn(&mut TenantAccess)| {
        let mut access = accesses[0].clone();
        change(&mut access);
        clients::s3::client(&access).unwrap()
    };
    let wrong = with(&|access| access.connections.s3.secret_access_key = Secret::new("K005wrong"));
    assert!(get(&wrong, bucket, "a").await.unwrap_err().starts_with("403 SignatureDoesNotMatch"));
    let head = wrong.head_object().bucket(bucket).key("a").send().await.unwrap_err();
    assert_eq!(code(head), "403");
    let neighbours = accesses[1].connections.s3.secret_access_key.clone();
    let swapped = with(&|access| access.connections.s3.secret_access_key = neighbours.clone());
    assert!(get(&swapped, bucket, "a").await.unwrap_err().starts_with("403 SignatureDoesNotMatch"));
    let unknown = with(&|access| access.connections.s3.access_key_id = "0050000000000000000000000".into());
    let expected = "403 InvalidAccessKeyId: The key '0050000000000000000000000' is not valid";
    assert_eq!(get(&unknown, bucket, "a").await.unwrap_err(), expected);
    let master = with(&|access| access.connections.s3.access_key_id = "0123456789ab".into());
    let expected = "403 InvalidAccessKeyId: Malformed Access Key Id";
    assert_eq!(get(&master, bucket, "a").await.unwrap_err(), expected);

    let anonymous = raw::send(&accesses[0], "GET", &raw::path(bucket, "a"), &[], b"").await;
    assert!(reason(&anonymous).starts_with("AccessDenied: "), "{anonymous:?}");
    let old = ["authorization: AWS id:c2lnbmF0dXJl", "date: Tue, 24 Nov 2026 21:00:00 GMT"];
    let old = raw::send(&accesses[0], "GET", &raw::path(bucket, "a"), &old, b"").await;
    assert_eq!(old.status, 403, "{old:?}");
    let form = ["content-type: multipart/form-data; boundary=x"];
    let form = raw::send(&accesses[0], "POST", &format!("/{bucket}"), &form, b"--x--").await;
    assert_eq!(reason(&form), "AccessDenied: not entitled");
}

#[tokio::test]
async fn a_presigned_url_opens_one_object_for_a_while() {
    let (_server, accesses, clients) = serving(&separate()).await;
    let [own, other] = [0, 1].map(|side| accesses[side].tenant.slices.s3.bucket.clone());
    put(&clients[0], &own, "a", b"mine").await.unwrap();
    put(&clients[0], &own, "b", b"other").await.unwrap();
    let url = presigned_get(&clients[0], &own, "a", for_a_minute()).await;
    let got = raw::send(&accesses[0], "GET", &url, &[], b"").await;
    assert_eq!((got.status, &got.body[..]), (200, &b"mine"[..]));

    for (what, changed) in [
        ("another key", url.replace("/a?", "/b?")),
        ("another method", url.clone()),
        ("a longer life", url.replace("X-Amz-Expires=60", "X-Amz-Expires=6000")),
        ("another version", format!("{url}&versionId=x")),
    ] {
        let method = if what == "another method" { "PUT" } else { "GET" };
        let got = raw::send(&accesses[0], method, &changed, &[], b"").await;
        assert!(reason(&got).starts_with("SignatureDoesNotMatch"), "{what}: {got:?}");
    }
    let past = SystemTime::now() - Duration::from_secs(120);
    let expired =
        PresigningConfig::builder().start_time(past).expires_in(Duration::from_secs(60)).build().unwrap();
    let got =
        raw::send(&accesses[0], "GET", &presigned_get(&clients[0], &own, "a", expired).await, &[], b"").await;
    assert_eq!((got.status, reason(&got)), (403, String::from("AccessDenied: Request has expired")));
    // Signed well, but not entitled.
    let foreign = presigned_get(&clients[0], &other, "a", for_a_minute()).await;
    let got = raw::send(&accesses[0], "GET", &foreign, &[], b"").await;
    assert_eq!(reason(&got), "AccessDenied: not entitled");

    let put = clients[0].put_object().bucket(&own).key("new").presigned(for_a_minute()).await.unwrap();
    let put = target(put.uri()).to_owned();
    // Whoever holds the URL must not turn it into a copy of what its signer may read.
    let copy = format!("x-amz-copy-source: {own}/b");
    let got = raw::send(&accesses[0], "PUT", &put, &[&copy], b"").await;
    assert!(reason(&got).starts_with("AccessDenied: There were headers"), "{got:?}");
    assert_eq!(raw::send(&accesses[0], "PUT", &put, &[], b"body").await.status, 200);
    assert_eq!(get(&clients[0], &own, "new").await.unwrap(), b"body");
}

#[tokio::test]
async fn a_region_that_was_set_is_asked_for() {
    let options = Options { region: Some("us-west-004".into()), profile: Profile::B2, ..Options::default() };
    let mut own = own(options).await;
    let (client, bucket) = own.tenant().await;
    let refused = put(&client, &bucket, "a", b"x").await.unwrap_err();
    assert!(refused.contains("AuthorizationHeaderMalformed"), "{refused}");
    assert!(refused.contains("us-west-004"), "{refused}");
}

#[tokio::test]
async fn whoever_does_not_speak_tls_gets_nothing() {
    let (_server, accesses, clients) = serving(&separate()).await;
    let bucket = &accesses[0].tenant.slices.s3.bucket;
    let mut stream = TcpStream::connect(raw::authority(&accesses[0])).await.unwrap();
    stream.write_all(format!("GET /{bucket} HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let _end = stream.read_to_end(&mut answer).await;
    // At most a TLS alert: record type 21, and not a letter of HTTP.
    assert!(answer.is_empty() || answer[0] == 21, "{answer:?}");
    assert!(!String::from_utf8_lossy(&answer).contains("HTTP"));
    put(&clients[0], bucket, "a", b"over TLS it works").await.unwrap();
}

/// What an SDK does not show: answers without a body have none, and every answer has a request's id.
#[tokio::test]
async fn bare_answers_are_bare() {
    let (_server, accesses, clients) = serving(&separate()).await;
    let [own, other] = [0, 1].map(|side| accesses[side].tenant.slices.s3.bucket.clone());
    put(&clients[0], &own, "a", b"mine").await.unwrap();
    let head = raw::signed(&accesses[0], "HEAD", &raw::path(&other, "a"), "", &[], b"").await;
    assert_eq!((head.status, head.body.len()), (403, 0));
    assert!(!head.head.contains("content-type"), "{}", head.head);
    assert!(head.head.contains("x-amz-request-id: "), "{}", head.head);
    let whole = raw::signed(&accesses[0], "GET", &raw::path(&own, "a"), "", &[], b"").await;
    let tag = whole.head.lines().find_map(|line| line.strip_prefix("etag: ")).unwrap();
    let same = [("if-none-match", tag)];
    let unchanged = raw::signed(&accesses[0], "GET", &raw::path(&own, "a"), "", &same, b"").await;
    assert_eq!((unchanged.status, unchanged.body.len()), (304, 0));
    assert!(unchanged.head.contains(&format!("etag: {tag}")), "{}", unchanged.head);
    let twice = "prefix=a&prefix=b";
    let twice = raw::signed(&accesses[0], "GET", &format!("/{own}"), twice, &[], b"").await;
    assert!(reason(&twice).starts_with("InvalidArgument"), "{twice:?}");
}
