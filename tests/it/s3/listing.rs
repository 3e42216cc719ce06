//! Listings page by page, in both forms, with delimiters and markers.

use aws_sdk_s3::{Client, types::EncodingType};
use bulkhead_target::services::s3::Options;

use super::common::{code, own, put};

async fn filled(client: &Client, bucket: &str) {
    for key in ["a.txt", "dir/1", "dir/2", "dir/sub/3", "dir2/4", "é/5", "z"] {
        put(client, bucket, key, b"x").await.unwrap();
    }
    put(client, bucket, "gone", b"x").await.unwrap();
    client.delete_object().bucket(bucket).key("gone").send().await.unwrap();
}

#[tokio::test]
async fn both_forms_page_through_the_same() {
    let mut own = own(Options::default()).await;
    let (client, bucket) = own.tenant().await;
    filled(&client, &bucket).await;
    for (prefix, delimiter, expected) in [
        ("", "", vec!["a.txt", "dir/1", "dir/2", "dir/sub/3", "dir2/4", "z", "é/5"]),
        ("", "/", vec!["a.txt", "dir/", "dir2/", "z", "é/"]),
        ("dir", "/", vec!["dir/", "dir2/"]),
        ("dir/", "/", vec!["dir/1", "dir/2", "dir/sub/"]),
        ("dir/sub/3", "/", vec!["dir/sub/3"]),
        ("", "i", vec!["a.txt", "di", "z", "é/5"]),
        ("none", "/", vec![]),
    ] {
        for size in [1, 2, 3, 1000] {
            let (mut v1, mut marker) = (Vec::new(), None::<String>);
            loop {
                let list =
                    client.list_objects().bucket(&bucket).prefix(prefix).delimiter(delimiter).max_keys(size);
                let page = list.set_marker(marker).send().await.unwrap();
                let keys = page.contents().iter().map(|object| object.key().unwrap().to_owned());
                let keys: Vec<_> = keys.collect();
                let folded = page.common_prefixes().iter().map(|prefix| prefix.prefix().unwrap().to_owned());
                let last = keys.last().cloned();
                v1.extend(keys.into_iter().chain(folded));
                if !page.is_truncated().unwrap() {
                    break;
                }
                marker = page.next_marker().map(str::to_owned).or(last);
            }
            let (mut v2, mut token) = (Vec::new(), None::<String>);
            loop {
                let list = client.list_objects_v2().bucket(&bucket).prefix(prefix).delimiter(delimiter);
                let page = list.max_keys(size).set_continuation_token(token).send().await.unwrap();
                let keys = page.contents().iter().map(|object| object.key().unwrap().to_owned());
                let folded = page.common_prefixes().iter().map(|prefix| prefix.prefix().unwrap().to_owned());
                let lines: Vec<_> = keys.chain(folded).collect();
                assert_eq!(page.key_count(), Some(i32::try_from(lines.len()).unwrap()));
                assert!(lines.len() <= usize::try_from(size).unwrap());
                v2.extend(lines);
                token = page.next_continuation_token().map(str::to_owned);
                assert_eq!(page.is_truncated(), Some(token.is_some()));
                if token.is_none() {
                    break;
                }
            }
            v1.sort();
            v2.sort();
            assert_eq!(v1, expected, "v1 {prefix:?} {delimiter:?} by {size}");
            assert_eq!(v2, expected, "v2 {prefix:?} {delimiter:?} by {size}");
        }
    }
}

#[tokio::test]
async fn markers_limits_and_spellings() {
    let mut own = own(Options::default()).await;
    let (client, bucket) = own.tenant().await;
    filled(&client, &bucket).await;
    let list = || client.list_objects_v2().bucket(&bucket);
    let after = list().start_after("dir/2").send().await.unwrap();
    assert_eq!(after.contents().first().unwrap().key(), Some("dir/sub/3"));
    let none = list().max_keys(0).send().await.unwrap();
    assert_eq!((none.contents().len(), none.is_truncated()), (0, Some(false)));
    assert!(code(list().max_keys(-1).send().await.unwrap_err()).starts_with("400 InvalidArgument"));
    let token = list().continuation_token("?").send().await.unwrap_err();
    assert!(code(token).starts_with("400 InvalidArgument"));
    let spelt = list().prefix("é").encoding_type(EncodingType::Url).send().await.unwrap();
    assert_eq!(spelt.contents()[0].key(), Some("%C3%A9/5"));
    assert_eq!(spelt.prefix(), Some("%C3%A9"));
    assert!(list().fetch_owner(true).send().await.unwrap().contents()[0].owner().is_some());
    let missing = client.list_objects_v2().bucket(format!("{bucket}-not")).send().await.unwrap_err();
    assert_eq!(code(missing), "403 AccessDenied: not entitled", "no telling whether it exists");
}
