//! Medians and the table: measure, reached, target.

use std::{fmt, time::Duration};

/// Rows in the order in which they were added, and remarks.
#[derive(Default)]
pub(crate) struct Table {
    rows: Vec<[String; 3]>,
    notes: Vec<String>,
}

impl Table {
    /// A time, with the most that it should be where it has such a target of its own.
    pub(crate) fn time(&mut self, measure: impl Into<String>, reached: Duration, target: Option<Duration>) {
        let target = target.map(|target| verdict(reached <= target, &format!("≤ {}", shown(target))));
        self.rows.push([measure.into(), shown(reached), target.unwrap_or_default()]);
    }

    /// `part` as a multiple of `whole`, and the most that it should be.
    pub(crate) fn ratio(&mut self, measure: impl Into<String>, part: Duration, whole: Duration, target: f64) {
        let ratio = part.as_secs_f64() / whole.as_secs_f64();
        let target = verdict(ratio <= target, &format!("≤ {target:.2} ×"));
        self.rows.push([measure.into(), format!("{ratio:.2} ×"), target]);
    }

    /// A remark above the table.
    pub(crate) fn note(&mut self, text: impl Into<String>) {
        self.notes.push(text.into());
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for note in &self.notes {
            writeln!(f, "note: {note}")?;
        }
        writeln!(f, "{:<42} {:>10}   target", "measure", "reached")?;
        for [measure, reached, target] in &self.rows {
            writeln!(f, "{}", format!("{measure:<42} {reached:>10}   {target}").trim_end())?;
        }
        Ok(())
    }
}

/// The middle one; the lower of the two middle ones when their number is even. Zero for none.
pub(crate) fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times.get(times.len().saturating_sub(1) / 2).copied().unwrap_or_default()
}

fn verdict(reached: bool, target: &str) -> String {
    format!("{target} {}", if reached { "reached" } else { "missed" })
}

fn shown(time: Duration) -> String {
    if time < Duration::from_secs(1) {
        format!("{:.1} ms", time.as_secs_f64() * 1000.0)
    } else {
        format!("{:.2} s", time.as_secs_f64())
    }
}
