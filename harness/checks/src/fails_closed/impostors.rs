//! Clients that met an impostor in their server's place, by the lines of the fault proxy's tape.

use bulkhead_model::{
    Effect, TouchRecord, Verdict,
    history::{Event, EventKind},
};

use crate::{Judgement, words::moment};

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
    (met > 0).then(|| Judgement::new(Verdict::Pass, format!("{met} of {met} connections turned away")))
}
