//! The table: a measure, what each peer reached, this proxy against the others, and the targets.

use std::fmt;

use crate::{load::quantile, peers::Peer};

/// What the turns of each peer came to, in the order of [`Peer::ALL`]; nothing for a peer that was not measured.
#[derive(Clone, Default)]
pub(crate) struct Samples([Vec<f64>; 4]);

impl Samples {
    /// One turn more.
    pub(crate) fn push(&mut self, peer: Peer, value: f64) {
        self.0[peer as usize].push(value);
    }

    /// The only turn of a peer that is measured by several clients at once: the greatest counts.
    pub(crate) fn worst(&mut self, peer: Peer, value: f64) {
        let greatest = self.median(peer).map_or(value, |before| before.max(value));
        self.0[peer as usize] = vec![greatest];
    }

    /// A peer that failed in one turn has no figure.
    pub(crate) fn forget(&mut self, peer: Peer) {
        self.0[peer as usize].clear();
    }

    /// The median of its turns.
    pub(crate) fn median(&self, peer: Peer) -> Option<f64> {
        median(self.0[peer as usize].clone())
    }

    /// This proxy as a multiple of another peer, turn by turn.
    fn ratio(&self, peer: Peer) -> Option<f64> {
        let pairs = self.0[Peer::Bulkhead as usize].iter().zip(&self.0[peer as usize]);
        median(pairs.map(|(ours, theirs)| ours / theirs).collect())
    }

    /// Each peer's turn and the same turn of `other` of the same peer.
    pub(crate) fn with(&self, other: &Self, join: impl Fn(f64, f64) -> f64) -> Self {
        let mut joined = Self::default();
        for peer in Peer::ALL {
            for (one, two) in self.0[peer as usize].iter().zip(&other.0[peer as usize]) {
                joined.push(peer, join(*one, *two));
            }
        }
        joined
    }

    /// What a peer adds to the direct connection's turn; a turn in which it added less than a microsecond counts as
    /// one.
    pub(crate) fn added(&self) -> Self {
        let mut added = Self::default();
        for peer in [Peer::Relay, Peer::Toxiproxy, Peer::Bulkhead] {
            for (through, direct) in self.0[peer as usize].iter().zip(&self.0[Peer::Direct as usize]) {
                added.push(peer, (through - direct).max(1e-6));
            }
        }
        added
    }
}

/// What a row should come to.
#[derive(Clone, Copy)]
pub(crate) enum Target {
    /// At least that multiple of that peer.
    AtLeast(f64, Peer),
    /// At most that multiple of that peer.
    AtMost(f64, Peer),
    /// At most that value.
    Below(f64),
    /// At least that value.
    Above(f64),
}

/// How a value is written.
#[derive(Clone, Copy)]
pub(crate) enum Unit {
    Micros,
    Millis,
    BytesPerSecond,
    PerSecond,
    Bytes,
    Percent,
    Times,
}

/// Rows in the order in which they were added, and remarks.
#[derive(Default)]
pub(crate) struct Table {
    rows: Vec<[String; 9]>,
    notes: Vec<String>,
}

impl Table {
    /// A row.
    pub(crate) fn row(&mut self, measure: &str, unit: Unit, samples: &Samples, targets: &[Target]) {
        let cell = |peer| samples.median(peer).map_or_else(|| "–".to_owned(), |value| shown(value, unit));
        let ratio = |peer| samples.ratio(peer).map_or_else(|| "–".to_owned(), times);
        let targets: Vec<_> = targets.iter().map(|target| verdict(*target, unit, samples)).collect();
        let [direct, relay, toxiproxy, ours] = Peer::ALL;
        self.rows.push([
            measure.to_owned(),
            cell(direct),
            cell(relay),
            cell(toxiproxy),
            cell(ours),
            ratio(direct),
            ratio(relay),
            ratio(toxiproxy),
            targets.join(", "),
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
        let [direct, relay, toxiproxy, ours] = Peer::ALL.map(Peer::name);
        let against = "bulkhead as a multiple of";
        writeln!(f, "{:<34} {:>47}   {against:^29}", "", "")?;
        line(f, &["measure", direct, relay, toxiproxy, ours, direct, "relay", toxiproxy, "target"])?;
        for row in &self.rows {
            line(f, &row.each_ref().map(String::as_str))?;
        }
        Ok(())
    }
}

fn line(f: &mut fmt::Formatter<'_>, cells: &[&str; 9]) -> fmt::Result {
    let [measure, a, b, c, d, x, y, z, target] = cells;
    let text = format!("{measure:<34} {a:>10} {b:>12} {c:>11} {d:>11}   {x:>9} {y:>9} {z:>9}   {target}");
    writeln!(f, "{}", text.trim_end())
}

fn verdict(target: Target, unit: Unit, samples: &Samples) -> String {
    let (reached, text) = match target {
        Target::AtLeast(bound, peer) => {
            (samples.ratio(peer).map(|ratio| ratio >= bound), format!("≥ {bound} × {}", peer.name()))
        }
        Target::AtMost(bound, peer) => {
            (samples.ratio(peer).map(|ratio| ratio <= bound), format!("≤ {bound} × {}", peer.name()))
        }
        Target::Below(bound) => {
            (samples.median(Peer::Bulkhead).map(|value| value <= bound), format!("≤ {}", shown(bound, unit)))
        }
        Target::Above(bound) => {
            (samples.median(Peer::Bulkhead).map(|value| value >= bound), format!("≥ {}", shown(bound, unit)))
        }
    };
    let word = reached.map_or("not measured", |reached| if reached { "reached" } else { "missed" });
    format!("{text} {word}")
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    (!values.is_empty()).then(|| quantile(&mut values, 0.5))
}

fn shown(value: f64, unit: Unit) -> String {
    match unit {
        Unit::Micros => format!("{:.1} µs", value * 1e6),
        Unit::Millis => format!("{:.2} ms", value * 1e3),
        Unit::BytesPerSecond => format!("{:.2} GB/s", value / 1e9),
        Unit::PerSecond => format!("{:.1} k/s", value / 1e3),
        Unit::Bytes => format!("{:.1} kB", value / 1e3),
        Unit::Percent => format!("{:.2} %", value * 100.0),
        Unit::Times => times(value),
    }
}

fn times(value: f64) -> String {
    format!("{value:.2} ×")
}
