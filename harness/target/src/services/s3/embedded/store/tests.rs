//! A storage that is opened again holds what it held, however often its journal was written anew and wherever that was
//! cut off.

use std::path::Path;

use proptest::prelude::*;

use super::{
    Store,
    record::{Content, Entry, Meta, Part, Piece, Upload, Version},
    sums::Sums,
};

/// Something that is done to a storage: few names, so that much of it undoes what was done before.
#[derive(Clone, Debug)]
enum Step {
    Make(u8),
    Remove(u8),
    Put(u8, u8, bool),
    Drop(u8, u8, u8),
    Start(u8, u8),
    Part(u8, u8, u8),
    End(u8, u8),
    /// The process is killed while it writes the journal anew, after so many parts in a hundred of it.
    Kill(u8),
}

fn step() -> impl Strategy<Value = Step> {
    let (bucket, key) = (0..2_u8, 0..3_u8);
    prop_oneof![
        4 => bucket.clone().prop_map(Step::Make),
        1 => bucket.clone().prop_map(Step::Remove),
        30 => (bucket.clone(), key.clone(), any::<bool>()).prop_map(|(b, k, m)| Step::Put(b, k, m)),
        30 => (bucket.clone(), key.clone(), 0..4_u8).prop_map(|(b, k, n)| Step::Drop(b, k, n)),
        8 => (bucket.clone(), key.clone()).prop_map(|(b, k)| Step::Start(b, k)),
        8 => (bucket.clone(), key.clone(), 1..4_u8).prop_map(|(b, k, n)| Step::Part(b, k, n)),
        8 => (bucket, key).prop_map(|(b, k)| Step::End(b, k)),
        1 => (0..=100_u8).prop_map(Step::Kill),
    ]
}

fn piece(blob: String) -> Piece {
    Piece { blob, size: 3 }
}

/// The change that a step comes to, `number` making what it makes unlike anything else.
fn entry(step: &Step, number: i64, store: &Store) -> Option<Entry> {
    let names = |bucket: &u8, key: &u8| (format!("bucket-{bucket}"), format!("key-{key}"));
    Some(match step {
        Step::Make(bucket) => Entry::MakeBucket { bucket: format!("bucket-{bucket}"), at: number },
        Step::Remove(bucket) => Entry::RemoveBucket { bucket: format!("bucket-{bucket}") },
        Step::Put(bucket, key, marker) => {
            let (bucket, key) = names(bucket, key);
            let content = (!marker).then(|| Content {
                size: 3,
                etag: format!("etag-{number}"),
                pieces: vec![piece(format!("blob-{number}"))],
                meta: Meta { content_type: Some(String::from("text/plain")), ..Meta::default() },
                sums: Sums::default(),
            });
            Entry::AddVersion {
                bucket,
                key,
                version: Version { id: format!("v{number}"), at: number, content },
            }
        }
        Step::Drop(bucket, key, which) => {
            let (bucket, key) = names(bucket, key);
            let id = store.read(|index| {
                let versions = index.bucket(&bucket)?.objects.get(key.as_bytes())?;
                let held = versions.newest_first().nth(usize::from(*which));
                held.or(versions.newest()).map(|held| held.version.id.clone())
            })?;
            Entry::RemoveVersion { bucket, key, id }
        }
        Step::Start(bucket, key) => {
            let (bucket, key) = names(bucket, key);
            let upload = Upload { at: number, meta: Meta::default(), checksum: None };
            Entry::StartUpload { bucket, key, id: format!("u{number}"), upload }
        }
        Step::Part(bucket, key, part) => {
            let (bucket, key) = names(bucket, key);
            let id = upload(store, &bucket, &key)?;
            let piece = piece(format!("blob-{number}"));
            let arrived = Part { at: number, etag: format!("etag-{number}"), piece, sums: Sums::default() };
            Entry::AddPart { bucket, key, id, number: i32::from(*part), part: arrived }
        }
        Step::End(bucket, key) => {
            let (bucket, key) = names(bucket, key);
            let id = upload(store, &bucket, &key)?;
            Entry::EndUpload { bucket, key, id }
        }
        Step::Kill(_) => return None,
    })
}

fn upload(store: &Store, bucket: &str, key: &str) -> Option<String> {
    store.read(|index| index.bucket(bucket)?.uploads.get(key.as_bytes())?.keys().next().cloned())
}

/// Everything that is stored, as text.
fn seen(store: &Store) -> Vec<String> {
    store.read(|index| index.entries().map(|entry| serde_json::to_string(&entry).unwrap()).collect())
}

/// What a process leaves that is killed after that part of writing the journal anew.
fn cut_off(store: &Store, dir: &Path, percent: u8) {
    let whole: String = seen(store).iter().map(|entry| format!("[{entry}]\n")).collect();
    let cut = whole.len() * usize::from(percent) / 100;
    std::fs::write(dir.join("objects.journal.new"), &whole.as_bytes()[..cut]).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn what_was_acknowledged_is_there_again(steps in proptest::collection::vec(step(), 500..1500)) {
        let folder = tempfile::tempdir().unwrap();
        // The same without a journal that is ever written anew.
        let mut whole: Vec<Entry> = Vec::new();
        let mut store = Store::open(folder.path()).unwrap();
        for (number, step) in (0_i64..).zip(&steps) {
            if let Step::Kill(percent) = step {
                cut_off(&store, folder.path(), *percent);
                let before = seen(&store);
                // A killed process removes no file: only the journal counts here.
                std::mem::forget(std::mem::replace(&mut store, Store::open(folder.path()).unwrap()));
                prop_assert_eq!(seen(&store), before);
            } else if let Some(entry) = entry(step, number, &store) {
                whole.push(entry.clone());
                store.commit(|_| Ok((vec![entry], ()))).unwrap();
            }
        }
        let lines = std::fs::read_to_string(folder.path().join("objects.journal")).unwrap().lines().count();
        let live = store.read(super::Index::count);
        prop_assert_eq!(live, seen(&store).len());
        prop_assert!(lines < 256.max(live * 4) + 1, "{} lines for {} live records", lines, live);
        let again = Store::open(folder.path()).unwrap();
        prop_assert_eq!(seen(&again), seen(&store));
        let blobs = super::Blobs::open(tempfile::tempdir().unwrap().path()).unwrap();
        let mut index = super::Index::default();
        whole.into_iter().for_each(|entry| index.apply(entry, &blobs));
        let plain: Vec<_> =
            index.entries().map(|entry| serde_json::to_string(&entry).unwrap()).collect();
        prop_assert_eq!(plain, seen(&store));
    }
}
