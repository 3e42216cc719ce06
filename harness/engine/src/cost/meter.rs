//! What is left of a case's allowance, asked before anything is spent: a case never spends more than was announced for it,
//! whatever its faults make its clients do.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::{Cost, Unit};

/// The allowance of one case that is played where calls are billed.
pub struct Meter {
    allowance: Cost,
    left: Mutex<Cost>,
    /// The unit that ran short, once one has. From then on nothing may be spent.
    short: watch::Sender<Option<Unit>>,
}

impl Meter {
    /// All of it is left.
    pub fn new(allowance: Cost) -> Self {
        Self { allowance, left: Mutex::new(allowance), short: watch::Sender::new(None) }
    }

    /// Takes the price of what is about to be done, and says whether it may be: not when that is more than is left, nor
    /// after the first time that it was.
    pub fn take(&self, price: Cost) -> bool {
        let mut left = self.left();
        if self.is_spent() {
            return false;
        }
        match left.less(price) {
            Ok(rest) => {
                *left = rest;
                true
            }
            Err(unit) => {
                self.short.send_replace(Some(unit));
                false
            }
        }
    }

    /// Whether something could not be paid.
    pub fn is_spent(&self) -> bool {
        self.short.borrow().is_some()
    }

    /// Returns when something cannot be paid; never where nothing is billed.
    pub(crate) async fn spent(meter: Option<&Self>) {
        match meter {
            Some(meter) => {
                // The sender is this meter's own, so it cannot be gone.
                let mut short = meter.short.subscribe();
                let _gone = short.wait_for(Option::is_some).await;
            }
            None => std::future::pending().await,
        }
    }

    /// Why the case ended early, if so.
    pub fn why(&self) -> Option<String> {
        let unit = (*self.short.borrow())?;
        Some(format!(
            "the case's allowance was spent before its end: what came next would have taken more of `{}` than the {} that \
             were announced for it",
            unit.name(),
            self.allowance.amount(unit)
        ))
    }

    fn left(&self) -> MutexGuard<'_, Cost> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn what_is_left_may_be_spent_and_nothing_after_that() {
        let price = Cost::NONE.with(Unit::RedisCommands, 2).with(Unit::Bytes, 10);
        let meter = Meter::new(price.times(3).with(Unit::Bytes, 100));
        assert!((0..3).all(|_| meter.take(price)));
        assert!(
            !meter.is_spent() && meter.why().is_none() && Meter::spent(Some(&meter)).now_or_never().is_none()
        );
        assert!(!meter.take(price), "there are bytes, and no command");
        assert!(meter.is_spent() && Meter::spent(Some(&meter)).now_or_never().is_some());
        assert!(!meter.take(Cost::NONE.with(Unit::Bytes, 1)), "it is over, whatever is left of another unit");
        let why = meter.why().unwrap_or_default();
        assert!(why.contains("`redis` than the 6 "), "{why}");
    }

    #[tokio::test]
    async fn many_hands_never_take_more_than_there_is() {
        let meter = std::sync::Arc::new(Meter::new(Cost::NONE.with(Unit::Messages, 1000)));
        let taking = (0..8).map(|_| {
            let meter = std::sync::Arc::clone(&meter);
            let price = Cost::NONE.with(Unit::Messages, 3);
            tokio::task::spawn_blocking(move || (0..500).filter(|_| meter.take(price)).count())
        });
        let taken: usize = futures::future::join_all(taking).await.into_iter().map(Result::unwrap).sum();
        assert_eq!(taken, 333);
    }
}
