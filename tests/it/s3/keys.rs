//! Keys are opaque: whatever a key looks like, it names one object of its own in its own bucket.

use std::collections::BTreeMap;

use aws_sdk_s3::{Client, types::EncodingType};
use proptest::{
    prelude::*,
    test_runner::{Config, TestCaseError, TestRunner},
};

use super::{
    common::{get, put, separate, serving},
    raw,
};

/// Keys that a file system, a URL parser, XML or a careless join would take for something else. `{other}` stands for
/// the neighbour's bucket.
const NASTY: &[&str] = &[
    "a",
    "A",
    "/",
    "//",
    "///",
    "/a",
    "//a",
    "a/",
    "a//",
    "a//b",
    "a/b",
    "a/./b",
    "a/../b",
    ".",
    "..",
    "./",
    "../",
    "../a",
    "../../a",
    "/..",
    "/../a",
    "./a",
    "a/.",
    "a/..",
    "...",
    ". .",
    "../{other}/a",
    "/../{other}/a",
    "../../{other}/a",
    "..%2F{other}/a",
    "%2e%2e/{other}/a",
    "..\\{other}\\a",
    "\\..\\a",
    "%2F",
    "%2f",
    "a%2Fb",
    "%252F",
    "%",
    "%%",
    "%zz",
    "%00",
    "\0",
    "a\0",
    "\u{1}",
    "a\nb",
    "a\rb",
    "a\r\nb",
    "\t",
    " ",
    "a ",
    " a",
    "a b",
    "a+b",
    "+",
    "a?b",
    "a#b",
    "a&b=c",
    "?versionId=1",
    "?uploads",
    "\u{85}",
    "é",
    "e\u{301}",
    "\u{e9}/\u{301}",
    "ß",
    "ẞ",
    "İ",
    "i\u{307}",
    "\u{fffd}",
    "\u{feff}",
    "\u{200b}",
    "\u{202e}a",
    "𐍈",
    "<a>",
    "\"a\"",
    "'a'",
    "]]>",
    "a:b",
    "a;b",
    "a,b",
    "a*b",
    "a|b",
    "~a",
    "CON",
    "nul.",
    "a.",
    ".git/config",
    "a/b/c/d/e/f",
    "\u{7f}",
    "\u{80}",
];

/// One step of a case.
#[derive(Clone, Debug)]
enum Op {
    Put(usize, String, Vec<u8>),
    Get(usize, String),
    Head(usize, String),
    Delete(usize, String),
    /// Get or delete the n-th version, oldest first, that the key has.
    GetVersion(usize, String, usize),
    DeleteVersion(usize, String, usize),
    List(usize, String, &'static str),
    Versions(usize, String),
}

fn key() -> impl Strategy<Value = String> {
    let segment = prop::sample::select(vec![
        "..", ".", "", "a", "A", "é", "e\u{301}", "%2e%2e", "{other}", "\u{1}", " ",
    ]);
    prop_oneof![
        4 => prop::sample::select(NASTY).prop_map(String::from),
        2 => prop::collection::vec(segment, 2..5).prop_map(|segments| segments.join("/")),
        1 => "\\PC{1,20}",
        1 => (0_usize..3).prop_map(|n| format!("{}{n}", "x".repeat(1023))),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    let side = 0_usize..2;
    let prefix = prop::sample::select(vec!["", "a", "/", "..", "../", "a/", "%", "é"]);
    prop_oneof![
        6 => (side.clone(), key(), prop::collection::vec(any::<u8>(), 0..20)).prop_map(|(b, k, v)| Op::Put(b, k, v)),
        3 => (side.clone(), key()).prop_map(|(b, k)| Op::Get(b, k)),
        1 => (side.clone(), key()).prop_map(|(b, k)| Op::Head(b, k)),
        2 => (side.clone(), key()).prop_map(|(b, k)| Op::Delete(b, k)),
        1 => (side.clone(), key(), 0_usize..3).prop_map(|(b, k, n)| Op::GetVersion(b, k, n)),
        1 => (side.clone(), key(), 0_usize..3).prop_map(|(b, k, n)| Op::DeleteVersion(b, k, n)),
        1 => (side.clone(), prefix.clone(), prop::sample::select(vec!["", "/", "."]))
            .prop_map(|(b, p, d)| Op::List(b, p.to_owned(), d)),
        1 => (side, prefix).prop_map(|(b, p)| Op::Versions(b, p.to_owned())),
    ]
}

/// What one bucket holds: each key's versions, oldest first, with their ids; no body is a delete marker.
type Model = BTreeMap<String, Vec<(String, Option<Vec<u8>>)>>;

/// Two buckets beside their models.
struct Pair<'a> {
    clients: &'a [Client],
    buckets: [String; 2],
    models: [Model; 2],
}

impl Pair<'_> {
    /// A key with the neighbour's bucket filled in, cut to what a key may be.
    fn named(&self, side: usize, key: &str) -> String {
        let mut key = key.replace("{other}", &self.buckets[1 - side]);
        while key.len() > 1024 {
            key.pop();
        }
        // The SDK takes a key of white space alone for a missing one.
        if key.trim().is_empty() { String::from("empty") } else { key }
    }

    fn current(&self, side: usize, key: &str) -> Option<&Vec<u8>> {
        self.models[side].get(key)?.last()?.1.as_ref()
    }

    async fn apply(&mut self, op: &Op) -> Result<(), TestCaseError> {
        match op {
            Op::Put(side, key, body) => {
                let key = self.named(*side, key);
                let id =
                    put(&self.clients[*side], &self.buckets[*side], &key, body).await.map_err(fail(&key))?;
                self.models[*side].entry(key).or_default().push((id, Some(body.clone())));
            }
            Op::Get(side, key) => {
                let key = self.named(*side, key);
                let got = get(&self.clients[*side], &self.buckets[*side], &key).await.ok();
                prop_assert_eq!(got.as_ref(), self.current(*side, &key), "get {:?}", key);
            }
            Op::Head(side, key) => {
                let key = self.named(*side, key);
                let head = self.clients[*side]
                    .head_object()
                    .bucket(&self.buckets[*side])
                    .key(&key)
                    .send()
                    .await
                    .ok();
                let size = head.and_then(|head| head.content_length());
                let expected = self.current(*side, &key).map(|body| i64::try_from(body.len()).unwrap());
                prop_assert_eq!(size, expected, "head {:?}", key);
            }
            Op::Delete(side, key) => {
                let key = self.named(*side, key);
                let delete = self.clients[*side].delete_object().bucket(&self.buckets[*side]).key(&key);
                let id = delete.send().await.unwrap().version_id().unwrap().to_owned();
                self.models[*side].entry(key).or_default().push((id, None));
            }
            Op::GetVersion(side, key, n) => {
                let key = self.named(*side, key);
                let Some((id, body)) = self.models[*side].get(&key).and_then(|versions| versions.get(*n))
                else {
                    return Ok(());
                };
                let get =
                    self.clients[*side].get_object().bucket(&self.buckets[*side]).key(&key).version_id(id);
                let got = match get.send().await {
                    Ok(got) => Some(got.body.collect().await.unwrap().to_vec()),
                    Err(_) => None,
                };
                prop_assert_eq!(&got, body, "get {:?} {}", key, id);
            }
            Op::DeleteVersion(side, key, n) => {
                let key = self.named(*side, key);
                let Some(versions) = self.models[*side].get_mut(&key).filter(|versions| *n < versions.len())
                else {
                    return Ok(());
                };
                let (id, _) = versions.remove(*n);
                if versions.is_empty() {
                    self.models[*side].remove(&key);
                }
                let delete = self.clients[*side].delete_object().bucket(&self.buckets[*side]).key(&key);
                delete.version_id(id).send().await.unwrap();
            }
            Op::List(side, prefix, delimiter) => self.compare_listing(*side, prefix, delimiter).await?,
            Op::Versions(side, prefix) => self.compare_versions(*side, prefix).await?,
        }
        Ok(())
    }

    async fn compare_listing(&self, side: usize, prefix: &str, delimiter: &str) -> Result<(), TestCaseError> {
        let (mut found, mut token) = (Vec::new(), None);
        loop {
            let list =
                self.clients[side].list_objects_v2().bucket(&self.buckets[side]).prefix(prefix).max_keys(7);
            let list =
                list.delimiter(delimiter).encoding_type(EncodingType::Url).set_continuation_token(token);
            let page = list.send().await.unwrap();
            let keys = page.contents().iter().map(|object| object.key().unwrap());
            let folded = page.common_prefixes().iter().map(|prefix| prefix.prefix().unwrap());
            found.extend(keys.chain(folded).map(decoded));
            token = page.next_continuation_token().map(str::to_owned);
            if token.is_none() {
                break;
            }
        }
        let mut expected: Vec<String> = Vec::new();
        for key in self.models[side].keys().filter(|key| key.starts_with(prefix)) {
            if self.current(side, key).is_none() {
                continue;
            }
            let cut = if delimiter.is_empty() { None } else { key[prefix.len()..].find(delimiter) };
            let line = cut.map_or(key.as_str(), |at| &key[..prefix.len() + at + delimiter.len()]);
            if expected.last().is_none_or(|last| last != line) {
                expected.push(line.to_owned());
            }
        }
        found.sort();
        prop_assert_eq!(found, expected, "list {:?} {:?}", prefix, delimiter);
        Ok(())
    }

    async fn compare_versions(&self, side: usize, prefix: &str) -> Result<(), TestCaseError> {
        let (mut found, mut marker) = (Vec::new(), (None, None));
        loop {
            let list = self.clients[side].list_object_versions().bucket(&self.buckets[side]).prefix(prefix);
            let list = list.encoding_type(EncodingType::Url).max_keys(5);
            let page = list.set_key_marker(marker.0).set_version_id_marker(marker.1).send().await.unwrap();
            let versions = page.versions().iter();
            let versions =
                versions.map(|v| (decoded(v.key().unwrap()), v.version_id().unwrap().to_owned(), false));
            let markers = page.delete_markers().iter();
            let markers =
                markers.map(|m| (decoded(m.key().unwrap()), m.version_id().unwrap().to_owned(), true));
            found.extend(versions.chain(markers));
            marker = (page.next_key_marker().map(decoded), page.next_version_id_marker().map(str::to_owned));
            if !page.is_truncated().unwrap() {
                break;
            }
        }
        let inside = self.models[side].iter().filter(|(key, _)| key.starts_with(prefix));
        let mut expected: Vec<_> = inside
            .flat_map(|(key, versions)| {
                versions.iter().map(|(id, body)| (key.clone(), id.clone(), body.is_none()))
            })
            .collect();
        found.sort();
        expected.sort();
        prop_assert_eq!(found, expected, "versions {:?}", prefix);
        Ok(())
    }
}

fn fail(key: &str) -> impl Fn(String) -> TestCaseError {
    move |reason| TestCaseError::fail(format!("{key:?}: {reason}"))
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first == b'%' {
            bytes.push(u8::from_str_radix(std::str::from_utf8(&rest[..2]).unwrap(), 16).unwrap());
            rest = &rest[2..];
        } else {
            bytes.push(*first);
        }
    }
    String::from_utf8(bytes).unwrap()
}

#[test]
fn every_key_names_an_object_of_its_own_in_its_own_bucket() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let tenants = separate();
    let (_server, accesses, clients) = runtime.block_on(serving(&tenants));
    let buckets = [0, 1].map(|side| accesses[side].tenant.slices.s3.bucket.clone());
    let mut runner = TestRunner::new(Config {
        cases: 12,
        max_shrink_iters: 60,
        failure_persistence: None,
        ..Config::default()
    });
    let outcome = runner.run(&prop::collection::vec(op(), 60..120), |ops| {
        runtime.block_on(async {
            let mut pair = Pair { clients: &clients, buckets: buckets.clone(), models: Default::default() };
            let mut outcome = Ok(());
            for op in &ops {
                outcome = pair.apply(op).await;
                if outcome.is_err() {
                    break;
                }
            }
            for side in [0, 1] {
                if outcome.is_ok() {
                    outcome = pair.compare_listing(side, "", "").await;
                }
                if outcome.is_ok() {
                    outcome = pair.compare_versions(side, "").await;
                }
                empty(&clients[side], &buckets[side]).await;
            }
            outcome
        })
    });
    outcome.unwrap();
}

/// Removes every version, so that the next case starts from nothing.
async fn empty(client: &Client, bucket: &str) {
    loop {
        let page = client
            .list_object_versions()
            .bucket(bucket)
            .encoding_type(EncodingType::Url)
            .send()
            .await
            .unwrap();
        let versions = page.versions().iter().map(|v| (v.key().unwrap(), v.version_id().unwrap()));
        let markers = page.delete_markers().iter().map(|m| (m.key().unwrap(), m.version_id().unwrap()));
        let all: Vec<_> = versions.chain(markers).collect();
        if all.is_empty() {
            return;
        }
        for (key, id) in all {
            client.delete_object().bucket(bucket).key(decoded(key)).version_id(id).send().await.unwrap();
        }
    }
}

/// The same without an SDK between: paths go over the wire byte for byte, also those that an SDK would not send.
#[tokio::test]
async fn paths_are_taken_as_they_come() {
    let tenants = separate();
    let (_server, accesses, clients) = serving(&tenants).await;
    let [own, other] = [0, 1].map(|side| accesses[side].tenant.slices.s3.bucket.clone());
    put(&clients[1], &other, "a", b"canary").await.unwrap();
    let named: Vec<_> = NASTY.iter().map(|key| key.replace("{other}", &other)).collect();
    for (n, key) in named.iter().enumerate() {
        let path = raw::path(&own, key);
        let put = raw::signed(&accesses[0], "PUT", &path, "", &[], format!("body {n}").as_bytes()).await;
        assert_eq!(put.status, 200, "{key:?} as {path}: {put:?}");
    }
    // Only now that all are there: none replaced another.
    for (n, key) in named.iter().enumerate() {
        let (path, body) = (raw::path(&own, key), format!("body {n}").into_bytes());
        let got = raw::signed(&accesses[0], "GET", &path, "", &[], b"").await;
        assert_eq!((got.status, &got.body), (200, &body), "{key:?} as {path}");
        // Another spelling of the same path is the same object or none.
        for spelling in [path.replace('.', "%2E"), path.replace("%2F", "%2f"), path.replace("//", "/%2F")] {
            let got = raw::signed(&accesses[0], "GET", &spelling, "", &[], b"").await;
            assert!(got.status == 403 || got.body == body, "{key:?} as {spelling}: {got:?}");
        }
    }
    assert_eq!(get(&clients[1], &other, "a").await.unwrap(), b"canary");
    // What no text is cannot be a key.
    let bytes = raw::signed(&accesses[0], "PUT", &format!("/{own}/%ff%fe"), "", &[], b"x").await;
    assert_eq!((bytes.status, raw::reason(&bytes)), (400, String::from("InvalidURI: ")));
    // A client that resolves `..` itself asks for the neighbour's object, and is refused it.
    let got = raw::signed(&accesses[0], "GET", &format!("/{other}/a"), "", &[], b"").await;
    assert_eq!(raw::reason(&got), "AccessDenied: not entitled");
}

#[tokio::test]
async fn a_key_is_at_most_1024_bytes() {
    let tenants = separate();
    let (_server, accesses, clients) = serving(&tenants).await;
    let bucket = &accesses[0].tenant.slices.s3.bucket;
    let longest = format!("{}é", "x".repeat(1022));
    put(&clients[0], bucket, &longest, b"x").await.unwrap();
    assert_eq!(get(&clients[0], bucket, &longest).await.unwrap(), b"x");
    let refused = put(&clients[0], bucket, &format!("{longest}x"), b"x").await.unwrap_err();
    assert!(refused.starts_with("400 KeyTooLongError"), "{refused}");
}
