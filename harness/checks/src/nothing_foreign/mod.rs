//! `nothing-foreign`: no tenant ever received a neighbour's content, in a reply, an error text or a pushed message.

use bulkhead_model::{
    Enforcement, Outcome, ProbeRecord, Verdict,
    history::{Event, EventKind},
};

use crate::{
    Check, Judgement,
    isolated::{probes, why_unknown, witness},
};

/// The check.
pub(crate) struct NothingForeign;

impl Check for NothingForeign {
    fn name(&self) -> &'static str {
        "nothing-foreign"
    }

    fn sentence(&self) -> &'static str {
        "No neighbour's canary is in anything that a tenant receives: replies, error texts, pushed messages."
    }

    fn concerns(&self, event: &EventKind) -> bool {
        matches!(event, EventKind::Probe(probe) if probe.outcome != Outcome::Skipped)
    }

    fn judge(&self, history: &[Event], _: u64) -> Judgement {
        let probes: Vec<_> = probes(history).filter(|probe| probe.outcome != Outcome::Skipped).collect();
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
        Judgement::new(verdict, evidence)
    }
}

fn judge_content(probe: &ProbeRecord) -> Verdict {
    match probe.policy {
        Enforcement::Enforced if probe.canary_seen && probe.inherent.is_empty() => Verdict::Fail,
        _ if !probe.control.held || probe.outcome == Outcome::Unknown => Verdict::Unknown,
        _ => Verdict::Pass,
    }
}
