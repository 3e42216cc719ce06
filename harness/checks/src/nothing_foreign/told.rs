//! What workloads were told besides elements and values: the texts of errors and answers, and the bodies of objects.
//!
//! They only show what is foreign: one that is clean proves nothing of what was received. In a text a name counts that has
//! the shape which workloads give theirs, `plane.1.17`, and whose first part is a tenant that the history knows or has no
//! digit, as the versions of programs and the names of machines have. A body counts by its digest, where another tenant's
//! operations say that they sent it or must find it.

use std::collections::{HashMap, HashSet};

use bulkhead_model::{
    Act, Content, Ended, Found, Invoked, Verdict,
    bench::Wrong,
    history::{Event, EventKind},
};

use crate::{
    Culprit, Judgement,
    ops::{Op, Use, ops},
    words::{during, moment},
};

/// Whether the event is something that a workload was told.
pub(super) fn is_told(event: &EventKind) -> bool {
    let EventKind::Ended(Ended { detail, found, .. }) = event else { return false };
    !detail.is_empty() || matches!(found, Some(Found::Answer { .. } | Found::Content(Some(_))))
}

/// Judges what was told; `None` unless something is foreign.
pub(super) fn judge(history: &[Event]) -> Option<Judgement> {
    let ops = ops(history);
    let tenants: HashSet<&str> = ops.iter().map(|op| op.invoked.tenant.as_str()).collect();
    let owners = owners(&ops);
    let foreign = |op: &Op<'_>| {
        let tenant = op.invoked.tenant.as_str();
        let name = texts(op).into_iter().find_map(|text| stranger(text, tenant, &tenants));
        let (what, whose) = match (name, op.found()) {
            (Some((name, whose)), _) => (format!("`{name}` in a text"), whose.to_owned()),
            (None, Some(Found::Content(Some(Content { digest, .. })))) => {
                let owners = owners.get(digest.as_str()).filter(|owners| !owners.contains(tenant))?;
                (format!("a body with the digest `{digest}`"), (*owners.iter().min()?).to_owned())
            }
            _ => return None,
        };
        Some((op.ended_at()?, what, whose))
    };
    let mut found: Vec<_> = ops.iter().filter_map(|op| Some((foreign(op)?, op))).collect();
    found.sort_by_key(|((at, ..), op)| (*at, op.place));
    let ((at, what, whose), op) = found.first()?;
    let text = format!(
        "{} texts and bodies were foreign, at most 0 may be: {what} first, {whose}'s, received by {}, {}, at {}{}",
        found.len(),
        op.client(),
        Use::of(op.invoked),
        moment(*at),
        during(history, *at)
    );
    let foreign = found.iter().map(|(_, op)| Culprit::of(Wrong::Foreign, op));
    Some(Judgement::new(Verdict::Fail, text).naming(foreign))
}

/// Everything that an operation was told in words.
fn texts<'h>(op: &Op<'h>) -> Vec<&'h str> {
    let detail = op.ended.map(|(_, ended)| ended.detail.as_str());
    let said = match op.found() {
        Some(Found::Answer { said, .. }) => Some(said.as_str()),
        _ => None,
    };
    detail.into_iter().chain(said).collect()
}

/// The first name in a text that is another tenant's, and that tenant.
fn stranger<'t>(text: &'t str, tenant: &str, tenants: &HashSet<&str>) -> Option<(&'t str, &'t str)> {
    let is_part = |sign: char| sign.is_ascii_alphanumeric() || ['.', '_', '-'].contains(&sign);
    text.split(|sign| !is_part(sign)).map(|word| word.trim_matches('.')).find_map(|word| {
        let mut parts = word.split('.');
        let (owner, numbers) = (parts.next()?, [parts.next()?, parts.next()?]);
        let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        let has_its_shape = parts.next().is_none() && numbers.into_iter().all(is_number);
        let is_a_name = owner.starts_with(|sign: char| sign.is_ascii_lowercase());
        let is_a_tenant = tenants.contains(owner) || !owner.bytes().any(|byte| byte.is_ascii_digit());
        (has_its_shape && is_a_name && is_a_tenant && owner != tenant).then_some((word, owner))
    })
}

/// Whose each body is that somebody sent, or must find.
fn owners<'h>(ops: &[Op<'h>]) -> HashMap<&'h str, HashSet<&'h str>> {
    let mut owners: HashMap<_, HashSet<_>> = HashMap::new();
    for op in ops {
        let Invoked { act, tenant, .. } = op.invoked;
        if let Act::Upload { content, .. } | Act::Fetch { holds: Some(content), .. } = act {
            owners.entry(content.digest.as_str()).or_default().insert(tenant.as_str());
        }
    }
    owners
}
