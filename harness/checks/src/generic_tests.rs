//! What every check in [`ALL`] must do, whatever it judges: each passes the history beside it, fails the bad one, and
//! is `unknown` whenever the data or the end is missing.

use std::collections::BTreeMap;

use bulkhead_model::{
    Act, Amount, AuditRecord, Class, Content, Control, Effect, Ended, Ending, Enforcement, Entry,
    FaultRecord, Found, Invoked, Item, ItemRecord, LinkTouch, LockoutRecord, Outcome, ProbeRecord, Service,
    TenantName, TouchRecord, Unit, Verdict,
    bench::{Counted, Part, Reading, UsageRecord},
    history::{Event, EventKind},
    report::InvariantReport,
    scenario::Expected,
};
use proptest::prelude::*;

use crate::{ALL, Check, Judgement, examine, judge};

/// Those that name what was lost, duplicated, reordered or foreign whenever they fail.
const NAMING: [&str; 8] = [
    "nothing-foreign",
    "nothing-lost",
    "nothing-missed",
    "in-order",
    "replies-match",
    "linearizable",
    "conserved-total",
    "byte-exact",
];

/// A probe that was refused, on PostgreSQL.
pub(crate) fn probe(from: &str, to: &str) -> ProbeRecord {
    ProbeRecord {
        from: TenantName::new(from).unwrap(),
        to: TenantName::new(to).unwrap(),
        service: Service::Postgres,
        probe: String::from("postgres.select-foreign-rows"),
        class: Class::Read,
        control: Control { held: true, detail: String::from("1 row") },
        outcome: Outcome::Denied,
        canary_seen: false,
        policy: Enforcement::Enforced,
        evidence: String::from("42501 permission denied"),
        fix: String::new(),
        inherent: String::new(),
        server: String::from("postgres 15.18"),
    }
}

/// The folder's two histories: what passes and what fails.
fn saved(check: &dyn Check) -> (Vec<Event>, Vec<Event>) {
    let folder = format!("{}/src/{}", env!("CARGO_MANIFEST_DIR"), check.name().replace('-', "_"));
    let read = |name: &str| {
        let text = std::fs::read_to_string(format!("{folder}/{name}.jsonl")).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    (read("pass"), read("fail"))
}

/// What `pass.jsonl` of a check with a bound keeps to and `fail.jsonl` does not, in the smallest unit.
fn bound(check: &dyn Check) -> u64 {
    if check.bound() == Some(Unit::Share) { 90 } else { 1000 }
}

fn expected(check: &dyn Check) -> Expected {
    let bound = check.bound().map(|unit| Amount { unit, value: bound(check) });
    Expected { name: check.name().to_owned(), bound }
}

fn verdict(check: &dyn Check, history: &[Event]) -> Verdict {
    let reports = judge(history, &[expected(check)]);
    let (InvariantReport { verdict, evidence, .. }, besides) = match reports.as_slice() {
        [one] => (one, None),
        [one, besides] => (one, Some(besides)),
        _ => panic!("one report a name"),
    };
    // The one thing that is told unasked.
    let stray =
        |report: &InvariantReport| report.name == "nothing-foreign" && report.verdict == Verdict::Fail;
    assert!(besides.is_none_or(stray), "{}: {besides:?}", check.name());
    assert!(!evidence.is_empty(), "{} gives its evidence", check.name());
    *verdict
}

/// What tenants that the case is not about do meanwhile: probes that are refused, items that hold.
fn noise() -> Vec<Event> {
    let item = ItemRecord {
        tenant: TenantName::new("noise").unwrap(),
        item: Item::VhostCreated,
        done: true,
        evidence: String::from("rabbitmq 3.10.8"),
        fix: String::new(),
    };
    let audit = AuditRecord { service: Service::Redis, by: Vec::new(), names: 3, outside: Vec::new() };
    let kinds = [EventKind::Probe(probe("noise", "hum")), EventKind::Item(item), EventKind::Audit(audit)];
    kinds.into_iter().map(|kind| Event { at: 1, kind }).collect()
}

#[test]
fn each_check_passes_its_good_history_and_fails_its_bad_one() {
    for check in ALL {
        let (pass, fail) = saved(check);
        assert_eq!(verdict(check, &pass), Verdict::Pass, "{}", check.name());
        assert_eq!(verdict(check, &fail), Verdict::Fail, "{}", check.name());
    }
}

#[test]
fn nothing_passes_for_want_of_data() {
    let started = Event { at: 0, kind: EventKind::CaseStarted { case: String::from("c") } };
    let ended = Event { at: 9, kind: EventKind::CaseEnded };
    for check in ALL {
        assert_eq!(verdict(check, &[]), Verdict::Unknown, "{}: empty", check.name());
        assert_eq!(verdict(check, &[started.clone(), ended.clone()]), Verdict::Unknown, "{}", check.name());
    }
}

#[test]
fn a_history_that_broke_or_was_cut_off_is_unknown_unless_it_fails_already() {
    let broke =
        Event { at: 5, kind: EventKind::Broken { error: String::from("the server ended by itself") } };
    for check in ALL {
        let (pass, fail) = saved(check);
        let cut = &pass[..pass.len() - 1];
        assert_eq!(verdict(check, cut), Verdict::Unknown, "{}: cut off", check.name());
        let broken: Vec<_> = pass.iter().cloned().chain([broke.clone()]).collect();
        assert_eq!(verdict(check, &broken), Verdict::Unknown, "{}: broke", check.name());
        assert_eq!(
            verdict(check, &fail[..fail.len() - 1]),
            Verdict::Fail,
            "{}: failed before the cut",
            check.name()
        );
    }
}

#[test]
fn a_fault_that_touched_nothing_is_unknown() {
    let ended = |touched| {
        let fault = FaultRecord {
            fault: 99,
            what: String::from("engine's link: latency"),
            touched,
            links: Vec::new(),
        };
        Event { at: 5, kind: EventKind::FaultEnded(fault) }
    };
    for check in ALL {
        let (pass, fail) = saved(check);
        let after = |history: &[Event], touched| {
            let mut history = history.to_vec();
            history.insert(history.len() - 1, ended(touched));
            history
        };
        let reports = judge(&after(&pass, 0), &[expected(check)]);
        assert_eq!(reports[0].verdict, Verdict::Unknown, "{}", check.name());
        let said = "the fault `engine's link: latency` touched nothing; until then: ";
        assert!(reports[0].evidence.starts_with(said), "{}: {}", check.name(), reports[0].evidence);
        // The control: by the same fault that bit, or with a failure, the verdict stands.
        assert_eq!(verdict(check, &after(&pass, 1)), Verdict::Pass, "{}", check.name());
        assert_eq!(verdict(check, &after(&fail, 0)), Verdict::Fail, "{}", check.name());
    }
}

#[test]
fn a_fault_that_touched_nothing_on_one_of_its_links_is_unknown() {
    for check in ALL {
        let (pass, fail) = saved(check);
        let after = |history: &[Event], plane| {
            let link =
                |tenant: &str, touched| LinkTouch { tenant: TenantName::new(tenant).unwrap(), touched };
            let links = vec![link("engine", 7), link("plane", plane)];
            let fault =
                FaultRecord { fault: 99, what: String::from("down redis"), touched: 7 + plane, links };
            let mut history = history.to_vec();
            history.insert(history.len() - 1, Event { at: 5, kind: EventKind::FaultEnded(fault) });
            history
        };
        let report = judge(&after(&pass, 0), &[expected(check)]).remove(0);
        assert_eq!(report.verdict, Verdict::Unknown, "{}", check.name());
        let said = "the fault `down redis` touched nothing on plane's link; until then: ";
        assert!(report.evidence.starts_with(said), "{}: {}", check.name(), report.evidence);
        // The control: once it touched something there, or with a failure, the verdict stands.
        assert_eq!(verdict(check, &after(&pass, 1)), Verdict::Pass, "{}", check.name());
        assert_eq!(verdict(check, &after(&fail, 0)), Verdict::Fail, "{}", check.name());
    }
}

#[test]
fn other_tenants_noise_changes_nothing_and_a_second_judgement_is_the_same() {
    for check in ALL {
        let (pass, fail) = saved(check);
        for (history, expected) in [(pass, Verdict::Pass), (fail, Verdict::Fail)] {
            let mut loud = history.clone();
            loud.splice(1..1, noise());
            assert_eq!(verdict(check, &loud), expected, "{}", check.name());
            assert_eq!(
                examine(check, &loud, bound(check), None),
                examine(check, &loud, bound(check), None),
                "{}",
                check.name()
            );
        }
    }
}

#[test]
fn an_expectation_without_a_check_is_unknown_and_names_those_that_exist() {
    let reports = judge(&saved(ALL[0]).0, &[Expected::plain("isolatd")]);
    assert_eq!(reports[0].verdict, Verdict::Unknown);
    assert!(reports[0].evidence.contains("isolated"), "{}", reports[0].evidence);
}

#[test]
fn a_check_that_crashes_is_unknown() {
    struct Crashes;
    impl Check for Crashes {
        fn name(&self) -> &'static str {
            "crashes"
        }
        fn sentence(&self) -> &'static str {
            "It crashes."
        }
        fn concerns(&self, _: &EventKind) -> bool {
            true
        }
        fn judge(&self, _: &[Event], _: u64) -> Judgement {
            panic!("planted")
        }
    }
    assert_eq!(examine(&Crashes, &saved(ALL[0]).0, 0, None).verdict, Verdict::Unknown);
}

#[test]
fn names_are_unique_and_sentences_are_sentences() {
    for (index, check) in ALL.iter().enumerate() {
        assert!(ALL[..index].iter().all(|other| other.name() != check.name()), "{} twice", check.name());
        assert!(check.sentence().ends_with('.') && check.minimum() > 0, "{}", check.name());
    }
}

fn any_tenant() -> impl Strategy<Value = TenantName> + Clone {
    prop_oneof![Just("engine"), Just("plane"), Just("third")].prop_map(|name| TenantName::new(name).unwrap())
}

fn any_probe() -> impl Strategy<Value = EventKind> {
    let outcome = prop_oneof![
        Just(Outcome::Denied),
        Just(Outcome::Invisible),
        Just(Outcome::Unknown),
        Just(Outcome::Allowed)
    ];
    let parts = (any_tenant(), any_tenant(), any::<bool>(), any::<bool>(), any::<bool>(), outcome, ".{0,20}");
    parts.prop_map(|(from, to, held, canary_seen, enforced, outcome, text)| {
        EventKind::Probe(ProbeRecord {
            from,
            to,
            control: Control { held, detail: text.clone() },
            outcome,
            canary_seen,
            policy: if enforced { Enforcement::Enforced } else { Enforcement::Convention },
            evidence: text,
            ..probe("engine", "plane")
        })
    })
}

fn any_act() -> impl Strategy<Value = Act> {
    let name =
        || prop::sample::select(vec!["engine.1", "engine.2", "plane.1", "nobody"]).prop_map(String::from);
    prop_oneof![
        name().prop_map(|element| Act::Hand { element }),
        (name(), any::<bool>()).prop_map(|(element, again)| Act::Take { element, again }),
        (name(), 0_u64..8)
            .prop_map(|(element, op)| Act::Announce { element, to: vec![format!("client {op}")] }),
        (name(), any::<bool>()).prop_map(|(element, again)| Act::Pass { element, again }),
        name().prop_map(|request| Act::Call { request }),
        (name(), any::<bool>()).prop_map(|(request, again)| Act::Answer { request, again }),
        name().prop_map(|reply| Act::Unasked { reply }),
        name().prop_map(|element| Act::Broadcast { element }),
        (1_u64..3).prop_map(|line| Act::Subscribe { line }),
        (1_u64..3).prop_map(|line| Act::Attend { line }),
        name().prop_map(|element| Act::Hear { element }),
        name().prop_map(|element| Act::Add { element }),
        Just(Act::ReadAll),
        name().prop_map(|register| Act::Read { register }),
        (name(), name()).prop_map(|(register, value)| Act::Write { register, value }),
        (name(), prop::option::of(name()), name()).prop_map(|(register, from, to)| Act::Swap {
            register,
            from,
            to
        }),
        (name(), 0_u64..3).prop_map(|(window, limit)| Act::Admit { window, limit }),
        any_entry().prop_map(|Entry { transfer, from, to, amount }| Act::Transfer {
            transfer,
            from,
            to,
            amount
        }),
        any_balances().prop_map(|opened| Act::ReadBooks { opened }),
        any_act_on_an_object(),
        any_act_on_a_key(),
    ]
}

fn any_act_on_a_key() -> impl Strategy<Value = Act> {
    let key = || prop::sample::select(vec!["a", "b"]).prop_map(String::from);
    let value = prop::sample::select(vec!["engine.1", "engine.2", "plane.1"]).prop_map(String::from);
    let lives = || prop_oneof![0_u64..9, any::<u64>()];
    prop_oneof![
        (key(), value, lives(), any::<bool>()).prop_map(|(key, value, lives, evictable)| Act::Keep {
            key,
            value,
            lives,
            evictable
        }),
        key().prop_map(|key| Act::Look { key }),
        (key(), lives()).prop_map(|(key, lives)| Act::Touch { key, lives }),
        key().prop_map(|key| Act::Forget { key }),
    ]
}

/// As often as not an amount that no sum may overflow by.
fn any_amount() -> impl Strategy<Value = i64> {
    prop_oneof![-2_i64..3, any::<i64>()]
}

fn any_entry() -> impl Strategy<Value = Entry> {
    let name = || prop::sample::select(vec!["engine.1", "engine.2", "plane.1"]).prop_map(String::from);
    let parts = (name(), name(), name(), any_amount());
    parts.prop_map(|(transfer, from, to, amount)| Entry { transfer, from, to, amount })
}

fn any_balances() -> impl Strategy<Value = BTreeMap<String, i64>> {
    prop::collection::btree_map("[ab]", any_amount(), 0..3)
}

fn any_act_on_an_object() -> impl Strategy<Value = Act> {
    let object = || prop::sample::select(vec!["a", "b"]).prop_map(String::from);
    prop_oneof![
        (object(), any_content()).prop_map(|(object, content)| Act::Upload { object, content }),
        object().prop_map(|object| Act::Complete { object }),
        object().prop_map(|object| Act::Abort { object }),
        (object(), prop::option::of(any_content())).prop_map(|(object, holds)| Act::Fetch {
            object,
            range: None,
            holds
        }),
        object().prop_map(|what| Act::Trespass { what }),
    ]
}

fn any_content() -> impl Strategy<Value = Content> {
    (0_u64..3, "[ab]?").prop_map(|(bytes, digest)| Content { bytes, digest })
}

fn any_found() -> impl Strategy<Value = Found> {
    let name =
        || prop::sample::select(vec!["engine.1", "engine.2", "plane.1", ".", ""]).prop_map(String::from);
    prop_oneof![
        prop::collection::vec(name(), 0..4).prop_map(Found::Elements),
        prop::option::of(name()).prop_map(Found::Value),
        any::<bool>().prop_map(Found::Admitted),
        (any_balances(), prop::collection::vec(any_entry(), 0..4))
            .prop_map(|(balances, entries)| Found::Books { balances, entries }),
        prop::option::of(any_content()).prop_map(Found::Content),
        (any::<bool>(), name()).prop_map(|(refused, said)| Found::Answer { refused, said }),
    ]
}

/// Beginnings and ends that need not belong together.
fn any_operation() -> impl Strategy<Value = EventKind> {
    let (op, service) = (0_u64..8, prop::sample::select(Service::ALL.to_vec()));
    let begins = (op.clone(), any_tenant(), service, any_act(), prop::option::of(any::<u64>()));
    let begins = begins.prop_map(|(op, tenant, service, act, due)| Invoked {
        op,
        client: format!("client {op}"),
        tenant,
        service,
        workload: format!("{service}.{}", op % 2),
        act,
        due,
    });
    let outcome = prop::sample::select(vec![Ending::Ok, Ending::Failed, Ending::Unknown]);
    let ends = (op, outcome, ".{0,9}", prop::option::of(any_found()));
    let ends = ends.prop_map(|(op, outcome, detail, found)| Ended { op, outcome, detail, found });
    prop_oneof![begins.prop_map(EventKind::Invoked), ends.prop_map(EventKind::Ended)]
}

fn any_fault() -> impl Strategy<Value = EventKind> {
    let link = (any_tenant(), 0_u64..3).prop_map(|(tenant, touched)| LinkTouch { tenant, touched });
    let what = prop_oneof![".{0,9}", Just(String::from("flood redis"))];
    let fault = (0_usize..3, what, 0_u64..3, prop::collection::vec(link, 0..3));
    let fault = fault.prop_map(|(fault, what, touched, links)| FaultRecord { fault, what, touched, links });
    let effect = prop::sample::select(vec![
        Effect::Touched("held".into()),
        Effect::Refused("expired".into()),
        Effect::Trusted("expired".into()),
    ]);
    let touch = (0_usize..3, any::<u64>(), effect).prop_map(|(fault, when, effect)| TouchRecord {
        fault,
        when,
        link: "engine.redis".into(),
        connection: 1,
        way: "upstream".into(),
        offset: 0,
        bytes: when % 3,
        effect,
    });
    let lockout = (0_usize..3, prop::sample::select(Service::ALL.to_vec()), any_tenant());
    let lockout = lockout.prop_map(|(fault, service, tenant)| LockoutRecord { fault, service, tenant });
    prop_oneof![
        1 => touch.prop_map(EventKind::Touched),
        1 => lockout.clone().prop_map(EventKind::LockedOut),
        1 => lockout.prop_map(EventKind::LetIn),
        2 => fault.clone().prop_map(EventKind::FaultBegan),
        2 => fault.prop_map(EventKind::FaultEnded),
        1 => Just(EventKind::Healed),
    ]
}

fn any_usage() -> impl Strategy<Value = EventKind> {
    let used = |(cpu_ns, memory)| Reading::Used { cpu_ns, memory, counted: Counted::Pss };
    let reading = prop_oneof![any::<(u64, u64)>().prop_map(used), ".{0,9}".prop_map(Reading::NotMeasured)];
    let part = prop::sample::select(Part::ALL.to_vec());
    (part, reading).prop_map(|(part, reading)| EventKind::Usage(UsageRecord { part, reading }))
}

pub(crate) fn any_event() -> impl Strategy<Value = Event> {
    let item = (any_tenant(), prop::sample::select(Item::ALL.to_vec()), any::<bool>(), ".{0,20}");
    let item = item.prop_map(|(tenant, item, done, evidence)| {
        EventKind::Item(ItemRecord { tenant, item, done, fix: evidence.clone(), evidence })
    });
    let audit = prop::collection::vec(".{0,9}", 0..3);
    let audit = audit
        .prop_map(|outside| AuditRecord { service: Service::Redis, by: Vec::new(), names: 3, outside })
        .prop_map(EventKind::Audit);
    let kind = prop_oneof![
        4 => any_probe(),
        2 => item,
        1 => audit,
        1 => ".{0,9}".prop_map(|case| EventKind::CaseStarted { case }),
        1 => ".{0,9}".prop_map(|error| EventKind::Broken { error }),
        2 => Just(EventKind::CaseEnded),
        9 => any_operation(),
        1 => any_usage(),
        3 => any_fault(),
    ];
    // Clocks that go on and clocks that jump anywhere.
    (prop_oneof![0_u64..99, any::<u64>()], kind).prop_map(|(at, kind)| Event { at, kind })
}

proptest! {
    #[test]
    fn no_history_makes_a_check_crash_or_pass_without_an_end(history in prop::collection::vec(any_event(), 0..40)) {
        let ended = history.iter().any(|event| matches!(event.kind, EventKind::CaseEnded));
        let broke = history.iter().any(|event| matches!(event.kind, EventKind::Broken { .. }));
        for check in ALL {
            let judged = check.judge(&history, bound(check));
            prop_assert_eq!(&judged, &check.judge(&history, bound(check)));
            if !ended || broke {
                prop_assert_ne!(verdict(check, &history), Verdict::Pass);
            }
        }
    }

    #[test]
    fn who_can_name_what_went_wrong_does_so_exactly_when_it_fails(history in prop::collection::vec(any_event(), 0..40)) {
        for check in ALL {
            let judged = check.judge(&history, bound(check));
            let failed = judged.verdict == Verdict::Fail;
            match check.name() {
                name if NAMING.contains(&name) => prop_assert_eq!(judged.culprits.is_empty(), !failed, "{}: {:?}", name, judged),
                // What lives on too long is none of the four.
                "within-ttl" => prop_assert!(failed || judged.culprits.is_empty(), "{:?}", judged),
                name => prop_assert!(judged.culprits.is_empty(), "{}", name),
            }
            prop_assert!(judged.culprits.iter().all(|culprit| culprit.place < history.len()));
        }
    }

    #[test]
    fn a_leak_that_the_topology_forbids_fails_whatever_surrounds_it(
        before in prop::collection::vec(any_event(), 0..6),
        after in prop::collection::vec(any_event(), 0..6),
        held in any::<bool>(),
    ) {
        let mut leak = probe("engine", "plane");
        leak.control.held = held;
        leak.outcome = Outcome::Allowed;
        leak.canary_seen = true;
        let leak = Event { at: 3, kind: EventKind::Probe(leak) };
        let history: Vec<_> = before.into_iter().chain([leak]).chain(after).collect();
        for name in ["isolated", "nothing-foreign"] {
            prop_assert_eq!(judge(&history, &[Expected::plain(name)])[0].verdict, Verdict::Fail);
        }
    }

    #[test]
    fn every_row_of_a_history_reaches_the_report(history in prop::collection::vec(any_event(), 0..12)) {
        // Of what came before all was healed only leaks do.
        let healed = history.iter().rposition(|event| event.kind == EventKind::Healed);
        let (beset, last) = history.split_at(healed.unwrap_or(0));
        let count = |wanted: fn(&EventKind) -> bool| last.iter().filter(|event| wanted(&event.kind)).count();
        let leaks = beset.iter().filter(|event| match &event.kind {
            EventKind::Probe(probe) => {
                crate::judge_probe(probe) == Verdict::Fail && (probe.canary_seen || probe.control.held)
            }
            _ => false,
        });
        let probes = leaks.count() + count(|kind| matches!(kind, EventKind::Probe(_)));
        let items = count(|kind| matches!(kind, EventKind::Item(_)));
        prop_assert_eq!(crate::isolation_rows(&history).len(), probes);
        prop_assert_eq!(crate::checklist_rows(&history).len(), items);
    }
}
