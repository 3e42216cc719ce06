//! The rows of the report: a history's probes with their verdicts, its checklist items. Nothing is judged anew here.

use bulkhead_model::{
    Enforcement, Outcome,
    history::Event,
    report::{ChecklistRow, IsolationRow},
};

use crate::{
    beset::{items, probes},
    isolated::{audited, audits, judge_probe},
};

/// One row for each probe, in the history's order. Where the topology promises a convention only, the row says so and
/// what the audit found.
pub fn isolation_rows(history: &[Event]) -> Vec<IsolationRow> {
    let rows = probes(history).map(|probe| {
        let mut evidence = probe.evidence.clone();
        if !probe.control.held && probe.outcome != Outcome::Skipped {
            evidence.push_str(&format!("; the control failed: {}", probe.control.detail));
        }
        if probe.policy == Enforcement::Convention {
            evidence
                .push_str(&format!("; convention: the server itself refuses nothing{}", audited(history)));
        }
        let probe = probe.clone();
        IsolationRow {
            verdict: judge_probe(&probe),
            from: probe.from,
            to: probe.to,
            service: probe.service,
            probe: probe.probe,
            class: probe.class,
            outcome: probe.outcome,
            policy: probe.policy,
            evidence,
            fix: probe.fix,
            inherent: probe.inherent,
            server: probe.server,
            audit: audits(history).find(|audit| audit.service == probe.service).cloned(),
        }
    });
    rows.collect()
}

/// One row for each checklist item, in the history's order.
pub fn checklist_rows(history: &[Event]) -> Vec<ChecklistRow> {
    let rows = items(history).cloned().map(|record| ChecklistRow {
        service: record.item.service(),
        tenant: record.tenant,
        item: record.item,
        done: record.done,
        evidence: record.evidence,
        fix: record.fix,
    });
    rows.collect()
}
