//! What flowed through proxies that are gone. A counter never goes back, so what a proxy counted outlives it.

use std::sync::{Mutex, PoisonError};

use crate::live::{Flow, Touched};

/// The account of all proxies that were deleted or replaced.
#[derive(Debug, Default)]
pub(crate) struct Past(Mutex<(Vec<Flow>, Vec<Touched>)>);

impl Past {
    /// Takes over the account of a proxy whose connections have ended.
    pub(crate) fn take_over(&self, flows: Vec<Flow>, touched: Vec<Touched>) {
        let mut past = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        past.0 = flows_with(std::mem::take(&mut past.0), flows);
        past.1 = touched_with(std::mem::take(&mut past.1), touched);
    }

    /// The flows of now and then, one for each proxy, listener and upstream.
    pub(crate) fn with_flows(&self, flows: Vec<Flow>) -> Vec<Flow> {
        flows_with(flows, self.0.lock().unwrap_or_else(PoisonError::into_inner).0.clone())
    }

    /// What toxics touch and touched, one for each proxy and toxic.
    pub(crate) fn with_touched(&self, touched: Vec<Touched>) -> Vec<Touched> {
        touched_with(touched, self.0.lock().unwrap_or_else(PoisonError::into_inner).1.clone())
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
