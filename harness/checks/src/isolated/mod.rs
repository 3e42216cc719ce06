//! `isolated`: the server kept every probe out, where the topology says that it does.

use bulkhead_model::{
    AuditRecord, Enforcement, Outcome, ProbeRecord, RunAudit, Verdict,
    history::{Event, EventKind},
    report::InvariantReport,
};

use crate::{
    Check, Judgement,
    beset::{beset_probes, probes},
    nothing_foreign::NothingForeign,
};

/// The check.
pub(crate) struct Isolated;

impl Check for Isolated {
    fn name(&self) -> &'static str {
        "isolated"
    }

    fn sentence(&self) -> &'static str {
        "Where the topology promises enforcement, the server refuses every probe of a neighbour's slice or shows \
         nothing; where it promises a convention, no name that the case left lies outside every tenant's slice. Under \
         faults nothing gets through, and all is judged when they are over."
    }

    fn concerns(&self, event: &EventKind) -> bool {
        match event {
            EventKind::Probe(probe) => probe.outcome != Outcome::Skipped,
            EventKind::Audit(audit) => !audit.outside.is_empty(),
            _ => false,
        }
    }

    fn judge(&self, history: &[Event], _: u64) -> Judgement {
        let probes: Vec<_> = probes(history).filter(|probe| probe.outcome != Outcome::Skipped).collect();
        if let Some(strays) = strays(history) {
            return Judgement::new(Verdict::Fail, strays);
        }
        let verdict = Verdict::worst(probes.iter().map(|probe| judge_probe(probe)));
        let total = probes.len();
        let worst: Vec<_> = probes.iter().filter(|probe| judge_probe(probe) == verdict).collect();
        let evidence = match (verdict, worst.first()) {
            (Verdict::Fail, Some(first)) => {
                format!("{} of {total} probes got through, at most 0 may: {}", worst.len(), witness(first))
            }
            (Verdict::Unknown, Some(first)) => {
                format!("{} of {total} probes say nothing: {}", worst.len(), why_unknown(first))
            }
            _ => format!("{}{}{}", kept_out(&probes), beset_probes(history), audited(history)),
        };
        Judgement::new(verdict, evidence)
    }
}

/// One probe judged against what the topology promises for its service.
///
/// A leak is a leak even when the control failed; anything else without its control proves nothing. A leak that no
/// setting of the server closes is shown and does not fail: nobody could make it pass.
pub fn judge_probe(probe: &ProbeRecord) -> Verdict {
    let answered = probe.control.held && !matches!(probe.outcome, Outcome::Unknown | Outcome::Skipped);
    match probe.policy {
        Enforcement::Enforced if probe.leaked() && probe.inherent.is_empty() => Verdict::Fail,
        Enforcement::Enforced | Enforcement::Convention if !answered => Verdict::Unknown,
        Enforcement::Enforced | Enforcement::Convention => Verdict::Pass,
    }
}

/// The audits of a history, in their order.
pub(crate) fn audits(history: &[Event]) -> impl Iterator<Item = &AuditRecord> {
    history.iter().filter_map(|event| match &event.kind {
        EventKind::Audit(audit) => Some(audit),
        _ => None,
    })
}

/// Who did what to whom, and what came back.
pub(crate) fn witness(probe: &ProbeRecord) -> String {
    let ProbeRecord { from, to, probe, evidence, .. } = probe;
    format!("{from} → {to} {probe}: {evidence}")
}

/// Why a probe proves nothing.
pub(crate) fn why_unknown(probe: &ProbeRecord) -> String {
    let ProbeRecord { from, to, probe: name, control, evidence, .. } = probe;
    if control.held {
        format!("{from} → {to} {name} got no answer that says either: {evidence}")
    } else {
        format!("{from} → {to} {name}: the same call on {from}'s own slice failed: {}", control.detail)
    }
}

fn kept_out(probes: &[&ProbeRecord]) -> String {
    let count = |outcome| probes.iter().filter(|probe| probe.outcome == outcome).count();
    let (denied, invisible, allowed) =
        (count(Outcome::Denied), count(Outcome::Invisible), count(Outcome::Allowed));
    let mut text = format!("{denied} denied, {invisible} invisible of {} probes", probes.len());
    let inherent = probes.iter().filter(|probe| probe.leaked() && !probe.inherent.is_empty()).count();
    if allowed > inherent {
        text.push_str(&format!(
            "; {} allowed, which is the convention: the server itself refuses nothing",
            allowed - inherent
        ));
    }
    if inherent > 0 {
        text.push_str(&format!("; {inherent} got through, which no setting of the server prevents"));
    }
    text
}

/// What the audits add to the sentence; nothing where there was none.
pub(crate) fn audited(history: &[Event]) -> String {
    let texts = audits(history).map(|audit| {
        let AuditRecord { service, names, outside, .. } = audit;
        let (count, workers) = (outside.len(), workers(audit));
        format!(
            "; audit of {service} after the work of {workers}: {count} of {names} names outside every slice"
        )
    });
    texts.collect()
}

/// What lies in nobody's slice and who may have left it there; `None` where nothing does.
pub(crate) fn strays(history: &[Event]) -> Option<String> {
    let mut audits = audits(history).filter(|audit| !audit.outside.is_empty());
    let first = audits.next()?;
    let count = first.outside.len() + audits.map(|audit| audit.outside.len()).sum::<usize>();
    let (stray, workers) = (first.outside.first()?, workers(first));
    Some(format!("{count} names lie in no tenant's slice after the work of {workers}, `{stray}` first"))
}

/// Judges what a look at a server that others use found, as the invariant about what lies outside.
pub fn judge_run(audit: &RunAudit) -> InvariantReport {
    let RunAudit { service, names, outside, others, unread } = audit;
    let (verdict, first) = match outside.first() {
        None => (Verdict::Pass, String::new()),
        Some(first) => (Verdict::Fail, format!(", `{first}` first")),
    };
    let count = outside.len();
    let mut evidence =
        format!("{count} of {names} names on {service} bear a mark of the run outside its own{first}");
    if *others > 0 {
        evidence
            .push_str(&format!("; {others} appeared meanwhile without one, not ours as far as can be told"));
    }
    if *unread > 0 {
        evidence.push_str(&format!(", of which {unread} were told by their names alone"));
    }
    InvariantReport { name: NothingForeign.name().to_owned(), verdict, evidence }
}

/// Whose doing the names are.
fn workers(audit: &AuditRecord) -> String {
    let names: Vec<_> = audit.by.iter().map(ToString::to_string).collect();
    if names.is_empty() { String::from("somebody") } else { names.join(" and ") }
}

#[cfg(test)]
mod tests {
    use bulkhead_model::{
        AuditRecord,
        Enforcement::*,
        Outcome::*,
        RunAudit, Service, Verdict,
        history::{Event, EventKind},
        scenario::Expected,
    };

    use super::judge_probe;
    use crate::generic_tests::probe;

    #[test]
    fn a_probe_is_judged_by_what_the_topology_promises() {
        let cases = [
            (Enforced, true, Denied, false, Verdict::Pass),
            (Enforced, true, Invisible, false, Verdict::Pass),
            (Enforced, true, Allowed, false, Verdict::Fail),
            (Enforced, true, Unknown, false, Verdict::Unknown),
            (Enforced, true, Denied, true, Verdict::Fail),
            (Enforced, false, Denied, false, Verdict::Unknown),
            (Enforced, false, Allowed, false, Verdict::Fail),
            (Convention, true, Allowed, true, Verdict::Pass),
            (Convention, true, Denied, false, Verdict::Pass),
            (Convention, false, Allowed, false, Verdict::Unknown),
            (Convention, true, Unknown, false, Verdict::Unknown),
        ];
        for (policy, held, outcome, canary_seen, verdict) in cases {
            let mut row = probe("engine", "plane");
            row.policy = policy;
            row.control.held = held;
            row.outcome = outcome;
            row.canary_seen = canary_seen;
            assert_eq!(judge_probe(&row), verdict, "{policy} held={held} {outcome} canary={canary_seen}");
        }
    }

    #[test]
    fn a_look_at_a_server_of_others_fails_for_what_is_the_runs_and_for_nothing_else() {
        let audit = |outside: &[&str], others, unread| {
            let outside = outside.iter().map(|name| (*name).to_owned()).collect();
            super::judge_run(&RunAudit { service: Service::Redis, names: 9, outside, others, unread })
        };
        let clean = audit(&[], 2, 1);
        assert_eq!((clean.name.as_str(), clean.verdict), ("nothing-foreign", Verdict::Pass));
        for part in ["0 of 9 names", "; 2 appeared meanwhile", ", of which 1 were told"] {
            assert!(clean.evidence.contains(part), "{}", clean.evidence);
        }
        let stray = audit(&["engin:x"], 2, 0);
        assert_eq!(stray.verdict, Verdict::Fail);
        assert!(stray.evidence.contains("outside its own, `engin:x` first;"), "{}", stray.evidence);
        assert!(audit(&[], 0, 0).evidence.ends_with("outside its own"));
    }

    #[test]
    fn what_lies_outside_every_slice_fails_a_case_whatever_it_expects() {
        let history = |outside: &[&str]| {
            let outside = outside.iter().map(|name| (*name).to_owned()).collect();
            let audit = AuditRecord { service: Service::Redis, by: Vec::new(), names: 2, outside };
            let kinds = [EventKind::Audit(audit), EventKind::CaseEnded];
            kinds.map(|kind| Event { at: 1, kind })
        };
        let judged = |history: &[Event], expect: &str| -> Vec<_> {
            let reports = crate::judge(history, &[Expected::plain(expect)]);
            reports.into_iter().map(|report| (report.name, report.verdict)).collect()
        };
        let failed = |name: &str| (name.to_owned(), Verdict::Fail);
        let stray = history(&["engin:outside"]);
        assert_eq!(judged(&stray, "nothing-lost")[1..], [failed("nothing-foreign")]);
        for told in crate::TELL_STRAYS {
            assert_eq!(judged(&stray, told), [failed(told)]);
        }
        assert_eq!(judged(&history(&[]), "nothing-lost").len(), 1);
        let clean = judged(&history(&[]), "nothing-foreign");
        assert_eq!(clean[0].1, Verdict::Unknown, "a clean audit alone says nothing of what was received");
    }

    #[test]
    fn what_no_setting_closes_is_shown_and_does_not_fail_and_what_was_skipped_proves_nothing() {
        let mut row = probe("engine", "plane");
        (row.outcome, row.inherent) = (Allowed, String::from("every role may read pg_database"));
        assert_eq!(judge_probe(&row), Verdict::Pass);
        row.control.held = false;
        assert_eq!(judge_probe(&row), Verdict::Unknown);
        (row.control.held, row.outcome) = (true, Skipped);
        assert_eq!(judge_probe(&row), Verdict::Unknown);
    }
}
