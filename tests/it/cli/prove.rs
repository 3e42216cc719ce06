//! `prove`: sabotaged systems fail by the intended invariant, sound ones pass, and the command says so.

use bulkhead::model::{Verdict, proof::ProofReport};
use bulkhead_engine::sabotage;

use super::command::Desk;

#[test]
fn every_sabotage_is_listed_with_its_invariant_and_nothing_is_started() {
    let desk = Desk::alone();
    let ran = desk.run(&["prove", "--list"]);
    assert_eq!(ran.code, Some(0), "{}", ran.all());
    for sabotage in sabotage::ALL {
        let line = ran.stdout.lines().find(|line| line.starts_with(&format!("{} ", sabotage.name)));
        let line = line.unwrap_or_else(|| panic!("{} is missing in:\n{}", sabotage.name, ran.stdout));
        assert!(line.contains(sabotage.expect) && line.contains(sabotage.breaks), "{line}");
    }
    let json = desk.run(&["prove", "--list", "--format", "json"]).stdout;
    let listed: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(listed.as_array().unwrap().len(), sabotage::ALL.len());
    assert!(!desk.path("target").exists(), "no folder is made for a proof that is none");
    assert!(desk.left().is_empty(), "{:?}", desk.left());
}

#[test]
fn a_name_that_there_is_not_is_said_with_those_that_there_are() {
    let desk = Desk::alone();
    let ran = desk.run(&["prove", "ack-befor-work"]);
    assert_eq!(ran.code, Some(3), "{}", ran.all());
    for part in ["no sabotage is called `ack-befor-work`", "ack-before-work"] {
        assert!(ran.stderr.contains(part), "{part} is missing in:\n{}", ran.stderr);
    }
    for args in [["prove", "--seeds", "0"], ["prove", "--seeds", "many"], ["prove", "--jobs", "0"]] {
        assert_eq!(desk.run(&args).code, Some(64), "{args:?}");
    }
    assert!(desk.left().is_empty(), "{:?}", desk.left());
}

#[test]
fn each_fails_when_sabotaged_and_passes_when_sound() {
    let desk = Desk::served();
    let names = ["ack-before-work", "limit-in-two-steps", "neighbours-entry"];
    let ran =
        desk.run(&[&["prove"][..], &names, &["--seeds", "2", "--seed", "7", "--format", "json"]].concat());
    assert_eq!(ran.code, Some(0), "{}", ran.all());
    let report: ProofReport = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((report.verdict, report.seeds, report.first_seed), (Verdict::Pass, 2, 7));
    assert_eq!(report.sabotages.len(), names.len());
    for sabotage in &report.sabotages {
        assert_eq!((sabotage.sabotaged.failed, sabotage.sound.passed), (2, 2), "{sabotage:?}");
        let text = format!("note        {}: {} failed in 2 of 2", sabotage.name, sabotage.invariant);
        assert!(ran.stderr.contains(&text), "{text} is missing in:\n{}", ran.stderr);
    }
    let saved = desk.path("target/bulkhead").join(&report.run).join("proof.json");
    let saved: ProofReport = serde_json::from_str(&std::fs::read_to_string(saved).unwrap()).unwrap();
    assert_eq!(saved, report, "on disk is what was printed");
}
