//! `verify`, `checklist` and `check` on real servers.

use std::{collections::BTreeSet, fs};

use bulkhead::model::{Class, RunReport, Service, Verdict};
use bulkhead_engine::probes;
use serde_json::Value;

use super::command::Desk;

#[test]
fn the_defaults_pass_and_every_report_says_so() {
    let desk = Desk::served();
    // All but the workloads, which take the longest; `scenarios` plays those.
    let mut args =
        vec!["verify", "scenarios/isolation", "scenarios/checklist", "--format", "json", "--seed", "7"];
    args.extend(["--junit", "r/junit.xml", "--markdown", "summary.md"]);
    let ran = desk.run(&args);
    assert_eq!(ran.code, Some(0), "{}", ran.all());
    let json: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((&json["version"], &json["seed"], &json["target"]), (&1.into(), &7.into(), &"native".into()));
    assert_eq!(json["verdict"], "pass");
    let report: RunReport = serde_json::from_str(&ran.stdout).unwrap();
    assert!(report.cases.iter().all(|case| case.verdict == Verdict::Pass && case.skipped.is_none()));
    assert_eq!(report.servers.len(), 4);
    // Two tenants: two ordered pairs, each class of each service; six items each.
    let mut cells: Vec<_> =
        report.isolation.iter().map(|row| (&row.from, &row.to, row.service, row.class)).collect();
    cells.dedup();
    assert_eq!(cells.len(), 2 * classes().len(), "{cells:?}");
    assert_eq!(report.checklist.len(), 12);
    assert!(report.checklist.iter().all(|row| row.done && !row.evidence.is_empty()));

    let folder = desk.path("target/bulkhead").join(&report.run);
    let saved: Value =
        serde_json::from_str(&fs::read_to_string(folder.join("report.json")).unwrap()).unwrap();
    assert_eq!(saved, json);
    assert!(fs::read_to_string(folder.join("report.md")).unwrap().starts_with("# Bulkhead: pass"));
    assert!(fs::read_to_string(desk.path("summary.md")).unwrap().contains("## Isolation"));
    let junit = fs::read_to_string(desk.path("r/junit.xml")).unwrap();
    assert!(junit.contains(r#"<testsuite name="isolation""#) && !junit.contains("<failure"), "{junit}");
    assert!(ran.stderr.contains("checklist   engine 6/6   plane 6/6"), "people read stderr: {}", ran.stderr);

    judge_again(&desk, &report.run);
}

/// What a run prints to run a case of many in one file again does that alone, and its history is judged again: as it
/// was, and red once a request was let through that was refused.
#[test]
fn one_case_of_a_workload_runs_alone_and_is_judged_again() {
    let desk = Desk::served();
    let id = "chaos/redis/rate-limit-link [faults=down] (engine)";
    let args = ["verify", "scenarios/chaos/redis", "--seed", "5", "--case", id, "--format", "json"];
    let ran = desk.run(&args);
    assert_eq!(ran.code, Some(0), "{}", ran.all());
    let report: RunReport = serde_json::from_str(&ran.stdout).unwrap();
    let [case] = report.cases.as_slice() else { panic!("{:?}", report.cases) };
    assert_eq!((case.id.as_str(), case.faults.as_slice()), (id, &[String::from("down redis")][..]));
    assert!(case.repro.ends_with(&format!("--seed 5 --case '{id}'")), "{}", case.repro);
    let folder = desk.path("target/bulkhead").join(&report.run).join("cases");
    let journal = fs::read_dir(folder).unwrap().next().unwrap().unwrap().path();
    let again = desk.run(&["check", journal.to_str().unwrap()]);
    assert_eq!(again.code, Some(0), "{}", again.all());
    let text = fs::read_to_string(&journal).unwrap();
    let refused = r#"{"admitted":false}"#;
    assert!(text.contains(refused), "{text}");
    fs::write(&journal, text.replacen(refused, r#"{"admitted":true}"#, 1)).unwrap();
    let again = desk.run(&["check", journal.to_str().unwrap()]);
    assert_eq!(again.code, Some(1), "{}", again.all());
    assert!(again.all().contains("admitted more than their limit"), "{}", again.all());
}

/// The classes of each service that there are probes of.
fn classes() -> BTreeSet<(Service, Class)> {
    probes::all().map(|probe| (probe.about().service, probe.about().class)).collect()
}

/// Every saved history gives its verdict again, and one in which a refusal was made a success goes red.
fn judge_again(desk: &Desk, run: &str) {
    let folder = desk.path("target/bulkhead").join(run).join("cases");
    let mut histories: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    histories.sort();
    assert!(histories.len() >= 44, "{}", histories.len());
    let probed = |path: &&std::path::PathBuf| path.to_string_lossy().contains("isolation.postgres.read");
    let history = histories.iter().find(probed).unwrap();
    let good = desk.run(&["check", history.to_str().unwrap()]);
    assert_eq!(good.code, Some(0), "{}", good.all());

    let text = fs::read_to_string(history).unwrap();
    assert!(text.contains(r#""outcome":"denied""#), "{text}");
    desk.write("leak.jsonl", &text.replace(r#""outcome":"denied""#, r#""outcome":"allowed""#));
    let leak = desk.run(&["check", "leak.jsonl"]);
    assert_eq!(leak.code, Some(1), "{}", leak.all());
    assert!(
        leak.stdout.contains("FAIL  isolation/postgres/read") && leak.stdout.contains("exit 1"),
        "{}",
        leak.stdout
    );

    let cut: String = text.lines().take(1).map(|line| format!("{line}\n")).collect();
    desk.write("cut.jsonl", &cut);
    assert_eq!(desk.run(&["check", "cut.jsonl"]).code, Some(2));
}

#[test]
fn the_checklist_is_markdown_with_a_tick_and_evidence_for_each_item_and_leaves_its_report() {
    let desk = Desk::served();
    let ran = desk.run(&["checklist", "--out", "lists", "--junit", "junit.xml"]);
    assert_eq!(ran.code, Some(0), "{}", ran.all());
    assert!(ran.stdout.starts_with("# Integration checklist\n"), "{}", ran.stdout);
    assert_eq!(ran.stdout.matches("\n- [x] ").count(), 12, "{}", ran.stdout);
    assert!(ran.stdout.contains("## engine: 6/6") && ran.stdout.contains("## plane: 6/6"), "{}", ran.stdout);
    assert!(ran.stdout.contains("TLS"), "{}", ran.stdout);

    let runs: Vec<_> = fs::read_dir(desk.path("lists")).unwrap().map(|run| run.unwrap().path()).collect();
    assert_eq!(runs.len(), 1, "{runs:?}");
    let report = fs::read_to_string(runs[0].join("report.json")).unwrap();
    let report: RunReport = serde_json::from_str(&report).unwrap();
    assert_eq!((report.verdict, report.checklist.len(), report.cases.len()), (Verdict::Pass, 12, 2));
    for row in &report.checklist {
        assert!(ran.stdout.contains(&row.evidence), "the file says what was printed: {row:?}");
    }
    assert!(runs[0].join("report.md").is_file());
    let junit = fs::read_to_string(desk.path("junit.xml")).unwrap();
    assert!(junit.contains("tests=\"2\"") && junit.contains("failures=\"0\""), "{junit}");
}

#[test]
fn a_case_that_does_not_pass_prints_its_log_and_the_line_that_runs_it_again() {
    let desk = Desk::served();
    // Probes give no items, so what is expected here can never be judged.
    let text = "title: T\nwhy: Planted.\nprobes: [redis.read]\nexpect: [isolated, checklist-done]\n";
    desk.write("my scenarios/planted.yaml", text);
    let ran = desk.run(&["verify", "my scenarios", "--case", "engine:plane", "--seed", "5"]);
    assert_eq!(ran.code, Some(2), "{}", ran.all());
    for part in [
        "UNKNOWN  planted (engine → plane)",
        "why        Planted.",
        "invariant  checklist-done: ",
        "log        redis, last",
    ] {
        assert!(ran.stdout.contains(part), "`{part}` is missing in:\n{}", ran.stdout);
    }
    let again = ran.stdout.lines().find_map(|line| line.trim().strip_prefix("again ")).unwrap().trim();
    assert!(again.contains("--seed 5 --case engine:plane"), "{again}");

    let second = desk.shell(again);
    assert_eq!(second.code, Some(2), "{again}: {}", second.all());
    assert!(second.stdout.contains("UNKNOWN  planted (engine → plane)"), "{}", second.stdout);
    assert!(
        second.stdout.contains("0 pass · 0 fail · 1 unknown · 0 skipped"),
        "only that case: {}",
        second.stdout
    );
}

#[test]
fn a_built_in_scenario_is_run_by_its_path_where_no_such_file_is() {
    let desk = Desk::served();
    let list = desk.run(&["scenario", "list"]).stdout;
    let path = list
        .lines()
        .find(|line| line.contains("isolation/redis"))
        .unwrap()
        .split_whitespace()
        .next()
        .unwrap();
    let ran = desk.shell(&format!("bulkhead verify {path} --seed 3 --case engine"));
    assert_eq!(ran.code, Some(0), "{}", ran.all());
    assert!(ran.stdout.contains("1 pass · 0 fail"), "{}", ran.stdout);
}

#[test]
fn at_eighty_columns_a_real_run_fits_and_a_log_file_gets_no_escapes() {
    let mut desk = Desk::served();
    desk.set("COLUMNS", "80");
    let ran = desk.run(&["verify", "scenarios/isolation/redis", "scenarios/checklist", "-v"]);
    assert_eq!(ran.code, Some(0), "{}", ran.all());
    assert!(!ran.stdout.contains('\x1b'), "{}", ran.stdout);
    let long: Vec<_> = ran.stdout.lines().filter(|line| line.chars().count() > 80).collect();
    assert!(long.is_empty(), "{long:#?}");
}

#[test]
fn a_reader_that_has_seen_enough_changes_no_verdict() {
    let desk = Desk::served();
    let scenario = "scenarios/checklist/env-configured.yaml";
    let ran = desk.shell(&format!("{{ bulkhead verify {scenario}; echo \"code $?\" >&2; }} | head -n 1"));
    assert!(ran.stderr.ends_with("code 0\n"), "{}", ran.all());
}

#[test]
fn a_report_that_cannot_be_written_makes_a_pass_doubtful() {
    let desk = Desk::served();
    desk.write("taken", "a file");
    let ran = desk.run(&["verify", "scenarios/checklist/env-configured.yaml", "--junit", "taken/junit.xml"]);
    assert_eq!(ran.code, Some(2), "{}", ran.all());
    assert!(ran.stderr.contains("taken"), "{}", ran.stderr);
    assert!(ran.stdout.ends_with("exit 2\n"), "{}", ran.stdout);
}
