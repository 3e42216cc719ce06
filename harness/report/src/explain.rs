//! Why a case did not pass: the same parts in the same order for every kind of report.

use bulkhead_model::{Verdict, doctor::Diagnosis, report::CaseReport};

use crate::text;

/// One labelled part of an explanation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// `why`, `invariant`, `fault`, `attempts`, `likely`, `known`, `again`.
    pub label: &'static str,
    /// On one line.
    pub text: String,
}

/// The parts, in the order why, invariant, fault, attempts, likely, known, again; `attempts` only when there were several,
/// `likely` and `known` only when there is a likely cause and where the text of an error is a known one.
pub fn parts(case: &CaseReport) -> Vec<Part> {
    let part = |label, text: &str| Part { label, text: text::one_line(text) };
    let mut parts = vec![part("why", &case.why)];
    let broken = case.invariants.iter().filter(|invariant| invariant.verdict != Verdict::Pass);
    // The worst first: a failure says more than what could not be judged because of it.
    let mut broken: Vec<_> = broken.collect();
    broken.sort_by_key(|invariant| std::cmp::Reverse(invariant.verdict));
    for invariant in &broken {
        parts.push(part("invariant", &format!("{}: {}", invariant.name, invariant.evidence)));
    }
    if broken.is_empty() {
        parts.push(part("invariant", "none could be judged"));
    }
    if case.faults.is_empty() {
        parts.push(part("fault", "none was injected"));
    }
    parts.extend(case.faults.iter().map(|fault| part("fault", fault)));
    if !case.attempts.is_empty() {
        let came: Vec<_> = case.attempts.iter().map(|verdict| verdict.name()).collect();
        parts.push(part("attempts", &came.join(", ")));
    }
    parts.extend(case.likely.iter().map(|likely| part("likely", likely)));
    parts.extend(case.diagnoses.iter().map(|known| {
        let Diagnosis { id, symptom, cause, fix, source, .. } = known;
        part("known", &format!("{symptom}: {cause}; fix: {fix} ({id}; {source})"))
    }));
    parts.push(part("again", &case.repro));
    parts
}

/// `FAIL`, `FLAKY` or `UNKNOWN`: the word that opens an explanation.
pub fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "PASS",
        Verdict::Unknown => "UNKNOWN",
        Verdict::Flaky => "FLAKY",
        Verdict::Fail => "FAIL",
    }
}

/// Whether the case needs explaining: it ran and did not pass.
pub fn is_due(case: &CaseReport) -> bool {
    case.skipped.is_none() && case.verdict != Verdict::Pass
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};

    use bulkhead_model::{RunReport, Service, doctor::diagnose};

    use super::*;
    use crate::samples;

    #[test]
    fn the_order_is_why_invariant_fault_likely_again() {
        let bad = samples::bad();
        let failed = bad.cases.iter().find(|case| case.verdict == Verdict::Fail).unwrap();
        let labels: Vec<_> = parts(failed).iter().map(|part| part.label).collect();
        assert_eq!(labels, ["why", "invariant", "fault", "likely", "again"]);
        assert!(is_due(failed));
        assert!(
            !bad.cases.iter().any(|case| case.skipped.is_some() && is_due(case)),
            "skipped is not explained"
        );
    }

    #[test]
    fn attempts_are_told_where_there_were_several() {
        let mut case = samples::case("x (engine)");
        (case.verdict, case.attempts) = (Verdict::Flaky, vec![Verdict::Fail, Verdict::Pass]);
        let parts = parts(&case);
        let told = parts.iter().find(|part| part.label == "attempts").unwrap();
        assert_eq!((told.text.as_str(), word(case.verdict)), ("fail, pass", "FLAKY"));
        assert!(is_due(&case));
    }

    #[test]
    fn what_is_known_is_in_every_kind_of_report() {
        let mut report = samples::bad();
        let known = diagnose(Some(Service::Redis), "WRONGPASS", None).unwrap();
        let failed = report.cases.iter_mut().find(|case| case.verdict == Verdict::Fail).unwrap();
        failed.diagnoses = vec![known.clone()];
        let parts = parts(failed);
        let part = parts.iter().find(|part| part.label == "known").unwrap();
        assert_eq!(parts.last().unwrap().label, "again", "it comes before the line that runs the case again");
        for text in [&known.symptom, &known.cause, &known.fix, &known.id, &known.source] {
            assert!(part.text.contains(text.as_str()), "{text} is missing in {}", part.text);
        }
        let write = [crate::junit::write, crate::markdown::write, crate::json::write];
        for write in write as [fn(&RunReport, &mut dyn Write) -> io::Result<()>; 3] {
            let mut sink = Vec::new();
            write(&report, &mut sink).unwrap();
            let text = String::from_utf8(sink).unwrap();
            assert!(text.contains("upstash.password"), "{text}");
        }
    }

    #[test]
    fn a_case_that_broke_before_anything_was_judged_says_so() {
        let mut case = samples::case("x (engine)");
        (case.verdict, case.invariants) = (Verdict::Unknown, Vec::new());
        assert!(parts(&case).iter().any(|part| part.label == "invariant" && part.text.contains("none")));
    }
}
