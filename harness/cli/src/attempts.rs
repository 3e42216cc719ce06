//! What attempts at one case came to together: the verdict of all, and the evidence of the worst.

use std::collections::BTreeMap;

use bulkhead_model::Verdict;

use crate::judged::Judged;

/// The cases that are tried again, by their ids.
#[derive(Debug, Default)]
pub(crate) struct Attempts(BTreeMap<String, Judged>);

impl Attempts {
    /// Another attempt at a case: what all of them came to, and how many there were.
    pub(crate) fn add(&mut self, mut last: Judged) -> (Judged, usize) {
        let Some(before) = self.0.remove(&last.report.id) else { return (last, 1) };
        let mut all = match before.report.attempts.as_slice() {
            [] => vec![before.report.verdict],
            attempts => attempts.to_vec(),
        };
        let (worst, latest) = (Verdict::worst(all.iter().copied()), last.report.verdict);
        all.push(latest);
        let duration = before.report.duration_ms + last.report.duration_ms;
        // The first of the worst is told, since its history is the one that a reader will look for.
        if latest <= worst {
            last = before;
        }
        let number = all.len();
        (last.report.verdict, last.report.duration_ms) = (Verdict::attempted(&all), duration);
        last.report.attempts = all;
        (last, number)
    }

    /// Keeps what there is until the next attempt.
    pub(crate) fn keep(&mut self, judged: Judged) {
        self.0.insert(judged.report.id.clone(), judged);
    }
}

#[cfg(test)]
mod tests {
    use bulkhead_model::report::CaseReport;

    use super::*;

    fn judged(verdict: Verdict, likely: &str) -> Judged {
        let report = CaseReport {
            id: String::from("x (engine)"),
            title: String::new(),
            why: String::new(),
            verdict,
            skipped: None,
            duration_ms: 10,
            faults: Vec::new(),
            invariants: Vec::new(),
            attempts: Vec::new(),
            likely: Some(likely.to_owned()),
            diagnoses: Vec::new(),
            repro: String::new(),
            logs: Vec::new(),
        };
        Judged { report, isolation: Vec::new(), checklist: Vec::new() }
    }

    /// What attempts that come to these come to, with the number of the one that is told.
    fn come_to(verdicts: &[Verdict]) -> CaseReport {
        let mut attempts = Attempts::default();
        for (number, verdict) in (1..).zip(verdicts) {
            let (all, counted) = attempts.add(judged(*verdict, &number.to_string()));
            assert_eq!(counted, number);
            attempts.keep(all);
        }
        attempts.0.remove("x (engine)").unwrap().report
    }

    #[test]
    fn one_attempt_is_told_as_it_is() {
        let one = come_to(&[Verdict::Fail]);
        assert_eq!((one.verdict, one.attempts.len(), one.duration_ms), (Verdict::Fail, 0, 10));
    }

    #[test]
    fn a_pass_after_others_is_flaky_with_the_evidence_of_what_did_not_pass() {
        let flaky = come_to(&[Verdict::Unknown, Verdict::Fail, Verdict::Pass]);
        assert_eq!(flaky.verdict, Verdict::Flaky);
        assert_eq!(flaky.attempts, [Verdict::Unknown, Verdict::Fail, Verdict::Pass]);
        assert_eq!((flaky.likely.as_deref(), flaky.duration_ms), (Some("2"), 30));
    }

    #[test]
    fn what_never_passes_is_the_worst_of_it_and_the_first_of_those_is_told() {
        let failed = come_to(&[Verdict::Fail, Verdict::Unknown, Verdict::Fail]);
        assert_eq!((failed.verdict, failed.likely.as_deref()), (Verdict::Fail, Some("1")));
    }
}
