//! Names and the proxies that have them: changes to one name wait for one another and for nothing else, and readers see
//! the last change at once.
//!
//! A name is reserved while its proxy is made, and given back where that fails. What is held is never out of the map,
//! so a change that is cut off loses nothing.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::OwnedMutexGuard;

use crate::{
    error::Error,
    proxies::View,
    proxy::{Proxy, Snapshot},
};

type Map = BTreeMap<String, Arc<Slot>>;

/// All names.
#[derive(Clone, Debug, Default)]
pub(crate) struct Slots(Arc<Mutex<Map>>);

/// One name.
#[derive(Debug, Default)]
struct Slot {
    /// None before it is made and after it is removed.
    proxy: Arc<tokio::sync::Mutex<Option<Proxy>>>,
    seen: Mutex<Option<Arc<Snapshot>>>,
}

/// A name while something changes it.
#[derive(Debug)]
pub(crate) struct Held {
    name: String,
    slot: Arc<Slot>,
    slots: Slots,
    proxy: OwnedMutexGuard<Option<Proxy>>,
}

impl Slots {
    /// Holds a name that a proxy has.
    pub(crate) async fn hold(&self, name: &str) -> Result<Held, Error> {
        loop {
            let slot = self.locked().get(name).cloned().ok_or(Error::ProxyNotFound)?;
            if let Some(held) = self.held(name, slot).await {
                return Ok(held);
            }
        }
    }

    /// Holds a name, whether or not a proxy has it.
    pub(crate) async fn reserve(&self, name: &str) -> Held {
        loop {
            let slot = self.locked().entry(name.to_owned()).or_default().clone();
            if let Some(held) = self.held(name, slot).await {
                return held;
            }
        }
    }

    /// None when the name was given back while we waited for it.
    async fn held(&self, name: &str, slot: Arc<Slot>) -> Option<Held> {
        let proxy = slot.proxy.clone().lock_owned().await;
        let still = self.locked().get(name).is_some_and(|now| Arc::ptr_eq(now, &slot));
        still.then(|| Held { name: name.to_owned(), slot, slots: self.clone(), proxy })
    }

    pub(crate) fn snapshot(&self, name: &str) -> Option<Arc<Snapshot>> {
        self.locked().get(name).and_then(|slot| slot.seen())
    }

    /// All by name.
    pub(crate) fn snapshots(&self) -> Vec<(String, Arc<Snapshot>)> {
        let slots = self.locked();
        slots.iter().filter_map(|(name, slot)| slot.seen().map(|seen| (name.clone(), seen))).collect()
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, Map> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot {
    fn seen(&self) -> Option<Arc<Snapshot>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn show(&self, snapshot: Option<Arc<Snapshot>>) {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = snapshot;
    }
}

impl Held {
    /// The proxy, if there is one.
    pub(crate) fn proxy(&mut self) -> Option<&mut Proxy> {
        self.proxy.as_mut()
    }

    /// Gives the name to a proxy, in place of any other, and shows it.
    pub(crate) fn put(&mut self, proxy: Proxy) -> Arc<Snapshot> {
        let snapshot = Arc::new(proxy.snapshot());
        *self.proxy = Some(proxy);
        self.slot.show(Some(snapshot.clone()));
        snapshot
    }

    /// Shows readers what it is now.
    pub(crate) fn show(&mut self) {
        self.slot.show(self.proxy.as_ref().map(|proxy| Arc::new(proxy.snapshot())));
    }

    /// What readers see.
    pub(crate) fn view(&self) -> Result<View, Error> {
        self.slot.seen().map(|seen| seen.view()).ok_or(Error::ProxyNotFound)
    }

    /// Takes the proxy from the name.
    pub(crate) fn take(&mut self) -> Option<Proxy> {
        self.slot.show(None);
        self.proxy.take()
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut slots = self.slots.locked();
        if self.proxy.is_none() && slots.get(&self.name).is_some_and(|slot| Arc::ptr_eq(slot, &self.slot)) {
            slots.remove(&self.name);
        }
    }
}
