//! `nothing-foreign`: no tenant ever received a neighbour's content, in a reply, an error text or a pushed message, and
//! none wrote outside every slice.
//!
//! Probes look for a neighbour's canary; what workloads receive carries its tenant's name, `engine.…`, and one with
//! another's or nobody's is foreign; what they are told besides, in errors and bodies, must not
//! name another either. Audits say what lies where nobody's is. Each is judged apart and the worst wins. Linear in the history.

use bulkhead_model::{
    Enforcement, Outcome, ProbeRecord, Verdict,
    bench::Wrong,
    history::{Event, EventKind},
};

pub(crate) use self::received::holds_something;
use self::{received::is_received, told::is_told};
use crate::{
    Check, Culprit, Judgement,
    beset::probes,
    isolated::{audited, strays, why_unknown, witness},
};

#[cfg(test)]
mod properties;
mod received;
mod told;

/// The check.
pub(crate) struct NothingForeign;

impl Check for NothingForeign {
    fn name(&self) -> &'static str {
        "nothing-foreign"
    }

    fn sentence(&self) -> &'static str {
        "No neighbour's canary is in anything that a tenant receives: replies, error texts, pushed messages; and all that \
         its workloads receive is its own. Where a convention keeps tenants apart, no name that they left lies outside \
         every slice."
    }

    fn concerns(&self, event: &EventKind) -> bool {
        match event {
            EventKind::Probe(probe) => probe.outcome != Outcome::Skipped,
            // A clean one proves nothing of what was received.
            EventKind::Audit(audit) => !audit.outside.is_empty(),
            _ => is_received(event) || is_told(event),
        }
    }

    fn judge(&self, history: &[Event], _: u64) -> Judgement {
        let received = [received::judge(history), told::judge(history)];
        let judged = [judge_audits(history), judge_probes(history)].into_iter().chain(received);
        let judged: Vec<_> = judged.flatten().collect();
        let verdict = Verdict::worst(judged.iter().map(|judgement| judgement.verdict));
        let shown = judged.iter().filter(|judgement| judgement.verdict == verdict);
        let texts: Vec<_> = shown.map(|judgement| judgement.evidence.as_str()).collect();
        let text = match (texts.is_empty(), verdict) {
            (true, _) => String::from("nobody received anything"),
            (_, Verdict::Pass) => texts.join("; ") + &audited(history),
            _ => texts.join("; "),
        };
        Judgement::new(verdict, text).naming(judged.into_iter().flat_map(|judged| judged.culprits))
    }
}

/// The events that show what is foreign and are no operations.
fn events(history: &[Event], foreign: impl Fn(&EventKind) -> bool) -> Vec<Culprit> {
    let events = history.iter().enumerate().filter(|(_, event)| foreign(&event.kind));
    events.map(|(place, _)| Culprit { place, wrong: Wrong::Foreign }).collect()
}

/// Judges where names were left; `None` unless one lies outside every slice.
fn judge_audits(history: &[Event]) -> Option<Judgement> {
    let outside = |event: &EventKind| matches!(event, EventKind::Audit(audit) if !audit.outside.is_empty());
    strays(history).map(|strays| Judgement::new(Verdict::Fail, strays).naming(events(history, outside)))
}

/// Judges what probes brought back; `None` where none was made.
fn judge_probes(history: &[Event]) -> Option<Judgement> {
    let probes: Vec<_> = probes(history).filter(|probe| probe.outcome != Outcome::Skipped).collect();
    if probes.is_empty() {
        return None;
    }
    let verdict = Verdict::worst(probes.iter().map(|probe| judge_content(probe)));
    let total = probes.len();
    let worst: Vec<_> = probes.iter().filter(|probe| judge_content(probe) == verdict).collect();
    let evidence = match (verdict, worst.first()) {
        (Verdict::Fail, Some(first)) => {
            format!(
                "{} of {total} probes brought the canary back, at most 0 may: {}",
                worst.len(),
                witness(first)
            )
        }
        (Verdict::Unknown, Some(first)) => {
            format!("{} of {total} probes say nothing: {}", worst.len(), why_unknown(first))
        }
        _ => match probes.iter().filter(|probe| probe.canary_seen).count() {
            0 => format!("0 canaries in what {total} probes received"),
            seen => format!(
                "{seen} of {total} probes brought the canary back, which the convention or the server's nature \
                 does not refuse"
            ),
        },
    };
    let brought =
        |event: &EventKind| matches!(event, EventKind::Probe(probe) if judge_content(probe) == Verdict::Fail);
    let brought = if verdict == Verdict::Fail { events(history, brought) } else { Vec::new() };
    Some(Judgement::new(verdict, evidence).naming(brought))
}

fn judge_content(probe: &ProbeRecord) -> Verdict {
    match probe.policy {
        Enforcement::Enforced if probe.canary_seen && probe.inherent.is_empty() => Verdict::Fail,
        _ if !probe.control.held || probe.outcome == Outcome::Unknown => Verdict::Unknown,
        _ => Verdict::Pass,
    }
}
