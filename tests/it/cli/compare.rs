//! `bench compare`: ten times as slow is worse and ten times as fast is better, what fails on a side fails the comparison, and
//! no run outlives it.

use std::{
    io::{BufRead, BufReader},
    process::Stdio,
};

use bulkhead::model::{
    Verdict,
    bench::compare::{Arm, Change, Comparison, Figure},
};
use nix::sys::signal::Signal;

use super::{command::Desk, interrupted::signalled};

/// A side whose link is so many milliseconds long.
fn side(desk: &Desk, delay: u32) -> String {
    let fault =
        format!("latency: {{ service: redis, at: 0ms, for: 800ms, stream: downstream, delay: {delay}ms }}");
    desk.write(&format!("{delay}.yaml"), &format!("faults:\n  - {fault}\n"));
    let time = "--tenant engine --warm-up 100ms --run-for 700ms";
    format!("redis.sessions --set rate=max --set clients=16 {time} --faults {delay}.yaml")
}

/// What it comes to in three rounds, with that exit code.
fn compared(desk: &Desk, [a, b]: [&str; 2], code: i32) -> Comparison {
    let fixed = ["--rounds", "3", "--seed", "7", "--figure", "p50", "--format", "json"];
    let ran = desk.run(&[&["bench", "compare", a, b][..], &fixed].concat());
    assert_eq!(ran.code, Some(code), "{}", ran.all());
    let comparison: Comparison = serde_json::from_str(&ran.stdout).unwrap();
    let saved = desk.path("target/bulkhead").join(&comparison.run).join("compare.json");
    assert_eq!(std::fs::read_to_string(saved).unwrap(), ran.stdout, "on disk is what was printed");
    comparison
}

#[test]
fn ten_times_as_slow_is_worse_and_ten_times_as_fast_is_better() {
    let desk = Desk::served();
    let (fast, slow) = (side(&desk, 15), side(&desk, 150));
    let worse = compared(&desk, [&fast, &slow], 1);
    assert_eq!((worse.verdict, worse.change, worse.stopped.as_str()), (Verdict::Fail, Change::Worse, ""));
    let better = compared(&desk, [&slow, &fast], 0);
    assert_eq!((better.verdict, better.change), (Verdict::Pass, Change::Better), "{better:?}");
    for (comparison, change) in [(&worse, Change::Worse), (&better, Change::Better)] {
        let came: Vec<_> = comparison.figures.iter().map(|of| (of.figure, of.change)).collect();
        assert!(!came.is_empty() && came.iter().all(|of| *of == (Figure::P50, change)), "{comparison:?}");
        assert_eq!((comparison.rounds, comparison.most), (3, 3));
        for round in 1..=3 {
            let mut arms: Vec<_> =
                comparison.runs.iter().filter(|run| run.round == round).map(|run| run.arm).collect();
            arms.sort_unstable();
            assert_eq!(arms, Arm::ALL, "{:?}", comparison.runs);
        }
        // Of three rounds, B is at each place in one.
        let places = (1..=3).map(|round| {
            let mut runs = comparison.runs.iter().filter(|run| run.round == round);
            runs.position(|run| run.arm == Arm::B).unwrap()
        });
        assert_eq!(places.sum::<usize>(), 3);
        for run in &comparison.runs {
            assert!(desk.path(&run.folder).is_dir(), "{run:?}");
        }
    }
    let arms = |comparison: &Comparison| comparison.runs.iter().map(|run| run.arm).collect::<Vec<_>>();
    assert_eq!(arms(&worse), arms(&better), "the seed decides the order");
}

#[test]
fn one_thing_beside_itself_has_a_table_and_a_verdict() {
    let desk = Desk::served();
    let side = "redis.sessions --tenant engine --set rate=100/s --warm-up 100ms --run-for 500ms";
    let ran = desk.run(&["bench", "compare", side, side, "--rounds", "2"]);
    for part in [
        "A bulkhead bench redis.sessions",
        "figure ",
        "redis.sessions look p50 (engine) ",
        " 2 of at most 2 rounds",
    ] {
        assert!(ran.stdout.contains(part), "`{part}` is not in\n{}", ran.all());
    }
    assert!(ran.stderr.contains("round 2 of at most 2, run 3 of 3: "), "{}", ran.all());
}

#[test]
fn an_invariant_that_fails_on_a_side_ends_the_comparison() {
    let desk = Desk::served();
    let scenario = "title: An answer comes soon\nwhy: It cannot, over such a link.\ntags: [chaos]\ntenants: [engine]\n\
                    workload: [redis.sessions: { rate: 50/s }]\nrun-for: 1s\nexpect: [answers-within: 50ms]\n\
                    faults: [latency: { service: redis, at: 0s, for: 1s, stream: downstream, delay: 200ms }]\n";
    desk.write("strict.yaml", scenario);
    let fine = "redis.sessions --tenant engine --set rate=50/s --warm-up 100ms --run-for 500ms";
    let failed = compared(&desk, [fine, "strict.yaml"], 1);
    assert_eq!(failed.verdict, Verdict::Fail);
    assert!(failed.stopped.contains(", B: strict (engine): fail answers-within: "), "{}", failed.stopped);
    let last = failed.runs.last().unwrap();
    assert_eq!((last.arm, last.verdict, failed.rounds), (Arm::B, Verdict::Fail, 0));
}

#[test]
fn no_run_outlives_it_whoever_is_killed() {
    let desk = Desk::alone();
    let side = "redis.sessions --tenant engine --run-for 60s";
    for (signal, code) in [(Signal::SIGINT, Some(2)), (Signal::SIGKILL, None)] {
        let mut child = desk
            .command(&["bench", "compare", side, side])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        assert!(lines.by_ref().map(Result::unwrap).any(|line| line.contains("run 1 of 3")));
        std::thread::spawn(move || lines.for_each(drop));
        assert_eq!(signalled(child, signal), code);
        desk.vanishes();
    }
}

#[test]
fn what_is_wrong_with_a_side_is_said_and_nothing_is_started() {
    let desk = Desk::alone();
    let fine = "redis.sessions --tenant engine";
    for (b, part) in [
        ("redis.session", "B: `redis.session` is no workload"),
        ("redis.sessions --rate 5/s", "B: unexpected argument '--rate'"),
        ("redis.sessions --tenant plane", "A and B: measure nothing in common"),
        ("redis.sessions --sweep 1/s..2/s", "B: `--sweep` is not for a side"),
    ] {
        let ran = desk.run(&["bench", "compare", fine, b]);
        assert_eq!(ran.code, Some(3), "{b}: {}", ran.all());
        assert!(ran.stderr.contains(part), "{part} is missing in:\n{}", ran.stderr);
    }
    assert_eq!(desk.run(&["bench", "compare", fine]).code, Some(64));
    assert_eq!(desk.run(&["bench", "compare", fine, fine, "--least", "5"]).code, Some(64));
    assert_eq!(desk.run(&["bench", "compare", fine, fine, "--figure", "p98"]).code, Some(64));
    assert!(desk.left().is_empty(), "{:?}", desk.left());
}
