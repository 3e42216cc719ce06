//! Medians and the table: measure, reached by processes and in containers, target.

use std::{fmt, time::Duration};

/// What processes of this machine reached, and containers where they were measured.
#[derive(Clone, Copy)]
pub(crate) struct Reached<T> {
    pub(crate) native: T,
    pub(crate) docker: Option<T>,
}

impl<T> From<T> for Reached<T> {
    fn from(native: T) -> Self {
        Self { native, docker: None }
    }
}

/// Rows in the order in which they were added, and remarks.
#[derive(Default)]
pub(crate) struct Table {
    rows: Vec<[String; 4]>,
    notes: Vec<String>,
}

impl Table {
    /// A time, with the most that processes should take where it has such a target of its own.
    pub(crate) fn time(
        &mut self,
        measure: impl Into<String>,
        reached: impl Into<Reached<Duration>>,
        target: Option<Duration>,
    ) {
        let Reached { native, docker } = reached.into();
        let target = target.map(|target| format!("≤ {} {}", shown(target), verdict(native <= target)));
        let docker = docker.map(shown).unwrap_or_default();
        self.rows.push([measure.into(), shown(native), docker, target.unwrap_or_default()]);
    }

    /// Multiples, and the most that each should be.
    pub(crate) fn ratio(
        &mut self,
        measure: impl Into<String>,
        reached: impl Into<Reached<f64>>,
        target: f64,
    ) {
        let Reached { native, docker } = reached.into();
        let mut told = format!("≤ {target:.2} × {}", verdict(native <= target));
        if let Some(ratio) = docker {
            told = format!("{told}, {} in containers", verdict(ratio <= target));
        }
        let times = |ratio| format!("{ratio:.2} ×");
        self.rows.push([measure.into(), times(native), docker.map(times).unwrap_or_default(), told]);
    }

    /// What containers take as a multiple of what processes take, and how far from one it should be at most.
    pub(crate) fn beside(&mut self, measure: impl Into<String>, ratio: f64, off: f64) {
        let told = format!("1 ± {off:.2} × {}", verdict((ratio - 1.0).abs() <= off));
        self.rows.push([measure.into(), String::new(), format!("{ratio:.2} ×"), told]);
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
        writeln!(f, "{:<42} {:>10} {:>10}   target", "measure", "native", "docker")?;
        for [measure, native, docker, target] in &self.rows {
            writeln!(f, "{}", format!("{measure:<42} {native:>10} {docker:>10}   {target}").trim_end())?;
        }
        Ok(())
    }
}

/// `part` as a multiple of `whole`.
pub(crate) fn ratio(part: Duration, whole: Duration) -> f64 {
    part.as_secs_f64() / whole.as_secs_f64()
}

/// The middle one; the lower of the two middle ones when their number is even. Zero for none.
pub(crate) fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times.get(times.len().saturating_sub(1) / 2).copied().unwrap_or_default()
}

fn verdict(reached: bool) -> &'static str {
    if reached { "reached" } else { "missed" }
}

fn shown(time: Duration) -> String {
    if time < Duration::from_secs(1) {
        format!("{:.1} ms", time.as_secs_f64() * 1000.0)
    } else {
        format!("{:.2} s", time.as_secs_f64())
    }
}
