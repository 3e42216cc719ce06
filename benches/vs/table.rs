//! Medians and the table: measure, what either side reached, their ratio, its spread, processor time an operation, target.

use std::fmt;

use crate::compare::{Measure, Turn};

/// Rows in the order in which they were added, and remarks.
#[derive(Default)]
pub(crate) struct Table {
    rows: Vec<[String; 7]>,
    /// What takes the place of rows.
    missing: Vec<String>,
    notes: Vec<String>,
}

/// What all turns of one side came to.
#[derive(Default)]
pub(crate) struct Side {
    rates: Vec<f64>,
    operations: f64,
    processor: f64,
}

impl Side {
    pub(crate) fn add(&mut self, turn: Turn) {
        self.rates.push(turn.rate);
        self.operations += turn.operations;
        self.processor += turn.processor;
    }

    /// The ratios to the other side, round by round, and how they are shown.
    fn to(&self, other: &Self) -> (String, Vec<f64>) {
        let ratios: Vec<_> =
            self.rates.iter().zip(&other.rates).map(|(ours, theirs)| ours / theirs).collect();
        let lowest = ratios.iter().copied().fold(f64::INFINITY, f64::min);
        let highest = ratios.iter().copied().fold(0.0, f64::max);
        (format!("{:.2} × ({lowest:.2}–{highest:.2})", median(&ratios)), ratios)
    }

    fn rate(&self) -> String {
        format!("{:.0}/s", median(&self.rates))
    }

    fn each(&self) -> String {
        format!("{:.1} µs", self.processor / self.operations * 1e6)
    }
}

impl Table {
    /// What both sides reached, and the ratios of the rounds.
    pub(crate) fn row(&mut self, measure: &Measure, here: &Side, there: &Side) {
        let (shown, ratios) = here.to(there);
        let highest = ratios.iter().copied().fold(0.0, f64::max);
        let reached = match median(&ratios) {
            middle if middle >= measure.target => "reached",
            _ if highest >= measure.target => "missed, not in every round",
            _ => "missed",
        };
        let target = format!("≥ {:.1} × {reached}", measure.target);
        let name = measure.name.clone();
        self.rows.push([name, here.rate(), there.rate(), shown, here.each(), there.each(), target]);
    }

    /// The same of ours done otherwise.
    pub(crate) fn beneath(&mut self, name: &str, here: &Side, there: &Side) {
        let (ratios, _) = here.to(there);
        let [nothing, none, target] = [const { String::new() }; 3];
        self.rows.push([name.to_owned(), here.rate(), nothing, ratios, here.each(), none, target]);
    }

    /// A service whose tool is not there.
    pub(crate) fn missing(&mut self, service: &str, why: &str) {
        self.missing.push(format!("{service:<44} not compared: {why}"));
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
        let head = ["measure", "here", "its own", "ratio (range)", "CPU here", "its own", "target"];
        for [measure, here, there, ratio, cost, peer, target] in
            std::iter::once(&head.map(String::from)).chain(&self.rows)
        {
            let line =
                format!("{measure:<44} {here:>10} {there:>10} {ratio:>20} {cost:>9} {peer:>9}   {target}");
            writeln!(f, "{}", line.trim_end())?;
        }
        for line in &self.missing {
            writeln!(f, "{line}")?;
        }
        Ok(())
    }
}

/// The middle one; the lower of the two middle ones when their number is even. Zero for none.
pub(crate) fn median(figures: &[f64]) -> f64 {
    let mut figures = figures.to_vec();
    figures.sort_unstable_by(f64::total_cmp);
    figures.get(figures.len().saturating_sub(1) / 2).copied().unwrap_or_default()
}
