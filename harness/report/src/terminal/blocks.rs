//! The pieces of the terminal report as lines of text: header, labelled lines, a case, an explanation.

use bulkhead_model::{
    Verdict,
    report::{CaseReport, LogTail, ServerReport},
};

use super::{Look, Verbosity, style::Style};
use crate::{explain, text};

/// Columns before what a labelled line says.
pub(super) const LABEL: usize = 12;

/// What an explanation's parts are set off by.
const INDENT: &str = "      ";

/// Columns of a part's label.
const HEAD: usize = 11;

/// Lines of a log that an explanation shows; the report's file holds more.
const LOG_LINES: usize = 12;

/// `bulkhead 0.1.0 · target native · seed 7429301 · 2 tenants: engine, plane`, why that target, and where the topology comes
/// from.
pub(super) fn header(
    (target, reason): (&str, Option<&str>),
    topology: &str,
    seed: u64,
    tenants: &[String],
    width: usize,
    style: Style,
) -> Vec<String> {
    let head = format!("bulkhead {}", env!("CARGO_PKG_VERSION"));
    let rest = format!(
        "· target {target} · seed {seed} · {}: {}",
        text::count(tenants.len(), "tenant"),
        tenants.join(", ")
    );
    let mut lines = text::wrap(&format!("{head} {rest}"), width);
    if let Some(first) = lines.first_mut() {
        *first = first.replacen(&head, &style.bold(&head), 1);
    }
    if let Some(reason) = reason {
        lines.extend(labelled("target", &format!("{target}: {}", text::one_line(reason)), width));
    }
    lines.extend(labelled("topology", &text::one_line(topology), width));
    lines.push(String::new());
    lines
}

/// `postgres 15.18 ✓ ready 0.2 s`; one that was running already is `joined`.
pub(super) fn stand_in(server: &ServerReport, style: Style) -> String {
    let service = server.service.name();
    let product = if server.product == service { String::new() } else { format!(" {}", server.product) };
    let how = match server.startup_ms {
        0 => String::from("✓ joined"),
        time => format!("✓ ready {}", text::duration(time)),
    };
    format!("{service}{product} {} {}", text::one_line(&server.version), style.green(&how))
}

/// A label in its column.
pub(super) fn label(label: &str) -> String {
    text::pad(label, LABEL)
}

/// Wrapped text beside a label.
pub(super) fn labelled(name: &str, words: &str, width: usize) -> Vec<String> {
    beside(name, text::wrap(words, width - LABEL))
}

/// A note. Its first line is wrapped; what follows is a text to be read or copied as it is, such as a script.
pub(super) fn note(words: &str, width: usize) -> Vec<String> {
    let (first, rest) = words.split_once('\n').unwrap_or((words, ""));
    let mut lines = labelled("note", first, width);
    lines.extend(rest.lines().map(|line| format!("{}{}", " ".repeat(LABEL), text::plain(line))));
    lines
}

/// Items beside a label, broken between items only. They may hold colour: measured without it.
pub(super) fn items(name: &str, items: &[String], width: usize) -> Vec<String> {
    let mut lines: Vec<Vec<&String>> = vec![Vec::new()];
    let mut used = 0;
    for item in items {
        let columns = text::width(&uncoloured(item));
        if used > 0 && used + 3 + columns > width - LABEL {
            lines.push(Vec::new());
            used = 0;
        }
        used += columns + if used > 0 { 3 } else { 0 };
        if let Some(line) = lines.last_mut() {
            line.push(item);
        }
    }
    let joined = lines.iter().map(|line| line.iter().map(|s| s.as_str()).collect::<Vec<_>>().join("   "));
    beside(name, joined.collect())
}

/// A label before the first line, blanks before the others.
pub(super) fn beside(name: &str, lines: Vec<String>) -> Vec<String> {
    let heads = std::iter::once(name).chain(std::iter::repeat(""));
    heads.zip(lines).map(|(head, line)| format!("{}{line}", label(head))).collect()
}

/// `pass  isolation/s3/read (plane → engine)  0.4 s`
pub(super) fn case_line(case: &CaseReport, style: Style) -> String {
    let word = if case.skipped.is_some() { "skipped" } else { case.verdict.name() };
    let verdict = if case.skipped.is_some() { Verdict::Unknown } else { case.verdict };
    let mut line = format!("{} {}", style.verdict(verdict, &text::pad(word, 8)), text::one_line(&case.id));
    match &case.skipped {
        Some(reason) => line.push_str(&format!("  {}", text::one_line(reason))),
        None => line.push_str(&format!("  {}", text::duration(case.duration_ms))),
    }
    line
}

/// `FAIL  <case>` and below it why, invariant, fault, likely, again and the end of the logs.
pub(super) fn explanation(case: &CaseReport, look: Look, style: Style) -> Vec<String> {
    let word = explain::word(case.verdict);
    let title = format!("{}  {}", style.verdict(case.verdict, word), text::one_line(&case.id));
    let mut lines = vec![String::new(), title];
    for part in explain::parts(case) {
        let head = text::pad(part.label, HEAD);
        if part.label == "again" {
            // Never wrapped: it is there to be copied.
            lines.push(format!("{INDENT}{head}{}", style.bold(&part.text)));
            continue;
        }
        for (index, line) in text::wrap(&part.text, look.width - INDENT.len() - HEAD).into_iter().enumerate()
        {
            let head = if index == 0 { head.clone() } else { " ".repeat(HEAD) };
            lines.push(format!("{INDENT}{head}{line}"));
        }
    }
    case.logs.iter().for_each(|log| lines.extend(tail(log, look, style)));
    lines
}

/// The end of a log; the whole of what the report holds for those who ask for more.
fn tail(log: &LogTail, look: Look, style: Style) -> Vec<String> {
    let shown = if look.verbosity < Verbosity::Verbose { LOG_LINES } else { usize::MAX };
    let skipped = log.lines.len().saturating_sub(shown);
    let title = match log.lines.len() - skipped {
        0 => format!("{}: empty", log.service),
        shown => format!("{}, last {}", log.service, text::count(shown, "line")),
    };
    let mut lines = vec![format!("{INDENT}{}{title}", text::pad("log", HEAD))];
    for line in log.lines.iter().skip(skipped) {
        for (index, line) in text::wrap(line, look.width - INDENT.len() - 2).into_iter().enumerate() {
            let mark = if index == 0 { "|" } else { " " };
            lines.push(format!("{INDENT}{}", style.dim(&format!("{mark} {line}"))));
        }
    }
    lines
}

/// The text without the colours that [`Style`] put there.
pub(super) fn uncoloured(text: &str) -> String {
    let mut bare = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, code)) = rest.split_once("\x1b[") {
        bare.push_str(before);
        rest = code.split_once('m').map_or("", |(_, after)| after);
    }
    bare.push_str(rest);
    bare
}
