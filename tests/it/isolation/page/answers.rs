//! What a server answered, without what differs from run to run: outcomes, statuses and codes.

use std::collections::BTreeSet;

use super::{Act, Ended, Ending, Event, EventKind, Found, Outcome, ProbeRecord};

/// What came of a probe, and by which answers.
pub(super) fn answer(record: &ProbeRecord) -> String {
    if record.outcome == Outcome::Skipped {
        return format!("not asked: {}", record.evidence);
    }
    if record.leaked() {
        return format!("leaks: {}", record.inherent);
    }
    let listed = |answers: Vec<Refusal>| {
        let mut codes: Vec<_> = answers.iter().map(Refusal::code).collect();
        codes.dedup();
        codes.join(", then ")
    };
    let (there, own) = (listed(refusals(&record.evidence)), listed(refusals(&record.control.detail)));
    let by = if there.is_empty() { there } else { format!(": {there}") };
    let own = match own.as_str() {
        // Then its client is shown to work by another call.
        _ if record.control.detail.contains("/canary`") => String::from(", and so on its own slice"),
        "" => own,
        _ => format!("; on its own slice {own}"),
    };
    format!("{}{by}{own}", record.outcome)
}

/// The words with which these were refused.
pub(super) fn words<'a>(records: impl Iterator<Item = &'a ProbeRecord>) -> String {
    let denied = records.filter(|record| record.outcome == Outcome::Denied);
    let words: BTreeSet<_> = denied
        .flat_map(|record| refusals(&record.evidence))
        .filter(|refusal| refusal.code == "AccessDenied")
        .map(|refusal| format!("`{}`", refusal.words))
        .collect();
    words.into_iter().collect::<Vec<_>>().join(", ")
}

/// An answer that is no success, as probes write it down: `403 AccessDenied: not entitled`.
struct Refusal<'a> {
    status: &'a str,
    code: &'a str,
    words: &'a str,
}

impl Refusal<'_> {
    fn code(&self) -> String {
        match self.code {
            "" => format!("{} without a body", self.status),
            code => format!("{} `{code}`", self.status),
        }
    }
}

fn refusals(evidence: &str) -> Vec<Refusal<'_>> {
    let after = evidence.match_indices(": ").map(|(at, _)| &evidence[at + 2..]);
    after
        .filter_map(|text| {
            let (status, rest) = text.split_once(' ')?;
            let refused = status.len() == 3 && ('4'..='5').contains(&status.chars().next()?);
            let (code, rest) = rest.split_once(": ")?;
            let code = code.trim();
            let is_code = code.chars().all(|c| c.is_ascii_alphanumeric());
            let words = rest.split("; ").next().unwrap_or_default().trim();
            // The head of a success has gone before some errors are found out.
            let refused = refused || status == "200" && code == "AccessDenied";
            (refused && is_code && status.parse::<u16>().is_ok()).then_some(Refusal { status, code, words })
        })
        .collect()
}

/// That its checks pass, and what of its answers depends on the server.
pub(super) fn of_workload(history: &[Event]) -> String {
    let mut answers = BTreeSet::new();
    for event in history {
        let EventKind::Ended(Ended { op, outcome, detail, found }) = &event.kind else { continue };
        let act = history.iter().find_map(|event| match &event.kind {
            EventKind::Invoked(invoked) if invoked.op == *op => Some(&invoked.act),
            _ => None,
        });
        match (act, outcome, found) {
            (Some(Act::Trespass { what }), _, Some(Found::Answer { said, .. })) => {
                let (status, code) = said.split_once(' ').unwrap_or((said, ""));
                answers.insert(format!("{what}: {status} `{code}`"));
            }
            (Some(Act::Swap { .. }), Ending::Ok, _) => {
                answers.insert(String::from("a put on a condition: done"));
            }
            (Some(act), Ending::Failed, _) => {
                let mut words = detail.split([' ', ':']);
                let (status, code) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
                // Whether somebody else was faster is chance.
                if status != "412" {
                    let act = if act.name() == "swap" { "a put on a condition" } else { act.name() };
                    answers.insert(format!("{act}: {status} `{code}`"));
                }
            }
            _ => {}
        }
    }
    std::iter::once(String::from("passes")).chain(answers).collect::<Vec<_>>().join("; ")
}

#[test]
fn a_refusal_is_its_status_and_code_wherever_it_stands() {
    let codes = |evidence| refusals(evidence).iter().map(Refusal::code).collect::<Vec<_>>();
    assert_eq!(codes("GET `/b/k` as `key`: 403 AccessDenied: not entitled"), ["403 `AccessDenied`"]);
    assert_eq!(codes("HEAD `/b` as `key`: 403 : no message"), ["403 without a body"]);
    let links = "GET `b/k` by link as `key`: signed for it: 403 AccessDenied: no; signed for its own: \
                 403 SignatureDoesNotMatch: The signature does not match.";
    assert_eq!(codes(links), ["403 `AccessDenied`", "403 `SignatureDoesNotMatch`"]);
    assert_eq!(refusals(links)[0].words, "no");
    let late = "POST `/b?delete=` as `key`: 200 AccessDenied: not entitled; plane sees no change";
    assert_eq!(codes(late), ["200 `AccessDenied`"]);
    let none: [&str; 0] = [];
    assert_eq!(codes("GET `/b/k` as `key`: 200 403 etag=1: 2"), none);
}
