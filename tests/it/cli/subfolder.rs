//! Commands in a folder below the project's: its topology, its scenarios and its results, and lines that work there.

use std::{fs, path::PathBuf};

use bulkhead::model::Topology;

use super::command::Desk;

/// Can never be judged: probes give no items.
const PLANTED: &str = "title: T\nwhy: Planted.\nprobes: [redis.read]\nexpect: [isolated, checklist-done]\n";

/// A project with one scenario, and a folder two below it.
fn project() -> Desk {
    let desk = Desk::served();
    desk.write("bulkhead.toml", Topology::DEFAULT);
    desk.write("scenarios/own/planted.yaml", PLANTED);
    fs::create_dir_all(desk.path("src/deep")).unwrap();
    desk
}

fn runs(desk: &Desk, below: &str) -> Vec<PathBuf> {
    fs::read_dir(desk.path(below)).unwrap().map(|run| run.unwrap().path()).collect()
}

#[test]
fn scenarios_results_and_the_line_that_runs_a_case_again_are_the_projects() {
    let desk = project();
    let ran = desk.run_in("src/deep", &["verify", "--case", "engine:plane", "--seed", "5"]);
    assert_eq!(ran.code, Some(2), "{}", ran.all());
    assert!(ran.stdout.contains("\ntopology    ../../bulkhead.toml\n"), "{}", ran.stdout);
    assert!(ran.stdout.contains("UNKNOWN  own/planted (engine → plane)"), "{}", ran.stdout);
    assert!(!desk.path("src/deep/target").exists());
    let report = runs(&desk, "target/bulkhead").pop().unwrap().join("report.json");
    assert!(report.is_file());
    let printed = ran.stdout.lines().find(|line| line.ends_with("/report.json")).unwrap();
    let printed = printed.rsplit(' ').next().unwrap();
    assert_eq!(desk.path("src/deep").join(printed).canonicalize().unwrap(), report.canonicalize().unwrap());

    let again = ran.stdout.lines().find_map(|line| line.trim().strip_prefix("again ")).unwrap().trim();
    let second = desk.shell_in("src/deep", again);
    assert_eq!(second.code, Some(2), "{again}: {}", second.all());
    assert!(second.stdout.contains("0 pass · 0 fail · 1 unknown"), "{}", second.stdout);
    assert_eq!(runs(&desk, "target/bulkhead").len(), 2);
}

#[test]
fn what_the_command_line_names_stays_relative_to_the_current_folder() {
    let desk = project();
    let item = "title: T\nwhy: W\nchecklist: [env-configured]\nexpect: [checklist-done]\n";
    desk.write("src/deep/mine/item.yaml", item);
    let ran = desk.run_in("src/deep", &["verify", "mine", "--out", "here"]);
    assert_eq!(ran.code, Some(0), "{}", ran.all());
    assert_eq!(runs(&desk, "src/deep/here").len(), 1);
    assert!(!desk.path("target").exists());
    desk.write("src/other.toml", Topology::DEFAULT);
    let listed = desk.run_in("src/deep", &["scenario", "list", "--topology", "../other.toml"]);
    assert_eq!(listed.code, Some(0), "{}", listed.all());
    assert!(listed.stdout.starts_with("../../scenarios/own/planted.yaml "), "{}", listed.stdout);
    assert!(listed.stdout.contains("1 scenario on disk, topology ../other.toml\n"), "{}", listed.stdout);
    let checked = desk.run_in("src/deep", &["scenario", "check"]);
    assert!(checked.stdout.starts_with("1 scenario, "), "{}", checked.all());
}

#[test]
fn without_a_topology_the_current_folder_is_the_project_and_the_run_says_so() {
    let desk = Desk::served();
    // A repository alone declares nothing.
    desk.write(".git/HEAD", "");
    desk.write("scenarios/own/planted.yaml", PLANTED);
    fs::create_dir_all(desk.path("src")).unwrap();
    let listed = desk.run_in("src", &["scenario", "list"]);
    assert_eq!(listed.code, Some(0), "{}", listed.all());
    assert!(
        listed.stdout.contains("scenarios built in, topology built in, for want of"),
        "{}",
        listed.stdout
    );
    let ran = desk.run_in("src", &["checklist"]);
    assert_eq!(ran.code, Some(0), "{}", ran.all());
    assert!(ran.stderr.contains("\ntopology    built in"), "{}", ran.stderr);
    assert_eq!(runs(&desk, "src/target/bulkhead").len(), 1);
}
