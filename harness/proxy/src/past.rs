//! What flowed through all proxies, those that are gone among them. A counter never goes back, so what a proxy counted
//! outlives it: its account is added to the past in the same moment in which it leaves the present.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use crate::live::{Flow, Live, Touched};

/// The accounts of all proxies.
#[derive(Debug, Default)]
pub(crate) struct Past(Mutex<Accounts>);

#[derive(Debug, Default)]
struct Accounts {
    /// Of the proxies there are, by name and in the order in which they were made.
    open: BTreeMap<(Arc<str>, u64), Arc<Live>>,
    made: u64,
    flows: Vec<Flow>,
    touched: Vec<Touched>,
}

impl Past {
    /// A new proxy's account.
    pub(crate) fn account(&self, proxy: &str) -> Arc<Live> {
        let (mut accounts, live) = (self.locked(), Arc::<Live>::default());
        accounts.made += 1;
        let key = (proxy.into(), accounts.made);
        accounts.open.insert(key, live.clone());
        live
    }

    /// Takes over the account of a proxy whose connections have ended.
    pub(crate) fn take_over(&self, live: &Arc<Live>) {
        let accounts = &mut *self.locked();
        let Some(key) = accounts.open.iter().find(|(_, open)| Arc::ptr_eq(open, live)).map(|(key, _)| key)
        else {
            return;
        };
        let key = key.clone();
        accounts.open.remove(&key);
        accounts.flows = flows_with(std::mem::take(&mut accounts.flows), live.flows());
        accounts.touched = touched_with(std::mem::take(&mut accounts.touched), live.touched(&key.0));
    }

    /// The flows of now and then, one for each proxy, listener and upstream.
    pub(crate) fn flows(&self) -> Vec<Flow> {
        let accounts = self.locked();
        let now = accounts.open.values().flat_map(|live| live.flows()).collect();
        flows_with(now, accounts.flows.clone())
    }

    /// What toxics touch and touched, one for each proxy and toxic.
    pub(crate) fn touched(&self) -> Vec<Touched> {
        let accounts = self.locked();
        let now = accounts.open.iter().flat_map(|((proxy, _), live)| live.touched(proxy)).collect();
        touched_with(now, accounts.touched.clone())
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, Accounts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn flows_with(mut sums: Vec<Flow>, more: Vec<Flow>) -> Vec<Flow> {
    for flow in more {
        let same = |sum: &&mut Flow| {
            (&sum.proxy, &sum.listener, &sum.upstream) == (&flow.proxy, &flow.listener, &flow.upstream)
        };
        match sums.iter_mut().find(same) {
            Some(sum) => {
                sum.up += flow.up;
                sum.down += flow.down;
            }
            None => sums.push(flow),
        }
    }
    sums
}

fn touched_with(mut sums: Vec<Touched>, more: Vec<Touched>) -> Vec<Touched> {
    for touched in more {
        let same = |sum: &&mut Touched| (&sum.proxy, &sum.toxic) == (&touched.proxy, &touched.toxic);
        match sums.iter_mut().find(same) {
            Some(sum) => {
                sum.touches = sum.touches.saturating_add(touched.touches);
                sum.bytes = sum.bytes.saturating_add(touched.bytes);
            }
            None => sums.push(touched),
        }
    }
    sums
}
