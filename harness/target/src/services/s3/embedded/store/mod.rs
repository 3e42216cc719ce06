//! Where objects live: files of bytes, a journal of what happened to them, and an index of what that adds up to.
//!
//! A write puts its file in place, then its journal line, then the index, and only then is it answered: nobody sees
//! half an object, and a killed process comes back with everything that it acknowledged.

use std::{
    io,
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use s3s::{S3Result, s3_error};

pub(crate) mod blob;
pub(crate) mod index;
pub(crate) mod journal;
pub(crate) mod record;
pub(crate) mod sums;
pub(crate) mod walk;

#[cfg(test)]
mod tests;

use blob::Blobs;
use index::{Bucket, Index};
use journal::Journal;
use record::Entry;

/// The storage of one server.
#[derive(Debug)]
pub(crate) struct Store {
    blobs: Blobs,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    index: Index,
    journal: Journal<Vec<Entry>>,
}

impl Store {
    /// Opens the storage in `dir`, with everything an earlier process acknowledged there.
    ///
    /// # Errors
    /// When the folder cannot be used or its journal is no journal.
    pub(crate) fn open(dir: &Path) -> io::Result<Self> {
        let blobs = Blobs::open(dir)?;
        let mut index = Index::default();
        let journal = Journal::open(&dir.join("objects.journal"), |entries: Vec<Entry>| {
            for entry in entries {
                index.apply(entry, &blobs);
            }
        })?;
        blobs.sweep()?;
        let mut state = State { index, journal };
        state.compact();
        Ok(Self { blobs, state: Mutex::new(state) })
    }

    /// The files of bytes.
    pub(crate) fn blobs(&self) -> &Blobs {
        &self.blobs
    }

    /// Looks something up. Nothing changes meanwhile, so `look` is short.
    pub(crate) fn read<T>(&self, look: impl FnOnce(&Index) -> T) -> T {
        look(&self.state().index)
    }

    /// Looks something up in a bucket.
    ///
    /// # Errors
    /// `NoSuchBucket`, or what `look` says.
    pub(crate) fn read_bucket<T>(
        &self,
        name: &str,
        look: impl FnOnce(&Bucket) -> S3Result<T>,
    ) -> S3Result<T> {
        self.read(|index| look(bucket(index, name)?))
    }

    /// Decides on changes and makes them, as one step that nothing comes between.
    ///
    /// The journal is written under the lock: a line into the page cache is faster than any hand-over.
    ///
    /// # Errors
    /// What `decide` says; `InternalError` when the journal cannot be written. Then nothing has changed.
    pub(crate) fn commit<T>(&self, decide: impl FnOnce(&Index) -> S3Result<(Vec<Entry>, T)>) -> S3Result<T> {
        let mut state = self.state();
        let (entries, answer) = decide(&state.index)?;
        if !entries.is_empty() {
            state.journal.append(&entries).map_err(internal)?;
        }
        for entry in entries {
            state.index.apply(entry, &self.blobs);
        }
        state.compact();
        Ok(answer)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Forgets what was undone again, once that is most of the journal.
    fn compact(&mut self) {
        if self.journal.is_due() {
            self.journal.compact(self.index.count(), self.index.entries().map(|entry| vec![entry]));
        }
    }
}

/// The bucket of that name.
///
/// # Errors
/// `NoSuchBucket`.
pub(crate) fn bucket<'a>(index: &'a Index, name: &str) -> S3Result<&'a Bucket> {
    index.bucket(name).ok_or_else(|| s3_error!(NoSuchBucket, "The specified bucket does not exist: {name}"))
}

/// The answer to a failed disk.
pub(crate) fn internal(error: io::Error) -> s3s::S3Error {
    let text = format!("An internal error occurred. Please retry your upload. ({error})");
    let mut answer = s3s::S3Error::with_message(s3s::S3ErrorCode::InternalError, text);
    answer.set_source(Box::new(error));
    answer
}

/// Now, in milliseconds since the epoch.
pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
