//! What `bulkhead doctor` found, for people and for programs, and the table of everything that it knows.
//!
//! Everything that a server said goes through [`redact`] first.

use std::io::{self, Write};

use bulkhead_model::doctor::{DoctorReport, Finding, Looked, Provider, Weight};

use crate::{redact, text};

/// Columns before what a labelled line says.
const INDENT: usize = 6;

/// Columns of a label.
const HEAD: usize = 9;

/// Writes a block for each finding, then what was looked at, then the count.
///
/// # Errors
/// When the sink refuses.
pub fn write(report: &DoctorReport, width: usize, sink: &mut dyn Write) -> io::Result<()> {
    for one in &report.findings {
        finding(one, width, sink)?;
    }
    for (index, one) in report.looked.iter().enumerate() {
        looked(if index == 0 { "looked at" } else { "" }, one, width, sink)?;
    }
    let count = |weight| report.findings.iter().filter(|finding| finding.weight == weight).count();
    let healthy = report.looked.iter().filter(|looked| looked.healthy).count();
    writeln!(
        sink,
        "\n{} wrong · {} to beware of · {healthy} of {} healthy",
        count(Weight::Wrong),
        count(Weight::Beware),
        text::count(report.looked.len(), "service")
    )
}

/// Writes the document.
///
/// # Errors
/// When the sink refuses.
pub fn json(report: &DoctorReport, sink: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *sink, &masked(report))?;
    sink.write_all(b"\n")
}

fn masked(report: &DoctorReport) -> DoctorReport {
    let mut report = report.clone();
    for finding in &mut report.findings {
        finding.what = redact::text(&finding.what);
        finding.place = redact::text(&finding.place);
        finding.hint = finding.hint.as_deref().map(redact::text);
    }
    for looked in &mut report.looked {
        looked.seen = redact::text(&looked.seen);
        looked.place = redact::text(&looked.place);
    }
    report
}

fn finding(finding: &Finding, width: usize, sink: &mut dyn Write) -> io::Result<()> {
    let word = match finding.weight {
        Weight::Wrong => "WRONG",
        Weight::Beware => "BEWARE",
    };
    let Finding { tenant, service, place, .. } = finding;
    writeln!(sink, "{word}  {tenant} · {service} · {}", text::one_line(&redact::text(place)))?;
    part("what", &finding.what, width, sink)?;
    if let Some(known) = &finding.diagnosis {
        part("why", &known.cause, width, sink)?;
        part("fix", &known.fix, width, sink)?;
    }
    if let Some(hint) = &finding.hint {
        part(if finding.diagnosis.is_some() { "here" } else { "fix" }, hint, width, sink)?;
    }
    if let Some(known) = &finding.diagnosis {
        part(
            "known",
            &format!("{} ({}, seen in: {})", known.id, known.provider, known.seen.name()),
            width,
            sink,
        )?;
        part("source", &known.source, width, sink)?;
    }
    writeln!(sink)
}

fn part(label: &str, words: &str, width: usize, sink: &mut dyn Write) -> io::Result<()> {
    let lines = text::wrap(&redact::text(words), width.saturating_sub(INDENT + HEAD));
    for (index, line) in lines.iter().enumerate() {
        let label = if index == 0 { label } else { "" };
        writeln!(sink, "{}{}{line}", " ".repeat(INDENT), text::pad(label, HEAD))?;
    }
    Ok(())
}

fn looked(label: &str, looked: &Looked, width: usize, sink: &mut dyn Write) -> io::Result<()> {
    let Looked { tenant, service, place, healthy, seen } = looked;
    let word = if *healthy { "healthy" } else { "not healthy" };
    let at = if place.is_empty() { String::new() } else { format!(" at {}", redact::text(place)) };
    let words = format!("{tenant} · {service} · {word}{at}: {}", redact::text(seen));
    let column = INDENT + HEAD;
    for (index, line) in text::wrap(&words, width.saturating_sub(column)).iter().enumerate() {
        let label = if index == 0 { label } else { "" };
        writeln!(sink, "{}{line}", text::pad(label, column))?;
    }
    Ok(())
}

/// The page about everything that is known, as Markdown.
pub fn page(providers: &[Provider]) -> String {
    let mut page = String::from(PAGE);
    for provider in providers {
        let title = match provider.service {
            Some(service) => format!("{} ({service})", provider.name),
            None => String::from("All four services"),
        };
        page.push_str(&format!("\n## {title}\n\n| name | seen in | symptom | why | fix | source |\n"));
        page.push_str("| --- | --- | --- | --- | --- | --- |\n");
        for row in &provider.signatures {
            let known = &row.diagnosis;
            let beware = if known.weight == Weight::Beware { " (beware)" } else { "" };
            let cells = [&known.symptom, &known.cause, &known.fix, &known.source]
                .map(|cell| cell.replace('|', "\\|"));
            let name = format!("`{}`{beware}", known.id);
            page.push_str(&format!("| {name} | {} | {} |\n", known.seen.name(), cells.join(" | ")));
        }
        if !provider.untold.is_empty() {
            page.push_str("\nNot told, since nothing that can be seen from here shows it:\n\n");
        }
        for untold in &provider.untold {
            page.push_str(&format!("- {}: {}\n", untold.symptom, untold.why));
        }
    }
    page
}

const PAGE: &str = "\
# What `bulkhead doctor` knows

Generated by `bulkhead doctor --known` from the data in `harness/model/src/doctor`, a file a provider; a test compares.

Seen in: `url`, an environment variable before anything is contacted; `handshake`, while a connection is made; `error`,
the text of an error whenever it comes; `read`, what a harmless read returns. `verify` adds what it knows to any case
that did not pass.
";

#[cfg(test)]
mod tests {
    use bulkhead_model::{
        Service,
        doctor::{Seen, diagnose, providers},
    };

    use super::*;
    use crate::samples::{CANARY, tenant};

    fn report() -> DoctorReport {
        let known = diagnose(Some(Service::Redis), "WRONGPASS", None).unwrap();
        let quoted = format!("redis: could not connect to rediss://default:{CANARY}@h:6379: WRONGPASS");
        let finding = Finding {
            tenant: tenant("engine"),
            service: Service::Redis,
            place: String::from("h:6379"),
            seen: Seen::Error,
            weight: Weight::Wrong,
            what: quoted.clone(),
            hint: None,
            diagnosis: Some(known.clone()),
        };
        let unknown = Finding { diagnosis: None, hint: Some(String::from("read it")), ..finding.clone() };
        let looked = |service, healthy| Looked {
            tenant: tenant("engine"),
            service,
            place: format!("rediss://default:{CANARY}@h:6379"),
            healthy,
            seen: quoted.clone(),
        };
        let looked = vec![looked(Service::Postgres, true), looked(Service::Redis, false)];
        DoctorReport::new(looked, vec![finding, unknown])
    }

    #[test]
    fn a_finding_has_what_why_fix_and_source() {
        let mut text = Vec::new();
        write(&report(), 80, &mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        assert!(
            text.starts_with("WRONG  engine · redis · h:6379\n      what     redis: could not"),
            "{text}"
        );
        for label in ["      why ", "      fix ", "      known    upstash.password", "      source "] {
            assert!(text.contains(label), "{label} is missing:\n{text}");
        }
        assert!(text.contains("fix      read it"), "an unknown text says what to do:\n{text}");
        assert!(text.ends_with("2 wrong · 0 to beware of · 1 of 2 services healthy\n"), "{text}");
        assert!(text.lines().all(|line| text::width(line) <= 80), "{text}");
    }

    #[test]
    fn no_password_survives() {
        let (mut shown, mut document) = (Vec::new(), Vec::new());
        write(&report(), 80, &mut shown).unwrap();
        json(&report(), &mut document).unwrap();
        for text in [shown, document].map(|bytes| String::from_utf8(bytes).unwrap()) {
            assert!(!text.replace(char::is_whitespace, "").contains(CANARY), "{text}");
        }
    }

    #[test]
    fn the_page_has_every_signature_and_every_mistake_that_is_not_told() {
        let page = page(providers());
        for provider in providers() {
            assert!(
                provider.signatures.iter().all(|row| page.contains(&format!("| `{}`", row.diagnosis.id)))
            );
            assert!(provider.untold.iter().all(|untold| page.contains(&untold.why)));
        }
    }
}
