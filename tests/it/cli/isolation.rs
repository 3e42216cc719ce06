//! `isolation`: every probe between every two tenants, as a matrix for people and as rows for programs.

use bulkhead::model::{Outcome, RunReport, Verdict};
use bulkhead_engine::probes;

use super::command::Desk;

#[test]
fn every_probe_has_a_row_for_each_ordered_pair() {
    let desk = Desk::served();
    let ran = desk.run(&["isolation", "--format", "json"]);
    assert_eq!(ran.code, Some(0), "{}", ran.all());
    let report: RunReport = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(report.isolation.len(), 2 * probes::all().count());
    assert!(report.checklist.is_empty());
    for row in &report.isolation {
        // The stand-in for S3 is no MinIO.
        let made = !row.probe.ends_with("-bucket-policy");
        assert_eq!(row.outcome != Outcome::Skipped, made, "{row:?}");
        assert!(!made || row.verdict == Verdict::Pass, "{row:?}");
        assert!(row.server.contains(|c: char| c.is_ascii_digit()), "{row:?}");
    }
    assert!(ran.stderr.contains("isolation   from → on"), "people read stderr: {}", ran.stderr);
    assert!(ran.stderr.contains("convention: the server refuses nothing"), "{}", ran.stderr);
}

#[test]
fn one_service_alone_has_a_matrix_of_its_own() {
    let desk = Desk::served();
    let ran = desk.run(&["isolation", "s3"]);
    assert_eq!(ran.code, Some(0), "{}", ran.all());
    assert!(ran.stdout.contains("engine → plane") && !ran.stdout.contains("redis  "), "{}", ran.stdout);
    assert!(ran.stdout.contains(&Outcome::Denied.to_string()), "{}", ran.stdout);
}

#[test]
fn a_service_that_there_is_not_is_a_mistake_in_usage() {
    let ran = Desk::new().run(&["isolation", "postgress"]);
    assert_eq!(ran.code, Some(64), "{}", ran.all());
    assert!(ran.stderr.contains("postgress"), "{}", ran.stderr);
}
