//! What the journal adds up to, in memory: every bucket, version and unfinished upload, ready to be looked up and
//! listed. [`Index::apply`] is the only way in, for new changes and for replayed ones alike.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    blob::{Blob, Blobs},
    record::{Entry, Part, Upload, Version},
    walk::Key,
};

/// Everything that is stored.
#[derive(Debug, Default)]
pub(crate) struct Index {
    buckets: BTreeMap<String, Bucket>,
}

/// One bucket.
#[derive(Debug)]
pub(crate) struct Bucket {
    /// When it was made.
    pub at: i64,
    /// Every key that has versions.
    pub objects: BTreeMap<Key, Versions>,
    /// The keys whose newest version is no delete marker: what plain listings show, without stepping over the rest.
    pub visible: BTreeMap<Key, ()>,
    /// Unfinished uploads by key, then by id; ids sort by the time they began.
    pub uploads: BTreeMap<Key, BTreeMap<String, Pending>>,
}

/// An object's versions, oldest first. Never empty.
#[derive(Debug, Default)]
pub(crate) struct Versions(Vec<Held>);

/// A version, and a hold on its files.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    /// What is known of it.
    pub version: Version,
    /// Its bytes, in order.
    pub blobs: Vec<Arc<Blob>>,
}

/// An upload in parts.
#[derive(Debug)]
pub(crate) struct Pending {
    /// How it began.
    pub upload: Upload,
    /// Its parts by number, with their bytes.
    pub parts: BTreeMap<i32, (Part, Arc<Blob>)>,
}

impl Index {
    /// The bucket of that name.
    pub(crate) fn bucket(&self, name: &str) -> Option<&Bucket> {
        self.buckets.get(name)
    }

    /// All buckets by name.
    pub(crate) fn buckets(&self) -> impl Iterator<Item = (&str, &Bucket)> {
        self.buckets.iter().map(|(name, bucket)| (name.as_str(), bucket))
    }

    /// How many entries [`Index::entries`] gives.
    pub(crate) fn count(&self) -> usize {
        let of_object = |versions: &Versions| versions.0.len();
        let of_upload = |pending: &Pending| pending.parts.len() + 1;
        let of_bucket = |bucket: &Bucket| {
            let uploads = bucket.uploads.values().flat_map(BTreeMap::values);
            1 + bucket.objects.values().map(of_object).sum::<usize>() + uploads.map(of_upload).sum::<usize>()
        };
        self.buckets.values().map(of_bucket).sum()
    }

    /// The fewest changes that add up to all that is here.
    pub(crate) fn entries(&self) -> impl Iterator<Item = Entry> {
        self.buckets.iter().flat_map(|(name, bucket)| {
            let made = Entry::MakeBucket { bucket: name.clone(), at: bucket.at };
            let versions = bucket.objects.iter().flat_map(move |(key, versions)| {
                versions.0.iter().map(move |held| Entry::AddVersion {
                    bucket: name.clone(),
                    key: key.as_str().to_owned(),
                    version: held.version.clone(),
                })
            });
            let uploads = bucket.uploads.iter().flat_map(move |(key, uploads)| {
                uploads.iter().flat_map(move |(id, pending)| pending.entries(name, key.as_str(), id))
            });
            std::iter::once(made).chain(versions).chain(uploads)
        })
    }

    /// Makes one change. An entry about something that is not there changes nothing.
    pub(crate) fn apply(&mut self, entry: Entry, blobs: &Blobs) {
        let named = |key: &str| Key::from(key);
        match entry {
            Entry::MakeBucket { bucket, at } => {
                self.buckets.entry(bucket).or_insert_with(|| Bucket::new(at));
            }
            Entry::RemoveBucket { bucket } => {
                self.buckets.remove(&bucket);
            }
            Entry::AddVersion { bucket, key, version } => {
                let Some(bucket) = self.buckets.get_mut(&bucket) else { return };
                let pieces = version.content.iter().flat_map(|content| &content.pieces);
                let held = Held { blobs: pieces.map(|piece| blobs.hold(piece)).collect(), version };
                bucket.objects.entry(named(&key)).or_default().0.push(held);
                bucket.see(named(&key));
            }
            Entry::RemoveVersion { bucket, key, id } => {
                let Some(bucket) = self.buckets.get_mut(&bucket) else { return };
                let Some(versions) = bucket.objects.get_mut(key.as_bytes()) else { return };
                versions.0.retain(|held| held.version.id != id);
                if versions.0.is_empty() {
                    bucket.objects.remove(key.as_bytes());
                }
                bucket.see(named(&key));
            }
            Entry::StartUpload { bucket, key, id, upload } => {
                let Some(bucket) = self.buckets.get_mut(&bucket) else { return };
                let pending = Pending { upload, parts: BTreeMap::new() };
                bucket.uploads.entry(named(&key)).or_default().insert(id, pending);
            }
            Entry::AddPart { bucket, key, id, number, part } => {
                let uploads =
                    self.buckets.get_mut(&bucket).and_then(|bucket| bucket.uploads.get_mut(key.as_bytes()));
                let Some(pending) = uploads.and_then(|uploads| uploads.get_mut(&id)) else { return };
                let blob = blobs.hold(&part.piece);
                pending.parts.insert(number, (part, blob));
            }
            Entry::EndUpload { bucket, key, id } => {
                let Some(bucket) = self.buckets.get_mut(&bucket) else { return };
                let Some(uploads) = bucket.uploads.get_mut(key.as_bytes()) else { return };
                uploads.remove(&id);
                if uploads.is_empty() {
                    bucket.uploads.remove(key.as_bytes());
                }
            }
        }
    }
}

impl Bucket {
    fn new(at: i64) -> Self {
        Self { at, objects: BTreeMap::new(), visible: BTreeMap::new(), uploads: BTreeMap::new() }
    }

    /// The object's newest version, delete marker or not.
    pub(crate) fn newest(&self, key: &str) -> Option<&Held> {
        self.objects.get(key.as_bytes()).and_then(Versions::newest)
    }

    /// One version of the object.
    pub(crate) fn version(&self, key: &str, id: &str) -> Option<&Held> {
        self.objects.get(key.as_bytes())?.0.iter().find(|held| held.version.id == id)
    }

    /// An unfinished upload.
    pub(crate) fn upload(&self, key: &str, id: &str) -> Option<&Pending> {
        self.uploads.get(key.as_bytes())?.get(id)
    }

    /// Whether nothing is in it: no version, no marker, no unfinished upload.
    pub(crate) fn is_empty(&self) -> bool {
        self.objects.is_empty() && self.uploads.is_empty()
    }

    /// Brings [`Bucket::visible`] up to date for one key.
    fn see(&mut self, key: Key) {
        if self.newest(key.as_str()).is_some_and(|held| !held.version.is_marker()) {
            self.visible.insert(key, ());
        } else {
            self.visible.remove(&key);
        }
    }
}

impl Pending {
    /// The changes that make it.
    fn entries<'a>(&'a self, bucket: &'a str, key: &'a str, id: &'a str) -> impl Iterator<Item = Entry> + 'a {
        let named = move || (bucket.to_owned(), key.to_owned(), id.to_owned());
        let started = std::iter::once_with(move || {
            let (bucket, key, id) = named();
            Entry::StartUpload { bucket, key, id, upload: self.upload.clone() }
        });
        let parts = self.parts.iter().map(move |(number, (part, _))| {
            let (bucket, key, id) = named();
            Entry::AddPart { bucket, key, id, number: *number, part: part.clone() }
        });
        started.chain(parts)
    }
}

impl Versions {
    /// The newest.
    pub(crate) fn newest(&self) -> Option<&Held> {
        self.0.last()
    }

    /// All of them, newest first.
    pub(crate) fn newest_first(&self) -> impl Iterator<Item = &Held> {
        self.0.iter().rev()
    }
}
