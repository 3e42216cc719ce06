//! Histories: what is written is read back, wherever a killed run stopped writing.

use bulkhead_model::{
    AuditRecord, Class, Control, Enforcement, Item, ItemRecord, Outcome, ProbeRecord, Service, TenantName,
    bench::{Counted, Part, Reading, UsageRecord},
    history::{Event, EventKind, History, read, to_line},
};
use proptest::prelude::*;

use crate::strings::nasty;

fn tenant() -> impl Strategy<Value = TenantName> {
    "[a-z][a-z0-9_-]{0,23}".prop_map(|name| TenantName::new(&name).unwrap())
}

fn service() -> impl Strategy<Value = Service> {
    prop::sample::select(Service::ALL.to_vec())
}

fn enforcement() -> impl Strategy<Value = Enforcement> {
    prop::sample::select(vec![Enforcement::Enforced, Enforcement::Convention])
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop::sample::select(vec![
        Outcome::Denied,
        Outcome::Invisible,
        Outcome::Skipped,
        Outcome::Unknown,
        Outcome::Allowed,
    ])
}

prop_compose! {
    fn probe()(
        (from, to, service) in (tenant(), tenant(), service()),
        class in prop::sample::select(Class::ALL.to_vec()),
        (held, detail) in (any::<bool>(), nasty()),
        (outcome, canary_seen, policy) in (outcome(), any::<bool>(), enforcement()),
        [probe, evidence, fix, inherent, server] in [nasty(), nasty(), nasty(), nasty(), nasty()],
    ) -> ProbeRecord {
        let control = Control { held, detail };
        ProbeRecord {
            from, to, service, probe, class, control, outcome, canary_seen, policy, evidence, fix, inherent, server,
        }
    }
}

prop_compose! {
    fn item()(
        tenant in tenant(),
        item in prop::sample::select(Item::ALL.to_vec()),
        done: bool,
        (evidence, fix) in (nasty(), nasty()),
    ) -> ItemRecord {
        ItemRecord { tenant, item, done, evidence, fix }
    }
}

prop_compose! {
    fn audit()(
        service in service(),
        by in prop::collection::vec(tenant(), 0..3),
        names: usize,
        outside in prop::collection::vec(nasty(), 0..3),
    ) -> AuditRecord {
        AuditRecord { service, by, names, outside }
    }
}

fn usage() -> impl Strategy<Value = UsageRecord> {
    let counted = prop::sample::select(vec![Counted::Pss, Counted::Rss]);
    let used = (any::<u64>(), any::<u64>(), counted);
    let used = used.prop_map(|(cpu_ns, memory, counted)| Reading::Used { cpu_ns, memory, counted });
    let reading = prop_oneof![used, nasty().prop_map(Reading::NotMeasured)];
    (prop::sample::select(Part::ALL.to_vec()), reading)
        .prop_map(|(part, reading)| UsageRecord { part, reading })
}

fn kind() -> impl Strategy<Value = EventKind> {
    prop_oneof![
        nasty().prop_map(|case| EventKind::CaseStarted { case }),
        probe().prop_map(EventKind::Probe),
        item().prop_map(EventKind::Item),
        audit().prop_map(EventKind::Audit),
        nasty().prop_map(|error| EventKind::Broken { error }),
        usage().prop_map(EventKind::Usage),
        Just(EventKind::CaseEnded),
    ]
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    prop::collection::vec((any::<u64>(), kind()).prop_map(|(at, kind)| Event { at, kind }), 0..8)
}

fn whole() -> Vec<Event> {
    let case = "isolation/postgres/read (engine → plane)".to_owned();
    vec![Event { at: 1, kind: EventKind::CaseStarted { case } }, Event { at: 2, kind: EventKind::CaseEnded }]
}

fn text(events: &[Event]) -> String {
    events.iter().map(to_line).collect()
}

#[test]
fn an_event_is_one_line_of_json() {
    assert_eq!(to_line(&whole()[1]), "{\"at\":2,\"event\":\"case-ended\"}\n");
    let line = to_line(&Event { at: 0, kind: EventKind::Broken { error: "two\nlines".into() } });
    assert_eq!(line, "{\"at\":0,\"event\":\"broken\",\"error\":\"two\\nlines\"}\n");
}

#[test]
fn a_whole_history_is_not_cut() {
    assert_eq!(read(text(&whole()), "h"), Ok(History { events: whole(), cut: false }));
}

#[test]
fn a_history_without_its_end_is_cut() {
    assert_eq!(read("", "h"), Ok(History { events: vec![], cut: true }));
    assert_eq!(read(to_line(&whole()[0]), "h"), Ok(History { events: vec![whole()[0].clone()], cut: true }));
}

#[test]
fn a_broken_line_elsewhere_is_a_problem_with_its_number() {
    let lines = text(&whole());
    for bad in [
        "\n",
        "{\"at\":1}\n",
        "{\"at\":1,\"event\":\"unheard-of\"}\n",
        "{\"at\":-1,\"event\":\"case-ended\"}\n",
    ] {
        let problem = read(format!("{bad}{lines}"), "h.jsonl").unwrap_err();
        assert!(problem.place.starts_with("h.jsonl:1:"), "{problem}");
        // Even at the end: a line with its line break was written whole.
        let problem = read(format!("{lines}{bad}"), "h.jsonl").unwrap_err();
        assert!(problem.place.starts_with("h.jsonl:3:"), "{problem}");
    }
}

proptest! {
    #[test]
    fn a_history_reads_back_as_written(events in events()) {
        let ended = events.last().is_some_and(|event| event.kind == EventKind::CaseEnded);
        prop_assert_eq!(read(text(&events), "h"), Ok(History { events, cut: !ended }));
    }

    #[test]
    fn a_history_cut_anywhere_keeps_its_whole_lines(events in events(), at in any::<prop::sample::Index>()) {
        let text = text(&events).into_bytes();
        prop_assume!(!text.is_empty());
        let kept = &text[..at.index(text.len())];
        let history = read(kept, "h").map_err(|p| TestCaseError::fail(p.to_string()))?;
        let whole = kept.iter().filter(|byte| **byte == b'\n').count();
        // A last line that lacks nothing but its line break is whole too.
        prop_assert!(history.events.len() == whole || history.events.len() == whole + 1);
        prop_assert_eq!(&history.events[..], &events[..history.events.len()]);
        if history.events.len() < events.len() && !kept.is_empty() && kept.last() != Some(&b'\n') && history.events.len() == whole {
            prop_assert!(history.cut);
        }
    }
}
