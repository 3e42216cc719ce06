//! What the keeper asks for: buckets and keys made, keys widened, faults begun, slices removed. The other way in, past every signature.

use std::sync::Arc;

use s3s::{S3Error, S3Result};

use super::{
    KeyGrant,
    faults::Faults,
    keys::Keys,
    store::{Store, index::Bucket, now, record::Entry},
};
use crate::{
    ServiceFault,
    services::s3::control::{Command, Key, Reply, Slice, Widening},
};

/// Obeys the keeper.
pub(super) struct Admin {
    store: Arc<Store>,
    keys: Arc<Keys>,
    faults: Arc<Faults>,
}

impl Admin {
    /// On this storage and these keys.
    pub(super) fn new(store: Arc<Store>, keys: Arc<Keys>, faults: Arc<Faults>) -> Self {
        Self { store, keys, faults }
    }

    /// Does what is asked, wholly or not at all.
    pub(super) fn obey(&self, command: Command) -> Reply {
        let done = match command {
            Command::Provision { buckets, keys } => self.provision(buckets, keys),
            Command::Widen(Widening { key, grant }) => self.widen(&key, grant),
            Command::Fault { slice, fault: ServiceFault::RevokedPassword, begins } => {
                match self.keys.revoke(&slice, begins) {
                    Ok(requests) => return Reply::Touched(requests),
                    Err(error) => Err(super::store::internal(error)),
                }
            }
            Command::Fault { slice, fault, begins: true } => {
                self.faults.begin(slice, fault);
                Ok(())
            }
            Command::Fault { slice, fault, begins: false } => {
                return Reply::Touched(self.faults.end(&slice, fault));
            }
            Command::Remove { slices } => self.remove(&slices),
        };
        match done {
            Ok(()) => Reply::Done,
            Err(error) => Reply::Refused(reason(&error)),
        }
    }

    fn provision(&self, buckets: Vec<String>, keys: Vec<Key>) -> S3Result<()> {
        if let Some(bad) = buckets.iter().find(|name| !s3s::path::check_bucket_name(name)) {
            return Err(s3s::s3_error!(InvalidBucketName, "`{bad}` is not a bucket's name"));
        }
        let made = self.store.commit(|index| {
            let new: Vec<_> = buckets.into_iter().filter(|name| index.bucket(name).is_none()).collect();
            let entries =
                new.iter().map(|bucket| Entry::MakeBucket { bucket: bucket.clone(), at: now() }).collect();
            Ok((entries, new))
        })?;
        if let Err(error) = self.keys.add(keys) {
            let undo = |bucket| Entry::RemoveBucket { bucket };
            self.store.commit(|_| Ok((made.into_iter().map(undo).collect(), ())))?;
            return Err(super::store::internal(error));
        }
        Ok(())
    }

    fn widen(&self, id: &str, grant: KeyGrant) -> S3Result<()> {
        if self.keys.widen(id, grant).map_err(super::store::internal)? {
            return Ok(());
        }
        Err(s3s::s3_error!(InvalidAccessKeyId, "there is no key `{id}`"))
    }

    fn remove(&self, slices: &[Slice]) -> S3Result<()> {
        // The keys first, so that nobody writes what is about to go.
        self.keys.remove(slices).map_err(super::store::internal)?;
        self.store.commit(|index| {
            let mut entries = Vec::new();
            for slice in slices {
                let Some(bucket) = index.bucket(&slice.bucket) else { continue };
                if self.keys.reach(&slice.bucket) {
                    empty(bucket, slice, &mut entries);
                } else {
                    entries.push(Entry::RemoveBucket { bucket: slice.bucket.clone() });
                }
            }
            Ok((entries, ()))
        })
    }
}

/// Everything of a slice in a bucket that others still use.
fn empty(bucket: &Bucket, slice: &Slice, entries: &mut Vec<Entry>) {
    let inside = |key: &&str| key.starts_with(&slice.prefix);
    let name = || slice.bucket.clone();
    for (key, versions) in
        bucket.objects.iter().map(|(key, versions)| (key.as_str(), versions)).filter(|(key, _)| inside(key))
    {
        for held in versions.newest_first() {
            entries.push(Entry::RemoveVersion {
                bucket: name(),
                key: key.to_owned(),
                id: held.version.id.clone(),
            });
        }
    }
    for (key, uploads) in
        bucket.uploads.iter().map(|(key, uploads)| (key.as_str(), uploads)).filter(|(key, _)| inside(key))
    {
        for id in uploads.keys() {
            entries.push(Entry::EndUpload { bucket: name(), key: key.to_owned(), id: id.clone() });
        }
    }
}

fn reason(error: &S3Error) -> String {
    error.message().map_or_else(|| error.code().as_str().to_owned(), str::to_owned)
}
