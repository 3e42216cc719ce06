//! What `bulkhead prove` found, for people and for programs.
//!
//! Everything that a server said goes through [`redact`] first.

use std::io::{self, Write};

use bulkhead_model::{
    Verdict,
    proof::{Miss, ProofReport, SabotageReport},
};

use crate::{redact, text};

/// Columns before what a miss says.
const INDENT: usize = 6;

/// The heads of the table.
const HEADS: [&str; 5] = ["sabotage", "invariant", "failed", "sound passed", "verdict"];

/// Writes every run that came out otherwise than it should, then a row for each sabotage, then the count and where the
/// document lies, where it was saved.
///
/// # Errors
/// When the sink refuses.
pub fn write(
    report: &ProofReport,
    saved: Option<&str>,
    width: usize,
    sink: &mut dyn Write,
) -> io::Result<()> {
    for sabotage in report.sabotages.iter().filter(|sabotage| !sabotage.misses.is_empty()) {
        misses(sabotage, width, sink)?;
    }
    table(&report.sabotages.iter().map(row).collect::<Vec<_>>(), HEADS, sink)?;
    let proven = report.sabotages.iter().filter(|sabotage| sabotage.verdict == Verdict::Pass).count();
    let seeds = text::count(usize::try_from(report.seeds).unwrap_or(usize::MAX), "seed");
    let total = text::count(report.sabotages.len(), "sabotage");
    let time = text::duration(report.duration_ms);
    write!(sink, "\n{proven} of {total} proven · {seeds} from {} on · {time}", report.first_seed)?;
    writeln!(sink, "{}", saved.map(|saved| format!(" · {saved}")).unwrap_or_default())
}

/// Writes the document.
///
/// # Errors
/// When the sink refuses.
pub fn json(report: &ProofReport, sink: &mut dyn Write) -> io::Result<()> {
    let mut report = report.clone();
    for miss in report.sabotages.iter_mut().flat_map(|sabotage| &mut sabotage.misses) {
        miss.evidence = redact::text(&miss.evidence);
    }
    serde_json::to_writer_pretty(&mut *sink, &report)?;
    sink.write_all(b"\n")
}

/// Writes rows below their heads, each column as wide as its widest cell.
///
/// # Errors
/// When the sink refuses.
pub fn table<const N: usize>(rows: &[[String; N]], heads: [&str; N], sink: &mut dyn Write) -> io::Result<()> {
    let heads = [heads.map(String::from)];
    let all = || heads.iter().chain(rows);
    let widths: Vec<_> =
        (0..N).map(|column| all().map(|row| text::width(&row[column])).max().unwrap_or(0)).collect();
    for row in all() {
        let cells = row.iter().zip(&widths).map(|(cell, width)| text::pad(cell, *width));
        writeln!(sink, "{}", cells.collect::<Vec<_>>().join("   ").trim_end())?;
    }
    Ok(())
}

fn row(sabotage: &SabotageReport) -> [String; 5] {
    let SabotageReport { name, invariant, sabotaged, sound, .. } = sabotage;
    let verdict = match sabotage.verdict {
        Verdict::Pass => "proven",
        Verdict::Fail | Verdict::Flaky => "NOT PROVEN",
        Verdict::Unknown => "cut off",
    };
    [
        name.clone(),
        invariant.clone(),
        format!("{}/{}", sabotaged.failed, sabotaged.of),
        format!("{}/{}", sound.passed, sound.of),
        verdict.to_owned(),
    ]
}

fn misses(sabotage: &SabotageReport, width: usize, sink: &mut dyn Write) -> io::Result<()> {
    let SabotageReport { name, breaks, invariant, .. } = sabotage;
    writeln!(sink, "MISSED  {name}: {breaks}")?;
    for Miss { seed, sabotaged, verdict, evidence, history } in &sabotage.misses {
        let (how, wanted) = if *sabotaged { ("sabotaged", "fail") } else { ("sound", "pass") };
        let told = format!("seed {seed}, {how}: {invariant} is `{verdict}` and not `{wanted}`: {evidence}");
        for line in text::wrap(&redact::text(&told), width.saturating_sub(INDENT)) {
            writeln!(sink, "{}{line}", " ".repeat(INDENT))?;
        }
        writeln!(sink, "{}history: {history}", " ".repeat(INDENT))?;
        writeln!(sink, "{}again: bulkhead prove {name} --seeds 1 --seed {seed}", " ".repeat(INDENT))?;
    }
    writeln!(sink)
}

#[cfg(test)]
mod tests {
    use bulkhead_model::proof::{Failed, Passed};

    use super::*;

    fn report() -> ProofReport {
        let sabotage = |name: &str, verdict| SabotageReport {
            name: name.to_owned(),
            breaks: String::from("It is broken."),
            invariant: String::from("nothing-lost"),
            sabotaged: Failed { failed: 2, of: 2 },
            sound: Passed { passed: 2, of: 2 },
            verdict,
            misses: Vec::new(),
        };
        let mut missed = sabotage("missed", Verdict::Fail);
        missed.sabotaged.failed = 1;
        missed.misses.push(Miss {
            seed: 8,
            sabotaged: true,
            verdict: Verdict::Pass,
            evidence: String::from("20 of 20 were read, amqps://engine:hunter2@host/x"),
            history: String::from("out/missed.jsonl"),
        });
        ProofReport {
            version: 1,
            run: String::from("run"),
            seeds: 2,
            first_seed: 7,
            verdict: Verdict::Fail,
            duration_ms: 1_560,
            servers: Vec::new(),
            sabotages: vec![sabotage("seen", Verdict::Pass), missed],
        }
    }

    #[test]
    fn every_sabotage_has_a_row_and_every_miss_its_seed_evidence_and_history() {
        let mut text = Vec::new();
        write(&report(), Some("out/proof.json"), 100, &mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        for part in [
            "MISSED  missed: It is broken.\n",
            "      seed 8, sabotaged: nothing-lost is `pass` and not `fail`: 20 of 20 were read,\n",
            "      history: out/missed.jsonl\n      again: bulkhead prove missed --seeds 1 --seed 8\n",
            "sabotage   invariant      failed   sound passed   verdict\n",
            "seen       nothing-lost   2/2      2/2            proven\n",
            "missed     nothing-lost   1/2      2/2            NOT PROVEN\n",
            "\n1 of 2 sabotages proven · 2 seeds from 7 on · 1.6 s · out/proof.json\n",
        ] {
            assert!(text.contains(part), "{part} is missing in:\n{text}");
        }
        assert!(!text.contains("hunter2"), "{text}");
    }

    #[test]
    fn the_document_reads_back_without_secrets() {
        let mut text = Vec::new();
        json(&report(), &mut text).unwrap();
        let read: ProofReport = serde_json::from_slice(&text).unwrap();
        assert_eq!(read.sabotages[0], report().sabotages[0]);
        assert!(!String::from_utf8(text).unwrap().contains("hunter2"));
    }
}
