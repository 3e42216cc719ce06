//! A case and its history into what reports show. The checks judge; this puts the pieces together.

use std::collections::{BTreeMap, BTreeSet};

use bulkhead_model::{
    Ending, OpId, Outcome, Service, Verdict,
    doctor::{self, Diagnosis},
    history::{Event, EventKind},
    report::{CaseReport, ChecklistRow, IsolationRow, LogTail},
    scenario::Scenario,
};

use crate::plan::Planned;

/// A judged case with its rows.
#[derive(Debug)]
pub(crate) struct Judged {
    pub(crate) report: CaseReport,
    pub(crate) isolation: Vec<IsolationRow>,
    pub(crate) checklist: Vec<ChecklistRow>,
}

/// Judges the history by what the scenario expects.
pub(crate) fn judge(planned: &Planned, history: &[Event], duration_ms: u64) -> Judged {
    let scenario = &planned.case.scenario;
    let invariants = bulkhead_checks::judge(history, &scenario.expect);
    let isolation = bulkhead_checks::isolation_rows(history);
    let checklist = bulkhead_checks::checklist_rows(history);
    let verdict = Verdict::worst(invariants.iter().map(|invariant| invariant.verdict));
    if let Some(reason) = not_made(history) {
        return Judged {
            report: CaseReport { duration_ms, ..skipped(planned, reason) },
            isolation,
            checklist,
        };
    }
    let likely = if verdict == Verdict::Pass { None } else { likely(&isolation, &checklist) };
    let report = CaseReport {
        id: planned.case.id.clone(),
        title: scenario.title.clone(),
        why: scenario.why.clone(),
        verdict,
        skipped: None,
        duration_ms,
        faults: scenario.faults.iter().map(bulkhead_engine::faults::words).collect(),
        invariants,
        attempts: Vec::new(),
        likely,
        diagnoses: diagnoses(history, verdict, &isolation, &checklist),
        repro: planned.repro.clone(),
        logs: Vec::new(),
    };
    Judged { report, isolation, checklist }
}

/// Why none of the case's probes could be made; nothing where one was, or where something else happened.
fn not_made(history: &[Event]) -> Option<&str> {
    let mut reason = None;
    for event in history {
        match &event.kind {
            EventKind::CaseStarted { .. } | EventKind::CaseEnded => {}
            EventKind::Probe(probe) if probe.outcome == Outcome::Skipped => {
                reason = reason.or(Some(probe.evidence.as_str()));
            }
            _ => return None,
        }
    }
    reason
}

/// A case that was planned and not run, with the reason.
pub(crate) fn skipped(planned: &Planned, reason: &str) -> CaseReport {
    let scenario = &planned.case.scenario;
    CaseReport {
        id: planned.case.id.clone(),
        title: scenario.title.clone(),
        why: scenario.why.clone(),
        verdict: Verdict::Unknown,
        skipped: Some(reason.to_owned()),
        duration_ms: 0,
        faults: Vec::new(),
        invariants: Vec::new(),
        attempts: Vec::new(),
        likely: None,
        diagnoses: Vec::new(),
        repro: planned.repro.clone(),
        logs: Vec::new(),
    }
}

/// The fix that the first row names that did not pass.
fn likely(isolation: &[IsolationRow], checklist: &[ChecklistRow]) -> Option<String> {
    let leak = isolation.iter().find(|row| row.verdict != Verdict::Pass && !row.fix.is_empty());
    let leak = leak.map(|row| {
        format!("{} is not closed for {} on {}; fix: {}", row.probe, row.from, row.server, row.fix)
    });
    let open = || checklist.iter().find(|row| !row.done && !row.fix.is_empty());
    leak.or_else(|| open().map(|row| format!("{} does not hold; fix: {}", row.item.title(), row.fix)))
}

/// What is known about the texts of what broke, could not be judged or does not hold, each once; and of operations that
/// did not succeed, where the case did not pass: in one that did, a fault refused them on purpose.
///
/// A probe that got through is not asked about: its text tells how the neighbour's slice answered, not what is wrong with
/// the way there. Nor are the servers' logs, which hold what other cases' probes provoke on purpose.
pub(crate) fn diagnoses(
    history: &[Event],
    verdict: Verdict,
    isolation: &[IsolationRow],
    checklist: &[ChecklistRow],
) -> Vec<Diagnosis> {
    let broken = history.iter().filter_map(|event| match &event.kind {
        EventKind::Broken { error } => doctor::diagnose_text(error),
        _ => None,
    });
    let unjudged = isolation.iter().filter(|row| row.verdict == Verdict::Unknown);
    let unjudged = unjudged.filter_map(|row| doctor::diagnose(Some(row.service), &row.evidence, None));
    let open = checklist.iter().filter(|row| !row.done).filter_map(|row| match row.service {
        Some(_) => doctor::diagnose(row.service, &row.evidence, None),
        None => doctor::diagnose_text(&row.evidence),
    });
    let said = if verdict == Verdict::Pass { BTreeSet::new() } else { complaints(history) };
    let worked = said.into_iter().filter_map(|(service, text)| doctor::diagnose(Some(service), text, None));
    let mut known: Vec<Diagnosis> = Vec::new();
    for diagnosis in broken.chain(unjudged).chain(open).chain(worked) {
        if !known.contains(diagnosis) {
            known.push(diagnosis.clone());
        }
    }
    known
}

/// What operations were told that did not succeed, and where: thousands may be told the same.
fn complaints(history: &[Event]) -> BTreeSet<(Service, &str)> {
    let mut services: BTreeMap<OpId, Service> = BTreeMap::new();
    let mut said = BTreeSet::new();
    for event in history {
        match &event.kind {
            EventKind::Invoked(invoked) => {
                services.insert(invoked.op, invoked.service);
            }
            EventKind::Ended(ended) => {
                let service = services.remove(&ended.op).filter(|_| ended.outcome != Ending::Ok);
                said.extend(service.map(|service| (service, ended.detail.as_str())));
            }
            _ => {}
        }
    }
    said
}

/// The logs of the services that a scenario is about.
pub(crate) fn concerned(scenario: &Scenario, logs: Vec<LogTail>) -> Vec<LogTail> {
    // A scenario that names what is not there has no case, and so no logs either.
    let services = bulkhead_engine::run::services(scenario).unwrap_or_default();
    logs.into_iter().filter(|log| services.contains(&log.service)).collect()
}

#[cfg(test)]
mod tests {
    use bulkhead_model::{
        Act, Class, Control, Ended, Enforcement, Invoked, Item, ItemRecord, ProbeRecord, TenantName,
        Topology, scenario,
    };

    use super::*;
    use crate::scenarios;

    fn planned(name: &str) -> Planned {
        let text = format!("title: T\nwhy: W\nprobes: [{name}]\nexpect: [isolated]\n");
        let scenario = scenarios::with_known(|known| Scenario::parse("x/y", &text, "x/y.yaml", known))
            .unwrap()
            .remove(0);
        let case = scenario::expand(&[scenario], &Topology::builtin()).unwrap().remove(0);
        Planned { case, repro: String::from("bulkhead verify x/y.yaml --seed 7 --case engine:plane") }
    }

    fn history(outcome: Outcome) -> Vec<Event> {
        let name = |text| TenantName::new(text).unwrap();
        let probe = ProbeRecord {
            from: name("engine"),
            to: name("plane"),
            service: Service::Postgres,
            probe: String::from("postgres.select-foreign-rows"),
            class: Class::Read,
            control: Control { held: true, detail: String::from("1 row") },
            outcome,
            canary_seen: false,
            policy: Enforcement::Enforced,
            evidence: String::from("42501"),
            fix: String::from("REVOKE CONNECT"),
            inherent: String::new(),
            server: String::from("postgres 15.18"),
        };
        let kinds = [
            EventKind::CaseStarted { case: String::from("x") },
            EventKind::Probe(probe),
            EventKind::CaseEnded,
        ];
        kinds.into_iter().map(|kind| Event { at: 0, kind }).collect()
    }

    #[test]
    fn a_refused_probe_passes_and_a_leak_fails_with_its_fix() {
        let planned = planned("postgres.read");
        let good = judge(&planned, &history(Outcome::Denied), 3);
        assert_eq!((good.report.verdict, good.report.likely), (Verdict::Pass, None));
        let bad = judge(&planned, &history(Outcome::Allowed), 3);
        assert_eq!(bad.report.verdict, Verdict::Fail);
        assert!(bad.report.likely.unwrap().contains("REVOKE CONNECT"));
        assert_eq!(bad.isolation.len(), 1);
        let empty = judge(&planned, &[], 3);
        assert_eq!(empty.report.verdict, Verdict::Unknown);
    }

    #[test]
    fn a_case_none_of_whose_probes_could_be_made_is_skipped_and_says_why() {
        let planned = planned("postgres.read");
        let judged = judge(&planned, &history(Outcome::Skipped), 3);
        assert_eq!((judged.report.skipped.as_deref(), judged.isolation.len()), (Some("42501"), 1));
        let mut some = history(Outcome::Skipped);
        some.extend(history(Outcome::Denied));
        assert_eq!(judge(&planned, &some, 3).report.skipped, None);
        let broken = Event { at: 0, kind: EventKind::Broken { error: String::from("it broke") } };
        some = history(Outcome::Skipped);
        some.push(broken);
        assert_eq!(judge(&planned, &some, 3).report.skipped, None);
    }

    #[test]
    fn what_broke_or_does_not_hold_gets_the_diagnosis_of_its_text_and_a_leak_gets_none() {
        let planned = planned("postgres.read");
        let ids = |history: &[Event]| -> Vec<String> {
            judge(&planned, history, 3).report.diagnoses.into_iter().map(|known| known.id).collect()
        };
        let event = |kind| Event { at: 0, kind };
        let error = "postgres: could not connect as `u`: sorry, too many clients already";
        let broken = event(EventKind::Broken { error: String::from(error) });
        assert_eq!(ids(&[broken.clone(), broken]), ["neon.slots-full"]);
        let item = |item, evidence: &str| {
            let tenant = TenantName::new("engine").unwrap();
            let (evidence, fix) = (evidence.to_owned(), String::from("mend it"));
            event(EventKind::Item(ItemRecord { tenant, item, done: false, evidence, fix }))
        };
        let both = [
            item(Item::VhostCreated, "NOT_ALLOWED - vhost engine not found"),
            item(Item::ConnectionsTested, "as the API: redis: could not connect: WRONGPASS no"),
        ];
        assert_eq!(ids(&both), ["cloudamqp.vhost-missing", "upstash.password"]);
        assert_eq!(ids(&[item(Item::VhostCreated, "no such thing")]), Vec::<String>::new());
        let mut leak = history(Outcome::Allowed);
        let mut unclear = history(Outcome::Unknown);
        for events in [&mut leak, &mut unclear] {
            for event in events.iter_mut() {
                if let EventKind::Probe(probe) = &mut event.kind {
                    probe.evidence = String::from("SELECT: deadline has elapsed");
                }
            }
        }
        assert_eq!((ids(&leak), ids(&unclear)), (Vec::new(), vec![String::from("any.silent")]));
    }

    #[test]
    fn what_operations_were_told_is_known_once_where_the_case_did_not_pass() {
        let op = |op: OpId, outcome, detail: &str| {
            let tenant = TenantName::new("engine").unwrap();
            let (client, workload) = (String::from("publisher 1"), String::from("rabbitmq.tasks"));
            let act = Act::Take { element: String::from("1"), again: false };
            let begun = Invoked { op, client, tenant, service: Service::Rabbitmq, workload, act, due: None };
            let over = Ended { op, outcome, detail: detail.to_owned(), found: None };
            [EventKind::Invoked(begun), EventKind::Ended(over)].map(|kind| Event { at: op, kind })
        };
        let full = "NOT_ALLOWED - vhost engine not found";
        let history = [
            op(1, Ending::Failed, full),
            op(2, Ending::Unknown, full),
            op(3, Ending::Failed, "no such thing"),
            op(4, Ending::Unknown, "deadline has elapsed"),
            op(5, Ending::Ok, "NOT_ALLOWED - access to vhost refused"),
        ]
        .concat();
        let ids = |verdict| -> Vec<String> {
            diagnoses(&history, verdict, &[], &[]).into_iter().map(|known| known.id).collect()
        };
        for verdict in [Verdict::Fail, Verdict::Unknown] {
            assert_eq!(ids(verdict), ["cloudamqp.vhost-missing", "any.silent"]);
        }
        assert_eq!(ids(Verdict::Pass), Vec::<String>::new());
        // The report of a case says it, too.
        let judged = judge(&planned("rabbitmq.read"), &history, 3).report;
        assert_eq!((judged.verdict, judged.diagnoses.len()), (Verdict::Unknown, 2));
    }

    #[test]
    fn a_scenario_gets_the_logs_of_its_own_services() {
        let all = || Service::ALL.map(|service| LogTail { service, lines: Vec::new() }).to_vec();
        let of = |text: &str| {
            let scenario =
                scenarios::with_known(|known| Scenario::parse("x", text, "x.yaml", known)).unwrap().remove(0);
            concerned(&scenario, all()).iter().map(|log| log.service).collect::<Vec<_>>()
        };
        assert_eq!(of("title: T\nwhy: W\nprobes: [s3.read]\nexpect: [isolated]\n"), [Service::S3]);
        let items = "title: T\nwhy: W\nchecklist: [connections-tested]\nexpect: [checklist-done]\n";
        assert_eq!(of(items), Service::ALL);
    }
}
