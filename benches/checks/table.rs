//! Medians and the tables: measure, what was reached here and by the peer or with and without, their ratio, target.

use std::{fmt, time::Duration};

/// Rows in the order in which they were added, and remarks.
#[derive(Default)]
pub(crate) struct Table {
    rows: Vec<[String; 6]>,
    /// Rows of another kind, heads among them.
    more: Vec<[String; 5]>,
    notes: Vec<String>,
}

impl Table {
    /// A time beside the peer's, with the median ratio of the two and the worst one.
    pub(crate) fn beside(
        &mut self,
        measure: String,
        ours: Duration,
        theirs: Duration,
        ratio: f64,
        worst: f64,
    ) {
        let target = verdict(ratio <= 1.0, "≤ 1.00 ×");
        let ratios = [ratio, worst].map(|ratio| format!("{ratio:.2} ×"));
        let [ratio, worst] = ratios;
        self.rows.push([measure, shown(ours), shown(theirs), ratio, worst, target]);
    }

    /// A head over what follows below the first rows.
    pub(crate) fn head(&mut self, head: [&str; 5]) {
        self.more.push(head.map(String::from));
    }

    /// Operations a second, the same of processor time, and how many there should be.
    pub(crate) fn rate(&mut self, measure: String, reached: f64, processor: f64, target: f64) {
        let [reached_shown, processor] = [reached, processor].map(|rate| format!("{:.2} M/s", rate / 1e6));
        let target = verdict(reached >= target, &format!("≥ {:.2} M/s", target / 1e6));
        self.more.push([measure, reached_shown, processor, String::new(), target]);
    }

    /// A short history's time and that of one ten times as long, and by how much that grew.
    pub(crate) fn growth(&mut self, measure: String, times: [Duration; 2], growth: f64, most: f64) {
        let [fewer, all] = times.map(shown);
        let target = verdict(growth <= most, &format!("≤ {most:.0} ×"));
        self.more.push([measure, fewer, all, format!("{growth:.1} ×"), target]);
    }

    /// Something with and without something else, and what that may cost.
    pub(crate) fn cost(&mut self, measure: String, [with, without]: [String; 2], cost: f64, most: f64) {
        let target = verdict(cost <= most, &format!("≤ {:.0} %", most * 100.0));
        self.more.push([measure, with, without, format!("{:.1} %", cost * 100.0), target]);
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
        let head = ["measure", "here", "Porcupine", "ratio", "worst", "target"].map(String::from);
        for [measure, ours, theirs, ratio, worst, target] in std::iter::once(&head).chain(&self.rows) {
            let line = format!("{measure:<44} {ours:>10} {theirs:>10} {ratio:>8} {worst:>8}   {target}");
            writeln!(f, "{}", line.trim_end())?;
        }
        for [measure, first, second, third, target] in &self.more {
            let line = format!("{measure:<44} {first:>10} {second:>10} {third:>8} {:>8}   {target}", "");
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

/// The middle time; the lower of the two middle ones when their number is even. Zero for none.
pub(crate) fn median(times: &[Duration]) -> Duration {
    let mut times = times.to_vec();
    times.sort_unstable();
    times.get(times.len().saturating_sub(1) / 2).copied().unwrap_or_default()
}

/// The same of other figures.
pub(crate) fn middle(figures: &[f64]) -> f64 {
    let mut figures = figures.to_vec();
    figures.sort_unstable_by(f64::total_cmp);
    figures.get(figures.len().saturating_sub(1) / 2).copied().unwrap_or_default()
}

fn verdict(reached: bool, target: &str) -> String {
    format!("{target} {}", if reached { "reached" } else { "missed" })
}

fn shown(time: Duration) -> String {
    match time.as_secs_f64() {
        seconds if seconds < 1e-3 => format!("{:.1} µs", seconds * 1e6),
        seconds if seconds < 1.0 => format!("{:.2} ms", seconds * 1e3),
        seconds => format!("{seconds:.2} s"),
    }
}
