//! JUnit XML: a suite for each area of scenarios.
//!
//! A failed case is a `failure`, and so is a flaky one, of the type `flaky`. A case that could not be judged is an `error`, never a success. A skipped one is
//! `skipped` with its reason.

use std::{
    collections::BTreeMap,
    io::{self, Write},
    time::Duration,
};

use bulkhead_model::{RunReport, Verdict, report::CaseReport};
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use crate::{explain, redact};

/// Writes the document.
///
/// # Errors
/// When the sink refuses.
pub fn write(report: &RunReport, sink: &mut dyn Write) -> io::Result<()> {
    let report = redact::report(report);
    let mut areas: BTreeMap<&str, Vec<&CaseReport>> = BTreeMap::new();
    for case in &report.cases {
        areas.entry(area(&case.id)).or_default().push(case);
    }
    let mut document = Report::new("bulkhead");
    document.set_time(Duration::from_millis(report.duration_ms));
    for (area, cases) in areas {
        let mut suite = TestSuite::new(area);
        suite.set_time(Duration::from_millis(cases.iter().map(|case| case.duration_ms).sum()));
        suite.add_property(("seed", report.seed.to_string().as_str()));
        suite.add_property(("target", report.target.as_str()));
        if let Some(reason) = &report.target_reason {
            suite.add_property(("target-reason", reason.as_str()));
        }
        if let Some(links) = &report.links {
            suite.add_property(("links", links.as_str()));
        }
        for server in &report.servers {
            suite.add_property((
                server.service.name(),
                format!("{} {}", server.product, server.version).as_str(),
            ));
        }
        suite.add_test_cases(cases.into_iter().map(test_case));
        document.add_test_suite(suite);
    }
    document.serialize(sink).map_err(io::Error::other)
}

/// The first folder of a case's id: `isolation` of `isolation/postgres/read (engine → plane)`.
fn area(id: &str) -> &str {
    match id.split_once('/') {
        Some((area, _)) => area,
        None => "scenarios",
    }
}

fn test_case(case: &CaseReport) -> TestCase {
    let mut test = TestCase::new(case.id.as_str(), status(case));
    let scenario = case.id.split_once(" (").map_or(case.id.as_str(), |(scenario, _)| scenario);
    test.set_classname(format!("bulkhead.{}", scenario.replace('/', ".")));
    test.set_time(Duration::from_millis(case.duration_ms));
    test
}

fn status(case: &CaseReport) -> TestCaseStatus {
    if let Some(reason) = &case.skipped {
        let mut status = TestCaseStatus::skipped();
        status.set_message(reason.as_str());
        return status;
    }
    let kind = match case.verdict {
        Verdict::Pass => return TestCaseStatus::success(),
        Verdict::Fail | Verdict::Flaky => NonSuccessKind::Failure,
        Verdict::Unknown => NonSuccessKind::Error,
    };
    let parts = explain::parts(case);
    let mut text = String::new();
    for part in &parts {
        text.push_str(&format!("{:<9}  {}\n", part.label, part.text));
    }
    for log in &case.logs {
        text.push_str(&format!(
            "\nlog of {}, last {} lines:\n{}\n",
            log.service,
            log.lines.len(),
            log.lines.join("\n")
        ));
    }
    let mut status = TestCaseStatus::non_success(kind);
    status.set_type(case.verdict.name());
    if let Some(invariant) = parts.iter().find(|part| part.label == "invariant") {
        status.set_message(invariant.text.as_str());
    }
    status.set_description(text);
    status
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;

    fn xml(report: &RunReport) -> String {
        let mut text = Vec::new();
        write(report, &mut text).unwrap();
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn a_suite_an_area_and_nothing_red_in_a_good_run() {
        let xml = xml(&samples::good());
        assert!(xml.contains(r#"<testsuite name="checklist" tests="1""#), "{xml}");
        assert!(xml.contains(r#"<testsuite name="isolation" tests="2""#), "{xml}");
        let reason = r#"<property name="target-reason" value="its servers are on this machine""#;
        assert!(xml.contains(reason), "{xml}");
        assert!(!xml.contains("<failure") && !xml.contains("<error") && !xml.contains("<skipped"), "{xml}");
        let version = r#"<property name="postgres" value="postgres 15.18"/>"#;
        assert_eq!(xml.matches(version).count(), 2, "one a suite: {xml}");
    }

    #[test]
    fn failed_unknown_and_skipped_are_told_apart() {
        let xml = xml(&samples::bad());
        assert_eq!(xml.matches("<failure").count(), 1, "{xml}");
        assert_eq!(xml.matches("<error").count(), 1, "{xml}");
        assert_eq!(xml.matches("<skipped").count(), 1, "{xml}");
        assert!(xml.contains("docker only"));
        for needed in
            ["One app must never", "CREATE TEMP TABLE worked", "bulkhead verify scenarios/isolation/postgres"]
        {
            assert!(xml.contains(needed), "{needed} is missing in {xml}");
        }
        assert!(xml.contains("log of postgres"));
    }

    #[test]
    fn secrets_that_servers_quoted_stay_out() {
        assert!(!xml(&samples::bad()).contains(samples::CANARY));
    }
}
