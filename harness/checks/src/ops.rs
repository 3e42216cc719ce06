//! The operations of a history, each with its beginning and its end in one place.

use std::collections::HashMap;

use bulkhead_model::{
    Ended, Ending, Invoked,
    history::{Event, EventKind},
};

/// One operation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Op<'h> {
    /// When it began, in nanoseconds.
    pub(crate) began: u64,
    /// What it is.
    pub(crate) invoked: &'h Invoked,
    /// When it was over and how; nothing where the history does not say.
    pub(crate) ended: Option<(u64, &'h Ended)>,
}

impl Op<'_> {
    /// How it came out. What was never over may have happened.
    pub(crate) fn outcome(&self) -> Ending {
        self.ended.map_or(Ending::Unknown, |(_, ended)| ended.outcome)
    }
}

/// All operations in the order in which they began. An end without a beginning is left out.
pub(crate) fn ops(history: &[Event]) -> Vec<Op<'_>> {
    let (mut ops, mut places) = (Vec::new(), HashMap::new());
    for Event { at, kind } in history {
        match kind {
            EventKind::Invoked(invoked) => {
                places.insert(invoked.op, ops.len());
                ops.push(Op { began: *at, invoked, ended: None });
            }
            EventKind::Ended(ended) => {
                if let Some(op) = places.get(&ended.op).and_then(|place: &usize| ops.get_mut(*place)) {
                    op.ended = Some((*at, ended));
                }
            }
            _ => {}
        }
    }
    ops
}

/// A moment of the run for a sentence.
pub(crate) fn moment(nanoseconds: u64) -> String {
    let milliseconds = nanoseconds / 1_000_000;
    format!("{}.{:03} s", milliseconds / 1000, milliseconds % 1000)
}

/// The faults that were on at that moment, in words.
pub(crate) fn faults_at(history: &[Event], moment: u64) -> Vec<&str> {
    let mut on = Vec::new();
    for event in history.iter().take_while(|event| event.at <= moment) {
        match &event.kind {
            EventKind::FaultBegan(fault) => on.push((fault.fault, fault.what.as_str())),
            EventKind::FaultEnded(fault) => on.retain(|(number, _)| *number != fault.fault),
            _ => {}
        }
    }
    on.into_iter().map(|(_, what)| what).collect()
}
