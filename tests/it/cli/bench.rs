//! `bench`: what it reports is what was put in front of the server, an open loop shows the stall that a closed one hides, what
//! got lost fails it and stands where it was due, and what the processes used is told.

use bulkhead::model::{
    Verdict,
    bench::{BenchCase, BenchReport, Counted, Figures, Load, Measure, Part, When, Wrongs},
    history,
};

use super::command::Desk;

/// Nanoseconds.
const MS: u64 = 1_000_000;

/// What it measured of that workload with these options, for the tenant `engine`.
fn bench(desk: &Desk, workload: &str, options: &[&str]) -> BenchReport {
    let fixed = ["--tenant", "engine", "--warm-up", "300ms", "--seed", "7", "--format", "json"];
    let ran = desk.run(&[&["bench", workload][..], &fixed, options].concat());
    assert_eq!(ran.code, Some(0), "{}", ran.all());
    serde_json::from_str(&ran.stdout).unwrap()
}

fn load(report: &BenchReport) -> &Load {
    assert_eq!((report.cases.len(), report.cases[0].loads.len()), (1, 1));
    &report.cases[0].loads[0]
}

/// What each part used, where it could be read.
fn used(case: &BenchCase) -> Vec<(Part, Figures)> {
    case.usage.iter().filter_map(|usage| Some((usage.part, usage.figures?))).collect()
}

/// The most frequent kind of operation.
fn usual(report: &BenchReport) -> &Measure {
    &load(report).acts[0]
}

#[test]
fn a_known_delay_is_what_is_reported_and_ends_with_its_fault() {
    let desk = Desk::served();
    let delay =
        "faults:\n  - latency: { service: redis, at: 1300ms, for: 1s, stream: downstream, delay: 60ms }\n";
    std::fs::write(desk.path("delay.yaml"), delay).unwrap();
    let report = bench(
        &desk,
        "redis.query-cache",
        &["--set", "rate=100/s", "--set", "clients=16", "--run-for", "3s", "--faults", "delay.yaml"],
    );
    let (load, act) = (load(&report), usual(&report));
    let [before, during, after] = &act.stretches[..] else { panic!("{:?}", act.stretches) };
    assert_eq!([before.when, during.when, after.when], When::ALL);
    // How fast it is otherwise is the machine's business, but not slower than with 60 ms on top.
    assert!(during.latency.p50 >= 60 * MS, "{:?}", act.stretches);
    assert!(before.latency.p50.min(after.latency.p50) < during.latency.p50, "{:?}", act.stretches);
    assert!(load.planned.is_some_and(|planned| planned >= 295), "{load:?}");
    // A delay keeps nothing from succeeding, before it ends or after.
    let recovery = load.recovery.expect("the delay came to its end");
    assert!(recovery.first_ns.is_some() && recovery.first_ns == recovery.steady_ns, "{recovery:?}");

    let figures = used(&report.cases[0]);
    assert_eq!(figures.len(), Part::ALL.len(), "{:?}", report.cases[0].usage);
    assert!(
        figures
            .iter()
            .all(|(_, figures)| figures.memory_peak >= figures.memory_mean && figures.memory_mean > 0)
    );
    // Some hundred answers over TLS take more than a hundredth of a second.
    let client = figures[0].1;
    assert!(
        client.cpu_ns > 0 && client.cores > 0.0 && client.per_ok_ns.is_some_and(|time| time > 0),
        "{client:?}"
    );
    assert_eq!(client.counted, Counted::Rss);

    let names = |case: &BenchCase| {
        case.invariants
            .iter()
            .map(|invariant| (invariant.name.clone(), invariant.verdict))
            .collect::<Vec<_>>()
    };
    assert!(
        names(&report.cases[0]).contains(&(String::from("nothing-foreign"), Verdict::Pass)),
        "{report:?}"
    );
    let journal = desk.path(&report.cases[0].history);
    assert!(!history::read(std::fs::read(&journal).unwrap(), "history").unwrap().cut);
    let log = std::fs::read_to_string(journal.with_extension("hlog")).unwrap();
    assert!(log.contains(&format!("Tag=redis.query-cache.{},0.000,1.000,", act.act)), "{log}");
    let saved = desk.path("target/bulkhead").join(&report.run).join("bench.json");
    let saved: BenchReport = serde_json::from_str(&std::fs::read_to_string(saved).unwrap()).unwrap();
    assert_eq!(saved, report, "on disk is what was printed");
    let page =
        std::fs::read_to_string(desk.path("target/bulkhead").join(&report.run).join("bench.html")).unwrap();
    assert!(page.contains("<svg") && page.contains(&report.cases[0].id.replace('&', "&amp;")), "{page}");
}

#[test]
fn an_open_loop_shows_the_stall_that_a_closed_one_hides() {
    let desk = Desk::served();
    // Three in ten operations are due while the server stands still.
    let stall = |at: u64| format!("  - pause: {{ service: redis, at: {at}ms, for: 300ms }}\n");
    let stalls = [700, 1_700, 2_700].map(stall).concat();
    std::fs::write(desk.path("stalls.yaml"), format!("faults:\n{stalls}")).unwrap();
    let measured = |rate: &str| {
        let options = ["--set", rate, "--set", "clients=1", "--run-for", "3s", "--faults", "stalls.yaml"];
        bench(&desk, "redis.sessions", &options)
    };
    let (open, closed) = (measured("rate=100/s"), measured("rate=max"));
    // Of what is due in a stall, two thirds wait for more than a third of it: two in ten of all.
    assert!(usual(&open).latency.p90 >= 100 * MS, "{:?}", usual(&open));
    assert!(load(&open).late >= 40, "{:?}", load(&open));
    // The one client waits three times, and those are all that it tells of.
    assert!(usual(&closed).latency.p90 < usual(&open).latency.p90 / 2, "{:?}", usual(&closed));
    assert_eq!((load(&closed).planned, load(&closed).late), (None, 0));
}

#[test]
fn every_workload_is_measured_with_an_oracle() {
    let desk = Desk::served();
    let names = bulkhead_engine::workload::ALL.map(|workload| workload.shape().name);
    let fixed = ["--tenant", "plane", "--run-for", "1s", "--warm-up", "200ms", "--format", "json"];
    let ran = desk.run(&[&["bench"][..], &names, &fixed].concat());
    assert_eq!(ran.code, Some(0), "{}", ran.all());
    let report: BenchReport = serde_json::from_str(&ran.stdout).unwrap();
    let mut measured: Vec<_> = report.cases.iter().map(|case| case.loads[0].workload.as_str()).collect();
    measured.sort_unstable();
    let mut names = names;
    names.sort_unstable();
    assert_eq!(measured, names);
    for case in &report.cases {
        assert!(case.loads[0].acts.iter().any(|act| act.ok > 0), "{case:?}");
        assert!(case.invariants.iter().all(|invariant| invariant.verdict == Verdict::Pass), "{case:?}");
        let wrong: Wrongs = case.loads[0].acts.iter().map(|act| act.wrong).chain([case.beside]).sum();
        assert_eq!(wrong, Wrongs::default(), "{case:?}");
        assert_eq!(
            used(case).iter().map(|(part, _)| *part).collect::<Vec<_>>(),
            Part::ALL,
            "{:?}",
            case.usage
        );
    }
    let judged =
        |name: &str| report.cases.iter().any(|case| case.invariants.iter().any(|judged| judged.name == name));
    for name in [
        "nothing-lost",
        "in-order",
        "linearizable",
        "conserved-total",
        "byte-exact",
        "replies-match",
        "within-limit",
    ] {
        assert!(judged(name), "no workload is judged by {name}");
    }
}

#[test]
fn what_a_neighbour_wipes_out_is_lost_in_the_seconds_in_which_it_was_kept() {
    let desk = Desk::served();
    let scenario = "title: T\nwhy: W\nworkload: [{ redis.sessions: { rate: 200/s, ttl: 600ms } }]\nrun-for: 3s\n\
                    faults: [{ flush: { service: redis, at: 1300ms, for: 100ms } }]\nexpect: [{ within-ttl: 50ms }]\n";
    std::fs::write(desk.path("flush.yaml"), scenario).unwrap();
    let fixed = ["bench", "flush.yaml", "--tenant", "engine", "--warm-up", "300ms", "--seed", "7"];
    let ran = desk.run(&[&fixed[..], &["--format", "json"]].concat());
    assert_eq!(ran.code, Some(1), "{}", ran.all());
    let report: BenchReport = serde_json::from_str(&ran.stdout).unwrap();
    let acts = || load(&report).acts.iter();
    let wrong: Wrongs = acts().map(|act| act.wrong).sum();
    assert!(wrong.lost > 0 && wrong.total() == wrong.lost, "{wrong:?}");
    for act in acts() {
        assert_eq!(act.seconds.iter().map(|second| second.wrong).sum::<Wrongs>(), act.wrong);
    }
    let page = desk.path("target/bulkhead").join(&report.run).join("bench.html");
    let page = std::fs::read_to_string(page).unwrap();
    assert!(page.contains("class=\"lost\"") && page.contains("<td>client</td>"), "{page}");
    let read = history::read(std::fs::read(desk.path(&report.cases[0].history)).unwrap(), "history").unwrap();
    assert!(read.events.iter().any(|event| matches!(event.kind, history::EventKind::Usage(_))));
}

#[test]
fn a_gate_passes_what_it_asks_for_and_fails_what_it_does_not() {
    let desk = Desk::served();
    let gate = "redis.sessions: max < 60min at 40/s\nredis.sessions: ok/s > 1000 at 40/s\nredis.rate-limit: p50 < 60min\n";
    std::fs::write(desk.path("gate.txt"), gate).unwrap();
    let fixed =
        ["bench", "--gate", "gate.txt", "--tenant", "engine", "--run-for", "1s", "--warm-up", "200ms"];
    let ran = desk.run(&[&fixed[..], &["--format", "json"]].concat());
    assert_eq!(ran.code, Some(1), "{}", ran.all());
    let report: BenchReport = serde_json::from_str(&ran.stdout).unwrap();
    let judged = |name: &str| {
        let all =
            report.cases.iter().flat_map(|case| case.invariants.iter().map(|judged| (&case.id, judged)));
        all.filter(|(_, judged)| judged.name == name)
            .map(|(id, judged)| (id.clone(), judged.verdict))
            .collect::<Vec<_>>()
    };
    let at = || String::from("bench/redis.sessions at 40/s (engine)");
    assert_eq!(judged("redis.sessions: max < 60min at 40/s"), [(at(), Verdict::Pass)]);
    assert_eq!(judged("redis.sessions: ok/s > 1000 at 40/s"), [(at(), Verdict::Fail)]);
    let usual = String::from("bench/redis.rate-limit (engine)");
    assert_eq!(judged("redis.rate-limit: p50 < 60min"), [(usual, Verdict::Pass)]);
    std::fs::write(desk.path("gate.txt"), "redis.sesions: p99 < 5ms\n").unwrap();
    let ran = desk.run(&fixed);
    assert_eq!(ran.code, Some(3), "{}", ran.all());
    assert!(
        ran.stderr.contains("gate.txt:1:1") && ran.stderr.contains("did you mean `redis.sessions`?"),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_sweep_finds_the_rate_beyond_which_a_slow_line_does_not_keep_up() {
    let desk = Desk::served();
    // Two clients that wait 40 ms for each answer do fifty in a second at most.
    let delay =
        "faults:\n  - latency: { service: redis, at: 0ms, for: 3300ms, stream: downstream, delay: 40ms }\n";
    std::fs::write(desk.path("delay.yaml"), delay).unwrap();
    let options = [
        "--set",
        "clients=2",
        "--run-for",
        "3s",
        "--faults",
        "delay.yaml",
        "--sweep",
        "10/s..1000/s",
        "--steps",
        "3",
    ];
    let report = bench(&desk, "redis.sessions", &options);
    let played: Vec<_> = report.cases.iter().map(|case| case.loads[0].rate).collect();
    let [knee] = &report.knees[..] else { panic!("{:?}", report.knees) };
    // A machine that is busy may keep up with less, and none with twenty times what the line can carry.
    assert!(
        knee.breaks.is_some() && knee.holds.is_none_or(|rate| rate < 60_000) && knee.why.contains(" due at "),
        "{knee:?}, played in the order {played:?}"
    );
    let again = bench(&desk, "redis.sessions", &options);
    assert_eq!(
        again.cases.iter().map(|case| case.loads[0].rate).collect::<Vec<_>>(),
        played,
        "the seed decides the order"
    );
}

#[test]
fn what_is_wrong_in_what_was_given_is_said_and_nothing_is_started() {
    let desk = Desk::alone();
    for (args, part) in [
        (&["bench", "redis.session"][..], "no workload, and no scenario file"),
        (&["bench", "redis.sessions", "--set", "rte=5/s"], "did you mean `rate`?"),
        (&["bench", "redis.sessions", "--set", "rate"], "`rate` says no value"),
        (&["bench", "redis.sessions", "--faults", "dwon"], "`dwon` is no fault"),
        (&["bench", "redis.sessions", "--tenant", "nobody"], "there are engine, plane"),
        (&["bench", "checklist"], "no scenario here has a workload"),
    ] {
        let ran = desk.run(args);
        assert_eq!(ran.code, Some(3), "{args:?}: {}", ran.all());
        assert!(ran.stderr.contains(part), "{part} is missing in:\n{}", ran.stderr);
    }
    assert_eq!(desk.run(&["bench"]).code, Some(64));
    assert_eq!(desk.run(&["bench", "redis.sessions", "--run-for", "soon"]).code, Some(64));
    assert_eq!(desk.run(&["bench", "redis.sessions", "--sweep", "10/s"]).code, Some(64));
    assert!(desk.left().is_empty(), "{:?}", desk.left());
}
