//! The keys that the server knows, kept in a file of its own that only we may read.

use std::{
    collections::HashMap,
    io,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde::{Deserialize, Serialize};

use super::{KeyGrant, store::journal::Journal};
use crate::services::s3::control::{Key, Slice};

/// All keys.
#[derive(Debug)]
pub(crate) struct Keys {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    known: HashMap<String, Arc<Key>>,
    /// How often each key that is revoked was asked for.
    refused: HashMap<String, u64>,
    journal: Journal<Change>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Change {
    Add(Vec<Key>),
    Widen(String, KeyGrant),
    /// Keys that are worth nothing from now on, or something again.
    Revoke(Vec<String>, bool),
    Remove(Vec<String>),
}

impl Keys {
    /// Opens the key file in `dir`.
    ///
    /// # Errors
    /// When it cannot be used.
    pub(crate) fn open(dir: &Path) -> io::Result<Self> {
        let mut known = HashMap::new();
        let journal = Journal::open(&dir.join("keys.journal"), |change| apply(&mut known, change))?;
        let mut state = State { known, refused: HashMap::new(), journal };
        state.compact();
        Ok(Self { state: Mutex::new(state) })
    }

    /// The key of that id, if it is worth anything.
    pub(crate) fn get(&self, id: &str) -> Option<Arc<Key>> {
        let mut state = self.state();
        let key = state.known.get(id).map(Arc::clone)?;
        if key.revoked {
            *state.refused.entry(key.id.clone()).or_default() += 1;
            return None;
        }
        Some(key)
    }

    /// Revokes every key that was made for this slice, or makes them good again; how often they were asked for meanwhile.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(crate) fn revoke(&self, slice: &Slice, revoked: bool) -> io::Result<u64> {
        let mut state = self.state();
        let other = |key: &&Arc<Key>| key.slice == *slice && key.revoked != revoked;
        let ids: Vec<_> = state.known.values().filter(other).map(|key| key.id.clone()).collect();
        let refused = ids.iter().filter_map(|id| state.refused.remove(id)).sum();
        if !ids.is_empty() {
            state.change(Change::Revoke(ids, revoked))?;
        }
        Ok(refused)
    }

    /// Adds keys, all or none.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(crate) fn add(&self, keys: Vec<Key>) -> io::Result<()> {
        self.state().change(Change::Add(keys))
    }

    /// Adds a grant to a key's own; false when there is no such key.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(crate) fn widen(&self, id: &str, grant: KeyGrant) -> io::Result<bool> {
        let mut state = self.state();
        if !state.known.contains_key(id) {
            return Ok(false);
        }
        state.change(Change::Widen(id.to_owned(), grant)).map(|()| true)
    }

    /// Removes every key that was made for one of these slices.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(crate) fn remove(&self, slices: &[Slice]) -> io::Result<()> {
        let mut state = self.state();
        let made_for = |key: &&Arc<Key>| slices.contains(&key.slice);
        let ids: Vec<_> = state.known.values().filter(made_for).map(|key| key.id.clone()).collect();
        if ids.is_empty() { Ok(()) } else { state.change(Change::Remove(ids)) }
    }

    /// Whether some key was made for a slice in this bucket.
    pub(crate) fn reach(&self, bucket: &str) -> bool {
        self.state().known.values().any(|key| key.slice.bucket == bucket)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn change(&mut self, change: Change) -> io::Result<()> {
        self.journal.append(&change)?;
        apply(&mut self.known, change);
        self.compact();
        Ok(())
    }

    /// Forgets keys that are gone, once they are most of the file.
    fn compact(&mut self) {
        if self.journal.is_due() {
            let keys = self.known.values().map(|key| Change::Add(vec![(**key).clone()]));
            self.journal.compact(self.known.len(), keys);
        }
    }
}

fn apply(known: &mut HashMap<String, Arc<Key>>, change: Change) {
    match change {
        Change::Add(keys) => known.extend(keys.into_iter().map(|key| (key.id.clone(), Arc::new(key)))),
        Change::Widen(id, grant) => {
            if let Some(key) = known.get_mut(&id) {
                Arc::make_mut(key).grants.push(grant);
            }
        }
        Change::Revoke(ids, revoked) => {
            for id in ids {
                if let Some(key) = known.get_mut(&id) {
                    Arc::make_mut(key).revoked = revoked;
                }
            }
        }
        Change::Remove(ids) => known.retain(|id, _| !ids.contains(id)),
    }
}
