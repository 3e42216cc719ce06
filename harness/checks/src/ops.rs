//! The operations of a history, each with its beginning and its end in one place.
//!
//! What came before what is told by the order of the history's lines, which is exact; the clock tells how long it took.

use std::{collections::BTreeMap, fmt, hash::Hash};

use bulkhead_model::{
    Act, Ended, Ending, Found, Invoked, Service,
    history::{Event, EventKind},
};

use crate::tables::Table;

/// One operation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Op<'h> {
    /// When it began, in nanoseconds.
    pub(crate) began: u64,
    /// The place of its beginning among the history's events.
    pub(crate) place: usize,
    /// What it is.
    pub(crate) invoked: &'h Invoked,
    /// When it was over and how; nothing where the history does not say.
    pub(crate) ended: Option<(u64, &'h Ended)>,
    /// The place of its end; behind all others where the history does not say.
    pub(crate) over: usize,
}

impl<'h> Op<'h> {
    /// How it came out. What was never over may have happened.
    pub(crate) fn outcome(&self) -> Ending {
        self.ended.map_or(Ending::Unknown, |(_, ended)| ended.outcome)
    }

    /// What it found, whatever else is said of it.
    pub(crate) fn found(&self) -> Option<&'h Found> {
        self.ended.and_then(|(_, ended)| ended.found.as_ref())
    }

    /// Whether it is a swap that found another value: the server answered, as it should.
    pub(crate) fn is_conflict(&self) -> bool {
        matches!(self.invoked.act, Act::Swap { .. }) && self.outcome() == Ending::Failed
    }

    /// Who did it.
    pub(crate) fn client(&self) -> &'h str {
        &self.invoked.client
    }

    /// When it was over, where the history says so.
    pub(crate) fn ended_at(&self) -> Option<u64> {
        self.ended.map(|(at, _)| at)
    }
}

/// All operations in the order in which they began. An end without a beginning, or a second one, is left out.
pub(crate) fn ops(history: &[Event]) -> Vec<Op<'_>> {
    // Each is two events, and few are under way at once.
    let (mut ops, mut places) = (Vec::with_capacity(history.len().div_ceil(2)), Table::default());
    for (line, Event { at, kind }) in history.iter().enumerate() {
        match kind {
            EventKind::Invoked(invoked) => {
                places.insert(invoked.op, ops.len());
                ops.push(Op { began: *at, place: line, invoked, ended: None, over: usize::MAX });
            }
            EventKind::Ended(ended) => {
                if let Some(op) = places.remove(&ended.op).and_then(|place: usize| ops.get_mut(place)) {
                    (op.ended, op.over) = (Some((*at, ended)), line);
                }
            }
            _ => {}
        }
    }
    ops
}

/// Whether the case came to its end by itself, and everything in it.
pub(crate) fn is_whole(history: &[Event]) -> bool {
    let holds = |wanted: fn(&EventKind) -> bool| history.iter().any(|event| wanted(&event.kind));
    holds(|kind| matches!(kind, EventKind::CaseEnded))
        && !holds(|kind| matches!(kind, EventKind::Broken { .. }))
}

/// Whose operations they are: a tenant's use of what is shared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Use<'h> {
    tenant: &'h str,
    workload: &'h str,
    /// Where uses are told apart by it, too.
    service: Option<Service>,
}

impl<'h> Use<'h> {
    /// The workload that an operation belongs to.
    pub(crate) fn of(invoked: &'h Invoked) -> Self {
        let Invoked { tenant, workload, .. } = invoked;
        Self { tenant: tenant.as_str(), workload, service: None }
    }

    /// Whose it is.
    pub(crate) fn tenant(&self) -> &'h str {
        self.tenant
    }

    /// The workload and the service.
    pub(crate) fn with_service(invoked: &'h Invoked) -> Self {
        Self { service: Some(invoked.service), ..Self::of(invoked) }
    }
}

impl fmt::Display for Use<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tenant, workload, service } = self;
        write!(f, "{tenant}'s {workload}")?;
        match service {
            Some(service) if !workload.starts_with(service.name()) => write!(f, " on {service}"),
            _ => Ok(()),
        }
    }
}

/// The operations by what a key makes of them, each in the order in which they began.
pub(crate) fn grouped<'h, K: Ord + Hash + Clone>(
    ops: impl IntoIterator<Item = Op<'h>>,
    key: impl Fn(&'h Invoked) -> K,
) -> BTreeMap<K, Vec<Op<'h>>> {
    let ops: Vec<_> = ops.into_iter().collect();
    let (mut numbers, mut keys, mut sizes) = (Table::default(), Vec::new(), Vec::new());
    let group_of = |op: &Op<'h>| {
        let key = key(op.invoked);
        let group = *numbers.entry(key.clone()).or_insert(sizes.len());
        if group == sizes.len() {
            keys.push(key);
            sizes.push(0_usize);
        }
        sizes[group] += 1;
        group
    };
    let places: Vec<usize> = ops.iter().map(group_of).collect();
    // A group that is all there is stays where it is.
    if keys.len() == 1 {
        return keys.into_iter().zip([ops]).collect();
    }
    let mut groups: Vec<Vec<_>> = sizes.into_iter().map(Vec::with_capacity).collect();
    for (op, group) in ops.into_iter().zip(places) {
        groups[group].push(op);
    }
    keys.into_iter().zip(groups).collect()
}
