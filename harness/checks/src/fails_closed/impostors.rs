//! Clients that met an impostor in their server's place, by the lines of the fault proxy's tape: each must have turned away,
//! and of those that met one kind on one link at least one must have said why.

use std::collections::BTreeSet;

use bulkhead_model::{
    Effect, Ending, TouchRecord, Verdict,
    history::{Event, EventKind},
};

use crate::{
    Judgement,
    ops::{Op, ops},
    words::moment,
};

/// What becomes of those that met one; nothing where nobody did.
pub(super) fn judge(history: &[Event]) -> Option<Judgement> {
    let touches = || {
        history.iter().filter_map(|event| match &event.kind {
            EventKind::Touched(touch) => Some(touch),
            _ => None,
        })
    };
    let trusted: Vec<_> = touches().filter(|touch| matches!(touch.effect, Effect::Trusted(_))).collect();
    let met = touches().filter(|touch| matches!(touch.effect, Effect::Refused(_))).count();
    if let Some(TouchRecord { when, link, connection, effect, .. }) = trusted.first() {
        let (Effect::Touched(what) | Effect::Refused(what) | Effect::Trusted(what)) = effect;
        let text = format!(
            "{} of {met} connections went on with an impostor, at most 0 may: connection {connection} of {link} first, at \
             {}, which met {what}",
            trusted.len(),
            moment(*when)
        );
        return Some(Judgement::new(Verdict::Fail, text));
    }
    let silent = silent(history, touches());
    match silent.first() {
        _ if met == 0 => None,
        Some((link, what)) => {
            let text = format!(
                "{met} of {met} connections turned away, but no operation on {link} that met {what} was told so ({}), so nobody \
                 knows whether it was for that",
                reasons(what).join(", ")
            );
            Some(Judgement::new(Verdict::Unknown, text))
        }
        None => Some(Judgement::new(Verdict::Pass, format!("{met} of {met} connections turned away"))),
    }
}

/// On which links something was met, and what, where no operation there says so in the reason for which it failed.
fn silent<'h>(
    history: &'h [Event],
    touches: impl Iterator<Item = &'h TouchRecord>,
) -> Vec<(&'h str, &'h str)> {
    let met: BTreeSet<(&str, &str)> = touches
        .filter_map(|touch| match &touch.effect {
            Effect::Refused(what) if !reasons(what).is_empty() => Some((touch.link.as_str(), what.as_str())),
            _ => None,
        })
        .collect();
    let failed: Vec<_> = ops(history).into_iter().filter(|op| op.outcome() != Ending::Ok).collect();
    let says = |op: &Op<'_>, (link, what): &(&str, &str)| {
        let its = format!("{}.{}", op.invoked.tenant, op.invoked.service) == *link;
        let detail = op.ended.map_or("", |(_, ended)| ended.detail.as_str());
        its && reasons(what).iter().any(|reason| detail.contains(reason))
    };
    met.into_iter().filter(|met| !failed.iter().any(|op| says(op, met))).collect()
}

/// How a client says that it met this, by what the tape calls it: rustls' words for what is wrong with a certificate and for
/// what is no TLS, and sqlx's for a PostgreSQL that answers `N`. Who is never answered can only say that it waited in vain.
fn reasons(what: &str) -> &'static [&'static str] {
    match what {
        "expired certificate" => &["certificate expired"],
        "certificate of another host" => &["certificate not valid for name"],
        "self-signed certificate" => &["UnknownIssuer"],
        "plaintext in place of TLS" => &["InvalidContentType", "server does not support TLS"],
        _ => &[],
    }
}
