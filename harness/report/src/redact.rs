//! The last fence before anything is shown: masks what looks like a secret in free text.
//!
//! Passwords live in [`bulkhead_model::Secret`] and never get this far by our own doing. Evidence and logs, however,
//! carry what servers and client libraries said, and those like to quote connection URLs.

use bulkhead_model::{
    RunReport, Secret,
    report::{CaseReport, LogTail},
};

/// Marks of a value that signs or authenticates; whatever follows up to a delimiter is masked.
const MARKS: [&str; 8] = [
    "x-amz-signature=",
    "x-amz-security-token=",
    "signature=",
    "password=",
    "passwd=",
    "pwd=",
    "aws_secret_access_key=",
    "secret_access_key=",
];

/// The whole report, masked.
pub fn report(report: &RunReport) -> RunReport {
    let mut report = report.clone();
    report.target_reason = report.target_reason.as_deref().map(text);
    report.links = report.links.as_deref().map(text);
    report.cases = report.cases.iter().map(case).collect();
    for row in &mut report.isolation {
        row.evidence = text(&row.evidence);
        row.fix = text(&row.fix);
    }
    for row in &mut report.checklist {
        row.evidence = text(&row.evidence);
        row.fix = text(&row.fix);
    }
    report
}

/// One case, masked.
pub fn case(case: &CaseReport) -> CaseReport {
    let mut case = case.clone();
    case.skipped = case.skipped.as_deref().map(text);
    case.likely = case.likely.as_deref().map(text);
    for invariant in &mut case.invariants {
        invariant.evidence = text(&invariant.evidence);
    }
    case.logs = case.logs.iter().map(log).collect();
    case
}

/// A log's end, masked.
pub fn log(log: &LogTail) -> LogTail {
    LogTail { service: log.service, lines: log.lines.iter().map(|line| text(line)).collect() }
}

/// Masks the password in every `scheme://user:password@`, and the value after every mark such as `password=`.
pub fn text(text: &str) -> String {
    values(&urls(text))
}

fn urls(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("://") {
        masked.push_str(before);
        masked.push_str("://");
        // Up to the first character that no authority contains. A password with a raw `@` in it is covered too: the
        // last `@` counts.
        let end = after.find(|c: char| c.is_whitespace() || "/?#\"'`<>|".contains(c)).unwrap_or(after.len());
        let (authority, tail) = after.split_at(end);
        match authority.rsplit_once('@') {
            Some((login, host)) => {
                let user = login.split_once(':').map_or(login, |(user, _)| user);
                masked.push_str(user);
                if login.len() > user.len() {
                    masked.push(':');
                    masked.push_str(Secret::MASK);
                }
                masked.push('@');
                masked.push_str(host);
            }
            None => masked.push_str(authority),
        }
        rest = tail;
    }
    masked.push_str(rest);
    masked
}

fn values(text: &str) -> String {
    // ASCII lower-casing keeps every byte's place, so offsets found in one text hold in the other.
    let lower = text.to_ascii_lowercase();
    let mut masked = String::with_capacity(text.len());
    let mut at = 0;
    while let Some((start, mark)) = MARKS
        .iter()
        .filter_map(|mark| lower.get(at..).and_then(|rest| rest.find(mark)).map(|found| (at + found, *mark)))
        .min_by_key(|(start, mark)| (*start, std::cmp::Reverse(mark.len())))
    {
        let value = start + mark.len();
        let tail = text.get(value..).unwrap_or_default();
        let quoted = tail.chars().next().filter(|c| "'\"".contains(*c));
        let length = match quoted {
            Some(quote) => {
                tail.get(1..).and_then(|inner| inner.find(quote)).map_or(tail.len(), |end| end + 2)
            }
            None => tail.find(|c: char| c.is_whitespace() || "&;,'\"`<>".contains(c)).unwrap_or(tail.len()),
        };
        masked.push_str(text.get(at..value).unwrap_or_default());
        if length > 0 {
            masked.push_str(Secret::MASK);
        }
        at = value + length;
    }
    masked.push_str(text.get(at..).unwrap_or_default());
    masked
}

#[cfg(test)]
mod tests {
    use std::io;

    use bulkhead_model::RunReport;
    use proptest::prelude::*;

    use super::text;
    use crate::{Look, Verbosity, checklist, json, junit, markdown, samples, terminal::tests::show};

    /// The report in every format.
    fn everywhere(report: &RunReport) -> [(&'static str, String); 5] {
        let written = |write: fn(&RunReport, &mut dyn io::Write) -> io::Result<()>| {
            let mut text = Vec::new();
            write(report, &mut text).unwrap();
            String::from_utf8(text).unwrap()
        };
        // So wide that no word is broken.
        let look = Look { live: false, colour: false, width: 10_000, verbosity: Verbosity::Verbose };
        [
            ("terminal", show(report, look)),
            ("json", written(json::write)),
            ("junit", written(junit::write)),
            ("markdown", written(markdown::write)),
            ("checklist", written(checklist::write)),
        ]
    }

    #[test]
    fn urls_keep_their_shape_and_lose_their_password() {
        assert_eq!(
            text("tried postgresql://engine:hunter2@127.0.0.1:5432/enginedb?sslmode=verify-full: refused"),
            "tried postgresql://engine:***@127.0.0.1:5432/enginedb?sslmode=verify-full: refused"
        );
        assert_eq!(text("rediss://:pw@h:1/0 amqps://u:p@ss@h/v"), "rediss://:***@h:1/0 amqps://u:***@h/v");
        assert_eq!(text("https://127.0.0.1:9000/b/k"), "https://127.0.0.1:9000/b/k");
    }

    #[test]
    fn values_after_a_mark_are_masked() {
        assert_eq!(text("GET /k?X-Amz-Signature=abc123&x=1"), "GET /k?X-Amz-Signature=***&x=1");
        assert_eq!(text("password='a b' host=x"), "password=*** host=x");
        assert_eq!(text("AWS_SECRET_ACCESS_KEY=zzz"), "AWS_SECRET_ACCESS_KEY=***");
    }

    #[test]
    fn ordinary_text_stays() {
        let line = "invariant: 118 > 100, window 3; see docs/faults.md#redis-kill (user@host)";
        assert_eq!(text(line), line);
    }

    proptest! {
        #[test]
        fn no_password_survives_in_a_url(password in "[A-Za-z0-9%._~!$&()*+,;=:-]{12,30}", before in "[^ ]{0,8}") {
            let shown = text(&format!("{before} amqps://engine:{password}@127.0.0.1:5671/engine end"));
            prop_assert!(!shown.contains(&password), "{shown}");
        }

        #[test]
        fn no_password_survives_in_a_report(password in "[A-Za-z0-9%._~!$()*+:-]{12,30}") {
            for (format, shown) in everywhere(&samples::bad_quoting(&password)) {
                prop_assert!(shown.contains("engine:***@127.0.0.1"), "{format} quotes nothing: {shown}");
                prop_assert!(!shown.contains(&password), "{format}: {shown}");
            }
        }

        #[test]
        fn any_text_is_taken(any in ".{0,200}") {
            let _ = text(&any);
        }
    }
}
