//! A summary in Markdown for a CI step: the verdict, the isolation matrix, each failure with its details, the
//! checklist.

use std::io::{self, Write};

use bulkhead_model::{Class, RunReport, report::CaseReport};

use crate::{
    checklist,
    counts::{Counts, skip_reasons},
    explain,
    matrix::{Found, Matrix},
    redact, text,
};

/// Writes the summary.
///
/// # Errors
/// When the sink refuses.
pub fn write(report: &RunReport, sink: &mut dyn Write) -> io::Result<()> {
    let report = redact::report(report);
    let counts = Counts::of(&report.cases);
    writeln!(sink, "# Bulkhead: {}\n", explain::word(report.verdict).to_lowercase())?;
    writeln!(
        sink,
        "{} in {}; seed {}, target {}{}.",
        counts.line(),
        text::duration(report.duration_ms),
        report.seed,
        report.target,
        report.target_reason.as_ref().map_or_else(String::new, |reason| format!(" ({reason})"))
    )?;
    if counts.skipped > 0 {
        writeln!(sink, "\nSkipped: {}.", skip_reasons(&report.cases))?;
    }
    if let Some(links) = &report.links {
        writeln!(sink, "\nLinks broken by {links}.")?;
    }
    if !report.servers.is_empty() {
        let servers: Vec<_> =
            report.servers.iter().map(|s| format!("{}: {} {}", s.service, s.product, s.version)).collect();
        writeln!(sink, "\nServers: {}.", servers.join(", "))?;
    }
    isolation(&Matrix::of(&report), sink)?;
    let due: Vec<_> = report.cases.iter().filter(|case| explain::is_due(case)).collect();
    if !due.is_empty() {
        writeln!(sink, "\n## Not passed")?;
    }
    due.into_iter().try_for_each(|case| failure(case, sink))?;
    if !report.checklist.is_empty() {
        writeln!(sink, "\n## Checklist")?;
        checklist::sections(&report, "###", sink)?;
    }
    Ok(())
}

fn isolation(matrix: &Matrix, sink: &mut dyn Write) -> io::Result<()> {
    if matrix.rows.is_empty() {
        return Ok(());
    }
    writeln!(sink, "\n## Isolation\n")?;
    let classes = Class::ALL.map(Class::name).join(" | ");
    writeln!(sink, "| from → on | service | {classes} |")?;
    writeln!(sink, "| --- | --- |{}", " --- |".repeat(Class::ALL.len()))?;
    let mut sentences = Vec::new();
    for row in &matrix.rows {
        let pair = format!("{} → {}", row.from, row.to);
        match &row.found {
            Found::Cells(cells) => {
                let words =
                    cells.map(|cell| cell.map_or_else(|| String::from("not probed"), |cell| cell.words()));
                writeln!(sink, "| {pair} | {} | {} |", row.service, words.join(" | "))?;
            }
            Found::Convention(sentence) => sentences.push(format!("{pair}, {}: {sentence}", row.service)),
        }
    }
    if !sentences.is_empty() {
        writeln!(sink)?;
    }
    for sentence in sentences {
        writeln!(sink, "- {}", inline(&sentence))?;
    }
    if !matrix.notes.is_empty() {
        writeln!(sink)?;
    }
    for (index, note) in matrix.notes.iter().enumerate() {
        writeln!(sink, "- ▲{} {}", index + 1, inline(&note.words()))?;
    }
    Ok(())
}

fn failure(case: &CaseReport, sink: &mut dyn Write) -> io::Result<()> {
    writeln!(
        sink,
        "\n<details open><summary>{}: {}</summary>\n",
        explain::word(case.verdict),
        inline(&case.id)
    )?;
    for part in explain::parts(case) {
        if part.label == "again" {
            writeln!(sink, "- again: {}", code(&part.text))?;
        } else {
            writeln!(sink, "- {}: {}", part.label, inline(&part.text))?;
        }
    }
    for log in &case.logs {
        writeln!(sink, "\nLog of {}, last {} lines:\n", log.service, log.lines.len())?;
        // Indented rather than fenced: a line of the log cannot close the block.
        for line in &log.lines {
            writeln!(sink, "    {}", text::plain(line))?;
        }
    }
    writeln!(sink, "\n</details>")
}

/// Free text that cannot start HTML or end a table cell.
fn inline(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('|', "\\|")
}

/// A code span whose fence is longer than any run of backticks inside.
fn code(text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    if longest == 0 { format!("{fence}{text}{fence}") } else { format!("{fence} {text} {fence}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;

    fn markdown(report: &RunReport) -> String {
        let mut text = Vec::new();
        write(report, &mut text).unwrap();
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn a_good_run_shows_verdict_matrix_and_checklist_and_no_failures() {
        let text = markdown(&samples::good());
        assert!(text.starts_with("# Bulkhead: pass\n"), "{text}");
        assert!(text.contains("3 pass · 0 fail · 0 unknown · 0 skipped in 9.3 s; seed 7"), "{text}");
        assert!(text.contains(
            "| engine → plane | postgres | denied | denied | denied | not probed | invisible | not probed |"
        ));
        assert!(text.contains("target native (its servers are on this machine)."), "{text}");
        assert!(text.contains("- engine → plane, redis: convention: "), "{text}");
        assert!(!text.contains("## Not passed") && !text.contains("<details"), "{text}");
        assert_eq!(text.matches("- [x]").count(), 12);
        let versions = "\nServers: postgres: postgres 15.18, redis: redis 7.0.15, rabbitmq: rabbitmq 3.10.8, \
                        s3: embedded 0.1.0.\n";
        assert!(text.contains(versions), "{text}");
    }

    #[test]
    fn a_bad_run_explains_each_failure_with_its_repro_and_log() {
        let text = markdown(&samples::bad());
        assert!(text.starts_with("# Bulkhead: fail\n"), "{text}");
        assert!(text.contains("Skipped: docker only."), "{text}");
        assert!(
            text.contains("<summary>FAIL: isolation/postgres/write (engine → plane)</summary>"),
            "{text}"
        );
        assert!(text.contains(
            "- again: `bulkhead verify scenarios/isolation/postgres/write.yaml --seed 7 --case engine`"
        ));
        assert!(text.contains("Log of postgres, last 2 lines:"), "{text}");
        assert!(text.contains("1 &gt; 0 probes"), "free text is escaped: {text}");
        assert!(text.contains("allowed ▲1") && text.contains("- ▲1 postgres.write-foreign"), "{text}");
        assert!(!text.contains(samples::CANARY) && !text.contains('\x1b'), "{text}");
    }

    #[test]
    fn a_code_span_outlasts_the_backticks_in_it() {
        assert_eq!(code("a `b` c"), "`` a `b` c ``");
    }
}
