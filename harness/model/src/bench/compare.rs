//! What `bulkhead bench compare` found: for each figure of the two sides whether they differ by more than the same side
//! differs from itself.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{TenantName, Verdict, report::ServerReport};

/// A comparison, as `--format json` prints it. Latencies are in nanoseconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// The version of this document: 1.
    pub version: u32,
    /// The run's name.
    pub run: String,
    /// What every choice derived from.
    pub seed: u64,
    /// The smallest difference that matters, as a share: 0.05 of one by a twentieth.
    pub least: f64,
    /// What the exit code follows: `fail` where B is worse or an invariant failed, `unknown` where it cannot be told.
    pub verdict: Verdict,
    /// What B is, beside A.
    pub change: Change,
    /// Why it ended before its time; empty where it did not.
    pub stopped: String,
    /// From the first server's start to the last one's end.
    pub duration_ms: u64,
    /// A and B.
    pub sides: Vec<Side>,
    /// Rounds that were played to their end, of A, A again and B.
    pub rounds: u32,
    /// Rounds that there could have been.
    pub most: u32,
    /// Each figure.
    pub figures: Vec<Compared>,
    /// Each run, in the order in which they were played.
    pub runs: Vec<ArmRun>,
}

/// One of the two sides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Side {
    /// What `bulkhead bench` was told.
    pub bench: Vec<String>,
    /// Which variables were set for it. Their values may be secrets.
    pub variables: Vec<String>,
    /// The program, where it is not the one that compared.
    pub program: Option<String>,
    /// What was measured.
    pub servers: Vec<ServerReport>,
}

/// Who is played.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Arm {
    /// The first side.
    A,
    /// The first side once more: what differs here is noise.
    Again,
    /// The second side.
    B,
}

impl Arm {
    /// Each.
    pub const ALL: [Self; 3] = [Self::A, Self::Again, Self::B];

    /// As a folder and the document spell it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::A => "a",
            Self::Again => "again",
            Self::B => "b",
        }
    }
}

/// One run of a side.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArmRun {
    /// In which round, from 1.
    pub round: u32,
    /// Of whom.
    pub arm: Arm,
    /// What its invariants came to.
    pub verdict: Verdict,
    /// Where its results lie.
    pub folder: String,
}

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Figure {
    /// How many succeed in a second, in a closed loop.
    #[serde(rename = "ok/s")]
    Rate,
    /// Which share of what was begun or due succeeds.
    #[serde(rename = "ok")]
    Share,
    /// The median latency.
    #[serde(rename = "p50")]
    P50,
    /// Of ten operations, one is slower.
    #[serde(rename = "p90")]
    P90,
    /// Of a hundred, one.
    #[serde(rename = "p99")]
    P99,
    /// Of a thousand, one.
    #[serde(rename = "p99.9")]
    P999,
}

impl Figure {
    /// Each.
    pub const ALL: [Self; 6] = [Self::Rate, Self::Share, Self::P50, Self::P90, Self::P99, Self::P999];

    /// Those that are compared when nothing else is said.
    pub const USUAL: [Self; 5] = [Self::Rate, Self::Share, Self::P50, Self::P90, Self::P99];

    /// As a gate, a table and the document spell it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rate => "ok/s",
            Self::Share => "ok",
            Self::P50 => "p50",
            Self::P90 => "p90",
            Self::P99 => "p99",
            Self::P999 => "p99.9",
        }
    }

    /// Whether it is a time: more is worse.
    pub const fn is_latency(self) -> bool {
        !matches!(self, Self::Rate | Self::Share)
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What B is, beside A. The order is that in which one outranks another where there are several.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// Not told apart, where a difference that matters would have been.
    Same,
    /// Better, by more than the noise and by no less than what matters.
    Better,
    /// The noise hides a difference that would matter.
    Unknown,
    /// Worse, by more than the noise and by no less than what matters.
    Worse,
}

impl Change {
    /// What many come to: the highest rank, and `Unknown` for none.
    pub fn of(changes: impl IntoIterator<Item = Self>) -> Self {
        changes.into_iter().max().unwrap_or(Self::Unknown)
    }

    /// What the exit code follows.
    pub const fn verdict(self) -> Verdict {
        match self {
            Self::Same | Self::Better => Verdict::Pass,
            Self::Unknown => Verdict::Unknown,
            Self::Worse => Verdict::Fail,
        }
    }

    /// The word in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Better => "better",
            Self::Unknown => "unknown",
            Self::Worse => "worse",
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One figure of one kind of operation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Compared {
    /// Whose.
    pub tenant: TenantName,
    /// `redis.sessions`.
    pub workload: String,
    /// `touch`; all of the workload where there is none.
    pub act: Option<String>,
    /// Which figure.
    pub figure: Figure,
    /// What A came to: the geometric mean of both its runs in every round.
    pub a: f64,
    /// What B came to, likewise.
    pub b: f64,
    /// B in A's: 1.1 is a tenth more.
    pub ratio: f64,
    /// The least and the greatest ratio that the noise leaves possible.
    pub between: [f64; 2],
    /// The threshold that the noise sets, as a share: a smaller difference is not told apart from none.
    pub noise: f64,
    /// What B is.
    pub change: Change,
    /// Why it could not be told, where it is not for the noise.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_worse_outranks_what_is_unknown_and_nothing_is_no_pass() {
        use Change::{Better, Same, Unknown, Worse};
        for (changes, wanted, verdict) in [
            (&[][..], Unknown, Verdict::Unknown),
            (&[Same, Same], Same, Verdict::Pass),
            (&[Same, Better], Better, Verdict::Pass),
            (&[Better, Unknown, Same], Unknown, Verdict::Unknown),
            (&[Worse, Unknown, Better], Worse, Verdict::Fail),
        ] {
            let change = Change::of(changes.iter().copied());
            assert_eq!((change, change.verdict()), (wanted, verdict), "{changes:?}");
        }
    }

    #[test]
    fn a_figure_has_one_spelling() {
        for figure in Figure::ALL {
            assert_eq!(serde_json::to_value(figure).unwrap(), figure.name());
        }
    }
}
