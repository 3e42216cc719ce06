//! What the process that plays a case and the servers used meanwhile.

use std::io::{self, Write};

use bulkhead_model::bench::{BenchCase, Figures, Part, Usage};

use super::span;
use crate::{proof::table, redact};

/// The heads of the table of processes.
pub(crate) const HEADS: [&str; 6] =
    ["process", "processor", "of one core", "per ok operation", "memory", "at most"];

/// Writes a row for each part that could be read, and why the others could not.
///
/// # Errors
/// When the sink refuses.
pub(super) fn write(case: &BenchCase, sink: &mut dyn Write) -> io::Result<()> {
    let rows = rows(&case.usage);
    if !rows.is_empty() {
        table(&rows, HEADS, sink)?;
    }
    missing(&case.usage).iter().try_for_each(|line| writeln!(sink, "{line}"))
}

/// A row for each part that could be read.
pub(crate) fn rows(usage: &[Usage]) -> Vec<[String; 6]> {
    usage.iter().filter_map(|usage| Some(row(usage.part, usage.figures?))).collect()
}

fn row(part: Part, figures: Figures) -> [String; 6] {
    let Figures { cpu_ns, cores, per_ok_ns, memory_mean, memory_peak, counted } = figures;
    [
        part.to_string(),
        // The system counts in hundredths of a second.
        format!("{}.{:02} s", cpu_ns / 1_000_000_000, cpu_ns / 10_000_000 % 100),
        format!("{:.1} %", cores * 100.0),
        per_ok_ns.map_or_else(|| String::from("-"), span),
        format!("{} {}", size(memory_mean), counted.name()),
        size(memory_peak),
    ]
}

/// `redis, s3: not measured: …`, for each reason.
pub(crate) fn missing(usage: &[Usage]) -> Vec<String> {
    let mut reasons: Vec<(&str, Vec<&str>)> = Vec::new();
    for Usage { part, not_measured, .. } in usage.iter().filter(|usage| usage.figures.is_none()) {
        match reasons.iter_mut().find(|(why, _)| why == not_measured) {
            Some((_, parts)) => parts.push(part.name()),
            None => reasons.push((not_measured, vec![part.name()])),
        }
    }
    let lines = reasons.into_iter().map(|(why, parts)| {
        format!("{}: processor time and memory not measured: {}", parts.join(", "), redact::text(why))
    });
    lines.collect()
}

/// `512 KiB`, `48.3 MiB`.
fn size(bytes: u64) -> String {
    let tenths = |unit: u64| bytes.saturating_mul(10) / unit;
    match bytes {
        0..0x10_0000 => format!("{} KiB", bytes / 1024),
        _ => format!("{}.{} MiB", tenths(0x10_0000) / 10, tenths(0x10_0000) % 10),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_told_to_a_tenth_of_a_mebibyte() {
        assert_eq!([0, 524_288, 50_700_000].map(size), ["0 KiB", "512 KiB", "48.3 MiB"]);
    }

    #[test]
    fn what_was_not_measured_is_said_once_for_each_reason() {
        let not = |part, why: &str| Usage { part, figures: None, not_measured: why.to_owned() };
        let usage = [not(Part::Redis, "a"), not(Part::Postgres, "b"), not(Part::S3, "a")];
        let told = "redis, s3: processor time and memory not measured: a";
        assert_eq!(missing(&usage), [told, "postgres: processor time and memory not measured: b"]);
        assert!(rows(&usage).is_empty());
    }
}
