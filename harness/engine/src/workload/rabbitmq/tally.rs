//! What was confirmed and not taken yet: when all of it is, whoever takes may stop.

use std::{
    collections::HashSet,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::{sync::Notify, time::timeout};

/// The elements that somebody is to take.
#[derive(Default)]
pub(super) struct Open {
    elements: Mutex<Tally>,
    changed: Notify,
}

#[derive(Default)]
struct Tally {
    confirmed: HashSet<String>,
    taken: HashSet<String>,
    ended: bool,
}

impl Open {
    fn change(&self, change: impl FnOnce(&mut Tally)) {
        change(&mut self.elements.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.notify_waiters();
    }

    pub(super) fn confirmed(&self, element: &str) {
        self.change(|tally| {
            tally.confirmed.insert(element.to_owned());
        });
    }

    pub(super) fn taken(&self, element: &str) {
        self.change(|tally| {
            tally.taken.insert(element.to_owned());
        });
    }

    pub(super) fn no_more(&self) {
        self.change(|tally| tally.ended = true);
    }

    fn is_done(&self) -> bool {
        let tally = self.elements.lock().unwrap_or_else(PoisonError::into_inner);
        tally.ended && tally.confirmed.is_subset(&tally.taken)
    }

    /// Returns when nothing has been confirmed or taken for so long. Whoever is slow and still gets on has lost nothing.
    pub(super) async fn stalled(&self, patience: Duration) {
        while timeout(patience, self.changed.notified()).await.is_ok() {}
    }

    /// Returns when no more is to come and all that was confirmed was taken.
    pub(super) async fn done(&self) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if self.is_done() {
                return;
            }
            changed.await;
        }
    }
}
