//! Scenario texts: what is refused, where, in which words, and which cases they expand to.

use bulkhead_model::{
    Class, Item, Problems, Service, Topology, Unit,
    scenario::{self, Case, Expected, Kind, Known, Scenario, Shape, Subject, Wanted, Whose, expand},
};

use proptest::prelude::*;

use crate::{expect, strings::nasty};

pub(crate) const KNOWN: Known<'static> = Known {
    probes: &[
        ("postgres.select-foreign-rows", Service::Postgres, Class::Read),
        ("postgres.connect-foreign-database", Service::Postgres, Class::Read),
        ("postgres.list-databases", Service::Postgres, Class::Enumerate),
        ("redis.get-foreign-key", Service::Redis, Class::Read),
    ],
    workloads: &[Shape {
        name: "rabbitmq.tasks",
        about: "Works.",
        settings: &[
            Wanted { name: "publishers", kind: Kind::Amount(Unit::Count, 1..=16), usual: Some("2") },
            Wanted { name: "rate", kind: Kind::Rate(1..=60_000), usual: Some("100/s") },
            Wanted { name: "size", kind: Kind::Amount(Unit::Size, 1..=1 << 20), usual: Some("64B") },
        ],
    }],
    faults: &[
        Shape {
            name: "down",
            about: "Cuts.",
            settings: &[
                Wanted { name: "service", kind: Kind::Service(&Service::ALL), usual: None },
                Wanted { name: "at", kind: Kind::Amount(Unit::Time, 0..=600_000), usual: None },
                Wanted { name: "for", kind: Kind::Amount(Unit::Time, 1..=600_000), usual: Some("1s") },
            ],
        },
        Shape {
            name: "read-only",
            about: "Refuses.",
            settings: &[
                Wanted { name: "service", kind: Kind::Service(&[Service::Postgres]), usual: None },
                Wanted { name: "at", kind: Kind::Amount(Unit::Time, 0..=600_000), usual: None },
            ],
        },
    ],
    invariants: &[
        ("isolated", None),
        ("checklist-done", None),
        ("nothing-lost", None),
        ("recovers-within", Some(Unit::Time)),
    ],
};

const PROBES: &str = "title: No reading\nwhy: Because.\ntags: [isolation, postgres]\nprobes: [postgres.read]\nexpect: [isolated]\n";
const ITEMS: &str = "title: There is a database\nwhy: Because.\nchecklist:\n  - database-created\nexpect:\n  - checklist-done\n";

const WORK: &str = "title: No task is lost\nwhy: Because.\nworkload:\n  - rabbitmq.tasks: { publishers: 3, rate: 50/s }\nrun-for: 8s\nfaults:\n  - down: { service: rabbitmq, at: 2s }\nexpect: [nothing-lost]\n";

pub(crate) fn parse(text: &str) -> Result<Scenario, Problems> {
    all(text).map(|mut scenarios| scenarios.remove(0))
}

fn all(text: &str) -> Result<Vec<Scenario>, Problems> {
    Scenario::parse("area/name", text, "s.yaml", &KNOWN)
}

fn refused(text: &str) -> Problems {
    parse(text).expect_err("the scenario was accepted")
}

#[test]
fn both_kinds_are_read() {
    let scenario = parse(PROBES).unwrap();
    assert_eq!((scenario.name.as_str(), scenario.title.as_str()), ("area/name", "No reading"));
    assert_eq!(scenario.tags, ["isolation", "postgres"]);
    assert_eq!(
        (scenario.tenants.as_ref(), scenario.expect.as_slice()),
        (None, &[Expected::plain("isolated")][..])
    );
    assert!(scenario.selects("postgres.select-foreign-rows", Service::Postgres, Class::Read));
    assert!(!scenario.selects("postgres.list-databases", Service::Postgres, Class::Enumerate));
    assert!(!scenario.selects("redis.get-foreign-key", Service::Redis, Class::Read));
    let one = parse(&PROBES.replace("postgres.read", "redis.get-foreign-key")).unwrap();
    assert!(one.selects("redis.get-foreign-key", Service::Redis, Class::Read));
    assert!(!one.selects("redis.other", Service::Redis, Class::Read));
    assert_eq!(parse(ITEMS).unwrap().checklist, [Item::DatabaseCreated]);
}

#[test]
fn a_workload_has_settings_a_time_and_faults() {
    let scenario = parse(WORK).unwrap();
    let ([tasks], [down]) = (scenario.workload.as_slice(), scenario.faults.as_slice()) else {
        panic!("{scenario:?}")
    };
    assert_eq!((tasks.name.as_str(), scenario.run_for.as_secs()), ("rabbitmq.tasks", 8));
    assert_eq!(["publishers", "rate", "size"].map(|name| tasks.amount(name)), [3, 3000, 64]);
    assert_eq!((down.service("service"), down.time("at").as_secs()), (Some(Service::Rabbitmq), 2));
    assert_eq!(down.time("for").as_secs(), 1, "as usual");
    let plain = parse(&WORK.replace(": { publishers: 3, rate: 50/s }", "")).unwrap();
    assert_eq!(plain.workload[0].amount("publishers"), 2, "as usual");
    let closed = parse(&WORK.replace("50/s", "max")).unwrap().workload.remove(0);
    assert_eq!(
        [&tasks, &&closed, &&plain.workload[0]].map(|tasks| tasks.rate()),
        [Some(3000), None, Some(6000)]
    );
    assert_eq!(closed.to_string(), "rabbitmq.tasks: { publishers: 3, rate: max, size: 64B }");
}

#[test]
fn everything_wrong_in_a_workload_is_said_at_once_with_its_place() {
    let text = "title: T
why: Because.
workload:
  - rabbitmq.tsaks
  - rabbitmq.tasks: { publishers: 0, rate: 50, sise: 1KiB, size: [1] }
  - { rabbitmq.tasks: {}, other: {} }
  - 5
run-for: 1h
faults:
  - down: { service: rabit }
  - up
  - down: { service: redis, at: 1s }
  - read-only: { service: rabbitmq, at: 1s }
expect: [nothing-lost]
";
    expect(
        &refused(text),
        &[
            ("s.yaml:4:5", "unknown workload `rabbitmq.tsaks`\n  hint: did you mean `rabbitmq.tasks`?"),
            ("s.yaml:5:35", "`publishers` is `0`: it must be from 1 to 16"),
            ("s.yaml:5:44", "`rate` is `50`: it must be a rate, `200/s` or `30/min`, or `max`"),
            ("s.yaml:5:48", "unknown key in `rabbitmq.tasks` `sise`\n  hint: did you mean `size`?"),
            ("s.yaml:5:66", "`size` must be a size, `512B`, `1KiB` or `8MiB`"),
            ("s.yaml:6:5", "one entry of `workload` has several names"),
            ("s.yaml:7:5", "`workload` holds names"),
            ("s.yaml:8:10", "`run-for` is `1h`: it must be a time, `300ms`, `8s` or `2min`"),
            ("s.yaml:10:5", "`down` needs `at`"),
            ("s.yaml:10:22", "`service` is `rabit`: it must be one of `postgres`, `redis`, `rabbitmq`, `s3`"),
            ("s.yaml:11:5", "unknown fault `up`"),
            ("s.yaml:12:5", "nothing here works on redis, so `down` would touch nothing"),
            ("s.yaml:13:27", "`service` is `rabbitmq`: rabbitmq has no such fault; it must be `postgres`"),
        ],
    );
}

#[test]
fn for_each_makes_a_scenario_of_each_choice() {
    let text = "for-each:
  fault:
    - down: { service: rabbitmq, at: 1s }
    - down: { service: rabbitmq, at: 2s, for: 3s }
  size: [64B, 1KiB, 2KiB]
title: No task is lost
why: Because.
workload:
  - rabbitmq.tasks: { size: $size }
run-for: 8s
faults: [$fault]
expect: [nothing-lost]
";
    let scenarios = all(text).unwrap();
    let found: Vec<_> = scenarios
        .iter()
        .map(|s| (s.variant.as_str(), s.faults[0].time("at").as_secs(), s.workload[0].amount("size")))
        .collect();
    let expected = [
        ("fault=down 1, size=64B", 1, 64),
        ("fault=down 1, size=1KiB", 1, 1024),
        ("fault=down 1, size=2KiB", 1, 2048),
        ("fault=down 2, size=64B", 2, 64),
        ("fault=down 2, size=1KiB", 2, 1024),
        ("fault=down 2, size=2KiB", 2, 2048),
    ];
    assert_eq!(found, expected);
    assert_eq!(scenarios[5].id(), "area/name [fault=down 2, size=2KiB]");
    let cases = expand(&scenarios, &Topology::builtin()).unwrap();
    assert_eq!(cases.len(), 12);
    assert!(cases.iter().any(|case| case.id == "area/name [fault=down 1, size=64B] (engine)"));
}

#[test]
fn what_is_wrong_in_for_each_is_said_at_its_place_and_once() {
    let text = "for-each: { fault: [up, down], size: 5, none: [1s] }
title: $titel
why: Because.
workload: [rabbitmq.tasks]
run-for: 8s
faults: [$fault]
expect: [nothing-lots]
";
    expect(
        &refused(text),
        &[
            ("s.yaml:1:38", "`size` needs a list of values\n  hint: write `size: [one, two]`"),
            ("s.yaml:1:41", "`none` is used nowhere\n  hint: write `$none` where its values are to stand"),
            ("s.yaml:2:8", "unknown variable `titel`"),
        ],
    );
    let text = text.replace(", size: 5, none: [1s]", "").replace("$titel", "T");
    expect(
        &refused(&text),
        &[
            ("s.yaml:1:21", "unknown fault `up`"),
            ("s.yaml:1:25", "`down` needs `service`"),
            ("s.yaml:1:25", "`down` needs `at`"),
            ("s.yaml:7:10", "unknown invariant `nothing-lots`\n  hint: did you mean `nothing-lost`?"),
        ],
    );
    let many = format!("[{}]", vec!["1s"; 17].join(", "));
    let text = format!(
        "for-each: {{ a: {many}, b: {many} }}\ntitle: T\nwhy: W\nworkload: [rabbitmq.tasks]\nrun-for: $a\n\
         faults: [{{ down: {{ service: rabbitmq, at: 0s, for: $b }} }}]\nexpect: [nothing-lost]\n"
    );
    expect(&refused(&text), &[("s.yaml:1:1", "makes more than 256 scenarios of this file")]);
}

#[test]
fn everything_wrong_in_a_file_is_said_at_once_with_its_place() {
    let text = "title: true
wyh: A typo.
tags: [isolatoin, 5]
tenants: [Engine]
probes:
  - postgres.raed
  - redis.write
  - kafka.topics
  - redis.read
  - redis.read
expect: [isolate, {recovers-within: 5}, recovers-within, {isolated: 5s}, [x], {a: 1s, b: 1s}]
run-for: 8s
";
    expect(
        &refused(text),
        &[
            ("s.yaml:1:1", "the scenario has no `why`"),
            (
                "s.yaml:1:8",
                "`title` must be text, not a boolean\n  hint: write text; what looks like something else needs quotation marks",
            ),
            ("s.yaml:2:1", "unknown key in a scenario `wyh`\n  hint: did you mean `why`?"),
            ("s.yaml:3:8", "unknown tag `isolatoin`\n  hint: did you mean `isolation`?"),
            ("s.yaml:3:19", "`tags` must be text, not a number"),
            ("s.yaml:4:11", "needs two tenants"),
            ("s.yaml:4:11", "`Engine`: a tenant's name starts with a lower-case letter"),
            ("s.yaml:6:5", "unknown probe `postgres.raed`\n  hint: did you mean `postgres.read`?"),
            (
                "s.yaml:7:5",
                "no probe of redis is of the class `write`\n  hint: its classes with probes: read",
            ),
            ("s.yaml:8:5", "unknown probe `kafka.topics`\n  hint: known: postgres.select-foreign-rows, "),
            ("s.yaml:10:5", "`redis.read` stands in `probes` already (s.yaml:9:5)"),
            ("s.yaml:11:10", "unknown invariant `isolate`\n  hint: did you mean `isolated`?"),
            ("s.yaml:11:37", "`recovers-within` is `5`: it must be a time, `300ms`, `8s` or `2min`"),
            ("s.yaml:11:41", "`recovers-within` needs a bound"),
            ("s.yaml:11:69", "`isolated` has no bound"),
            ("s.yaml:11:74", "`expect` holds names"),
            ("s.yaml:11:79", "one entry of `expect` has several names"),
            ("s.yaml:12:1", "`run-for` is for a workload, and there is none"),
        ],
    );
}

#[test]
fn what_is_missing_or_empty_is_refused() {
    expect(
        &refused("tags: []\n"),
        &[
            ("s.yaml:1:1", "no `title`"),
            ("s.yaml:1:1", "no `why`"),
            ("s.yaml:1:1", "`tags` is empty"),
            ("s.yaml:1:1", "no `expect`: nothing in it could fail"),
            ("s.yaml:1:1", "does nothing: it has neither `probes` nor `checklist`"),
        ],
    );
    expect(
        &refused("title: ' '\nwhy:\nchecklist: []\nexpect: isolated\n"),
        &[
            ("s.yaml:1:8", "`title` is empty"),
            ("s.yaml:2:4", "`why` must be text, not nothing"),
            ("s.yaml:3:1", "`checklist` is empty"),
            ("s.yaml:4:9", "`expect` must be a list of names, not text"),
        ],
    );
    expect(
        &refused(&format!("{ITEMS}probes: [redis.read]\n")),
        &[("s.yaml:7:1", "has `checklist` (s.yaml:3:1) and `probes`")],
    );
    expect(
        &refused(&ITEMS.replace("database-created", "database-creatd")),
        &[("s.yaml:4:5", "did you mean `database-created`?")],
    );
    expect(
        &refused(&PROBES.replace("No reading", "|\n  two\n  lines")),
        &[("s.yaml:1:1", "`title` must be one line")],
    );
}

#[test]
fn broken_syntax_is_said_alone() {
    expect(&refused("title: [a, b\nwhy: c\n"), &[("s.yaml:2:4", "not valid YAML")]);
    expect(&refused(&format!("{ITEMS}title: again\n")), &[("s.yaml:7:1", "not valid YAML: duplicate")]);
    expect(&refused("- title\n"), &[("s.yaml:1:1", "the file holds a list, not keys")]);
    expect(&refused(""), &[("s.yaml:1:1", "the file holds nothing, not keys")]);
    expect(&refused(&format!("{ITEMS}---\n{ITEMS}")), &[("s.yaml:8:1", "multiple YAML documents")]);
    // Neither depth nor aliases that multiply one another may take the process down.
    refused(&"[".repeat(100_000));
    refused(&"- ".repeat(100_000));
    let chain: String = (1..200).map(|n| format!("a{n}: &a{n} [*a{0}]\n", n - 1)).collect();
    refused(&format!("a0: &a0 [x]\n{chain}"));
    let doubling: String = (1..40).map(|n| format!("a{n}: &a{n} [*a{0}, *a{0}]\n", n - 1)).collect();
    refused(&format!("a0: &a0 [x]\n{doubling}"));
}

fn cases(text: &str, topology: &Topology) -> Vec<Case> {
    expand(&[parse(text).unwrap()], topology).unwrap()
}

fn ids(cases: &[Case]) -> Vec<&str> {
    cases.iter().map(|case| case.id.as_str()).collect()
}

#[test]
fn probes_expand_to_pairs_and_items_to_tenants() {
    let topology = Topology::builtin();
    let pairs = cases(PROBES, &topology);
    assert_eq!(ids(&pairs), ["area/name (engine → plane)", "area/name (plane → engine)"]);
    assert_eq!(pairs[0].key(), "engine:plane");
    let [engine, plane] = [0, 1].map(|index: usize| topology.tenants[index].name.clone());
    assert_eq!(pairs[1].subject, Subject::Pair { from: plane, to: engine.clone() });
    let tenants = cases(ITEMS, &topology);
    assert_eq!(ids(&tenants), ["area/name (engine)", "area/name (plane)"]);
    assert_eq!((tenants[0].key().as_str(), &tenants[0].subject), ("engine", &Subject::Tenant(engine)));
    assert_eq!(ids(&cases(&format!("{ITEMS}tenants: [plane]\n"), &topology)), ["area/name (plane)"]);
    assert_eq!(ids(&cases(&format!("{PROBES}tenants: [plane, engine]\n"), &topology)).len(), 2);
}

#[test]
fn one_tenant_has_no_neighbour_to_probe() {
    let text = Topology::DEFAULT.split("[tenants.plane]").next().unwrap();
    let alone = Topology::parse(text, "t").unwrap();
    assert_eq!(cases(PROBES, &alone), []);
    assert_eq!(ids(&cases(ITEMS, &alone)), ["area/name (engine)"]);
}

#[test]
fn cases_are_sorted_whatever_the_order_of_files() {
    let [b, a] = ["b", "a"].map(|name| Scenario::parse(name, ITEMS, "s", &KNOWN).unwrap().remove(0));
    let cases = expand(&[b, a], &Topology::builtin()).unwrap();
    assert_eq!(ids(&cases), ["a (engine)", "a (plane)", "b (engine)", "b (plane)"]);
}

#[test]
fn a_problem_shows_its_line_and_points_at_its_place() {
    let error =
        parse("title: T\nwhy: W\nchecklist: [vhost-crated]\nexpect: [isolated]\n").unwrap_err().to_string();
    assert!(error.ends_with("\n  3 | checklist: [vhost-crated]\n    |             ^"), "{error}");
    let error = parse("title: [\n").unwrap_err().to_string();
    assert!(error.contains(" | ") && error.ends_with('^'), "{error}");
}

#[test]
fn tenants_that_the_topology_lacks_are_refused() {
    let scenario = parse(&format!("{ITEMS}tenants: [engin, kafka, plane]\n")).unwrap();
    expect(
        &expand(&[scenario], &Topology::builtin()).unwrap_err(),
        &[
            ("area/name", "no tenant `engin`\n  hint: did you mean `engine`?"),
            ("area/name", "no tenant `kafka`\n  hint: known: engine, plane"),
        ],
    );
}

#[test]
fn all_names_every_item_of_the_checklist_and_nothing_else_does() {
    let text = |items: &str| format!("title: T\nwhy: W\nchecklist: {items}\nexpect: [checklist-done]\n");
    assert_eq!(parse(&text("all")).unwrap().checklist, Item::ALL);
    for wrong in ["every", "[all]", "{}", "null"] {
        let error = parse(&text(wrong)).unwrap_err().to_string();
        assert!(error.contains("s.yaml:3:"), "{wrong}: {error}");
    }
}

#[test]
fn probes_and_items_take_faults_on_services_that_they_reach() {
    let text = |does: &str, on: &str| {
        format!(
            "title: T\nwhy: W\n{does}\nfaults:\n  - down: {{ service: {on}, at: 0s }}\nexpect: [isolated]\n"
        )
    };
    assert_eq!(parse(&text("checklist: all", "redis")).unwrap().faults.len(), 1);
    assert_eq!(parse(&text("probes: [postgres.read]", "postgres")).unwrap().faults.len(), 1);
    let error = parse(&text("checklist: [vhost-created]", "redis")).unwrap_err().to_string();
    assert!(error.contains("nothing here works on redis, so `down` would touch nothing"), "{error}");
}

#[test]
fn a_fault_on_others_links_takes_a_workload_and_a_link() {
    const DOWN: Shape<'static> = Shape {
        name: "down",
        about: "Cuts.",
        settings: &[
            Wanted { name: "service", kind: Kind::Service(&Service::ALL), usual: None },
            Wanted { name: "at", kind: Kind::Amount(Unit::Time, 0..=600_000), usual: None },
            Whose::WANTED,
        ],
    };
    let known = Known { faults: &[DOWN, KNOWN.faults[1]], ..KNOWN };
    let parse = |does: &str, faults: &str| {
        let text = format!("title: T\nwhy: W\n{does}\nfaults:\n{faults}\nexpect: [nothing-lost]\n");
        Scenario::parse("area/name", &text, "s.yaml", &known)
    };
    let work = "workload: [rabbitmq.tasks]\nrun-for: 8s";
    let told = |whose: &str| format!("  - down: {{ service: rabbitmq, at: 1s{whose} }}");
    let whose = |text: &str| Whose::of(&parse(work, &told(text)).unwrap()[0].faults[0]);
    assert_eq!(
        ["", ", tenants: one", ", tenants: all", ", tenants: neighbour"].map(whose),
        [Whose::One, Whose::One, Whose::All, Whose::Neighbour]
    );
    let refused = |does: &str, faults: &str| parse(does, faults).unwrap_err();
    expect(
        &refused(work, &told(", tenants: both")),
        &[("s.yaml:6:49", "`tenants` is `both`: it must be one of `one`, `all`, `neighbour`")],
    );
    expect(
        &refused("checklist: [vhost-created]", &told(", tenants: all")),
        &[(
            "s.yaml:5:5",
            "`down` with `tenants: all` takes a neighbour that works, and there is no workload here",
        )],
    );
    assert!(parse("checklist: [vhost-created]", &told("")).is_ok());
    expect(
        &refused(
            "probes: [postgres.read]",
            "  - read-only: { service: postgres, at: 1s, tenants: neighbour }",
        ),
        &[("s.yaml:5:45", "`read-only` has no `tenants`\n  hint: remove it; on others' links can be `down`")],
    );
    let file = format!("faults:\n{}\n", told(", tenants: all"));
    expect(
        &scenario::faults(&file, "f.yaml", &known).unwrap_err(),
        &[(
            "f.yaml:2:5",
            "`down` with `tenants: all` takes a neighbour of a scenario's workload, and there is none beside a program",
        )],
    );
}

proptest! {
    #[test]
    fn no_text_makes_a_parser_panic(lines in prop::collection::vec((key(), nasty()), 0..6)) {
        let yaml: String = lines.iter().map(|(key, value)| format!("{key}: {value}\n")).collect();
        let _ = parse(&yaml);
        let toml: String = lines.iter().map(|(key, value)| format!("{key} = {value}\n")).collect();
        let _ = Topology::parse(&toml, "t");
    }
}

fn key() -> impl Strategy<Value = String> {
    let known = ["title", "tags", "tenants.e.s3", "[tenants.e]\nredis", "expect", "- probes", "? x"];
    prop_oneof![prop::sample::select(known.to_vec()).prop_map(str::to_owned), nasty()]
}
