//! What workloads received: elements and values, each of which names its tenant before its first dot.

use bulkhead_model::{
    Act, Found, Invoked, Verdict,
    bench::Wrong,
    history::{Event, EventKind},
};

use crate::{
    Culprit, Judgement,
    ops::{Op, Use, ops},
    words::{during, moment},
};

/// Whether the event is something that a workload received.
pub(super) fn is_received(event: &EventKind) -> bool {
    match event {
        EventKind::Invoked(Invoked { act, .. }) => given(act).is_some(),
        EventKind::Ended(ended) => {
            matches!(ended.found, Some(Found::Elements(_) | Found::Value(_) | Found::Books { .. }))
        }
        _ => false,
    }
}

/// Whether there is something in what it received, which can be told from a neighbour's.
pub(crate) fn holds_something(event: &EventKind) -> bool {
    match event {
        EventKind::Ended(ended) => match &ended.found {
            Some(Found::Elements(elements)) => !elements.is_empty(),
            Some(Found::Value(value)) => value.is_some(),
            found => matches!(found, Some(Found::Books { .. })),
        },
        _ => is_received(event),
    }
}

/// Judges what was received; `None` where no operation receives anything.
pub(super) fn judge(history: &[Event]) -> Option<Judgement> {
    let (mut receives, mut total, mut foreign) = (false, 0_usize, Vec::new());
    let mut first: Option<(u64, Op<'_>, &str, String)> = None;
    for op in ops(history) {
        let Some((at, names)) = received(&op) else { continue };
        receives = true;
        for name in names {
            total += 1;
            let Some(whose) = stranger(name, op.invoked.tenant.as_str()) else { continue };
            foreign.push(Culprit::of(Wrong::Foreign, &op));
            // Received first, which need not be what began first.
            if first.as_ref().is_none_or(|(known, ..)| at < *known) {
                first = Some((at, op, name, whose));
            }
        }
    }
    let judged = match first {
        Some((at, op, name, whose)) => {
            let (of, during) = (Use::of(op.invoked), during(history, at));
            let text = format!(
                "{} of {total} elements and values were foreign, at most 0 may be: `{name}` first, {whose}, received \
                 by {}, {of}, at {}{during}",
                foreign.len(),
                op.client(),
                moment(at)
            );
            Judgement::new(Verdict::Fail, text).naming(foreign)
        }
        None if total == 0 => Judgement::new(Verdict::Unknown, "no workload received an element or a value"),
        None => Judgement::new(
            Verdict::Pass,
            format!("0 of {total} elements and values that workloads received were foreign"),
        ),
    };
    receives.then_some(judged)
}

/// What was received already when the operation began, whatever becomes of it.
fn given(act: &Act) -> Option<&str> {
    match act {
        Act::Take { element, .. } | Act::Pass { element, .. } | Act::Hear { element } => Some(element),
        Act::Answer { request, .. } => Some(request),
        Act::Unasked { reply } => Some(reply),
        _ => None,
    }
}

/// What an operation received, and when; `None` where it is none that receives.
fn received<'h>(op: &Op<'h>) -> Option<(u64, Vec<&'h str>)> {
    let given = given(&op.invoked.act).map(|name| (op.began, vec![name]));
    let found = match op.found() {
        Some(Found::Elements(elements)) => Some(elements.iter().map(String::as_str).collect()),
        Some(Found::Value(value)) => Some(value.as_deref().into_iter().collect()),
        Some(Found::Books { entries, .. }) => {
            Some(entries.iter().map(|entry| entry.transfer.as_str()).collect())
        }
        Some(Found::Admitted(_) | Found::Content(_) | Found::Answer { .. }) | None => None,
    };
    let found = found.and_then(|names| Some((op.ended_at()?, names)));
    given.or(found)
}

/// Whose it is, where it is not the tenant's.
fn stranger(name: &str, tenant: &str) -> Option<String> {
    match name.split_once('.') {
        Some((owner, _)) if owner == tenant => None,
        Some((owner, _)) if !owner.is_empty() => Some(format!("{owner}'s")),
        _ => Some(String::from("nobody's")),
    }
}
