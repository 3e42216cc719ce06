//! Medians and the tables: measure, what was reached here and by the peer or with and without, their ratio, target.

use std::{fmt, time::Duration};

/// Rows in the order in which they were added, and remarks.
#[derive(Default)]
pub(crate) struct Table {
    rows: Vec<[String; 6]>,
    costs: Vec<[String; 5]>,
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

    /// Operations a second, and how many there should be.
    pub(crate) fn rate(&mut self, measure: String, operations: u64, time: Duration, target: f64) {
        #[expect(clippy::cast_precision_loss, reason = "a figure for readers")]
        let rate = operations as f64 / time.as_secs_f64();
        let target = verdict(rate >= target, &format!("≥ {:.2} M/s", target / 1e6));
        let empty = String::new;
        self.rows.push([measure, format!("{:.2} M/s", rate / 1e6), empty(), empty(), empty(), target]);
    }

    /// Operations a second with and without something, and what that may cost.
    pub(crate) fn cost(&mut self, measure: String, with: f64, without: f64, cost: f64, most: f64) {
        self.costs.push([
            measure,
            format!("{with:.0}/s"),
            format!("{without:.0}/s"),
            format!("{:.1} %", cost * 100.0),
            verdict(cost <= most, &format!("≤ {:.0} %", most * 100.0)),
        ]);
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
        if self.costs.is_empty() {
            return Ok(());
        }
        let head = ["the journal's cost", "with", "without", "cost", "target"].map(String::from);
        for [measure, with, without, cost, target] in std::iter::once(&head).chain(&self.costs) {
            let line = format!("{measure:<44} {with:>10} {without:>10} {cost:>8} {:>8}   {target}", "");
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
