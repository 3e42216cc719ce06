//! What `bulkhead bench` measured: how many operations of each kind came to what, how long they took from when they were due,
//! and what the invariants say of the same history.

use serde::{Deserialize, Serialize};

use crate::{
    TenantName, Verdict,
    report::{InvariantReport, ServerReport},
};

pub mod compare;
pub mod gate;
mod usage;
mod wrong;

pub use self::{
    usage::{Counted, Figures, Part, Reading, Usage, UsageRecord},
    wrong::{Wrong, Wrongs},
};

/// A bench, as `--format json` prints it. Times are in nanoseconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BenchReport {
    /// The version of this document: 1.
    pub version: u32,
    /// The run's name.
    pub run: String,
    /// Where the services were: `native`, `docker`, `env`.
    pub target: String,
    /// Why there, where the choice was left open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_reason: Option<String>,
    /// What every choice derived from.
    pub seed: u64,
    /// The worst of the tenants' verdicts.
    pub verdict: Verdict,
    /// From the first server's start to the last one's end.
    pub duration_ms: u64,
    /// What was measured.
    pub servers: Vec<ServerReport>,
    /// One for each tenant, scenario and rate, in the order in which they were played: one after another.
    pub cases: Vec<BenchCase>,
    /// Where several rates were tried: up to which one the service kept up.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub knees: Vec<Knee>,
}

/// Up to which rate a workload of a tenant was kept up with, of those that were tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Knee {
    /// Whose.
    pub tenant: TenantName,
    /// `redis.sessions`.
    pub workload: String,
    /// The highest rate that was kept up, as was every lower one, in operations a minute; none where the lowest was not.
    pub holds: Option<u64>,
    /// The next higher one, which was not; none where all were kept up.
    pub breaks: Option<u64>,
    /// What went wrong there; empty where nothing did.
    pub why: String,
}

/// One tenant's part of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BenchCase {
    /// The case's id.
    pub id: String,
    /// Whose.
    pub tenant: TenantName,
    /// What all its invariants came to.
    pub verdict: Verdict,
    /// Those that the scenario names, and each without a bound that its history lets be judged; then a gate's thresholds.
    pub invariants: Vec<InvariantReport>,
    /// How long the measured part was: without the warm-up, up to the end of the work.
    pub measured_ns: u64,
    /// What it did.
    pub loads: Vec<Load>,
    /// What went wrong and has no place in the seconds of `loads`: in the warm-up, after the work, in what a neighbour did, or
    /// where no operation is to be named.
    #[serde(default)]
    pub beside: Wrongs,
    /// What the process that played it and the servers used meanwhile; empty where nobody looked.
    #[serde(default)]
    pub usage: Vec<Usage>,
    /// Where the history lies, for `bulkhead check`.
    pub history: String,
}

/// What one workload came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Load {
    /// `redis.sessions`.
    pub workload: String,
    /// How many operations a minute it was to keep up; none in a closed loop.
    pub rate: Option<u64>,
    /// How many that asks for in the measured time.
    pub planned: Option<u64>,
    /// Of those, how many were never begun.
    pub skipped: u64,
    /// How many began later than [`LATE`] after they were due.
    pub late: u64,
    /// How long it took to work again, where a fault came to its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery: Option<Recovery>,
    /// Each kind of operation, the most frequent first.
    pub acts: Vec<Measure>,
}

/// An operation is late when it begins so many nanoseconds after it was due: its client was busy, or the machine. Timers of
/// the runtime are as coarse as a millisecond.
pub const LATE: u64 = 2_000_000;

/// How long a workload took to work again once no fault was on any more, where it took longest for that: as the invariant
/// `recovers-within` counts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recovery {
    /// To the end of the first operation that succeeded; none where none did.
    pub first_ns: Option<u64>,
    /// To the end of the last that did not succeed, or to that first one where it is later; none where they never ceased to
    /// fail.
    pub steady_ns: Option<u64>,
}

/// What one kind of operation came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measure {
    /// `touch`, `swap`, as histories have it.
    pub act: String,
    /// How many succeeded.
    pub ok: u64,
    /// How many were refused or never reached the server.
    pub failed: u64,
    /// Of how many nobody knows what came of them.
    pub unknown: u64,
    /// How many went wrong, whatever they came to, as the invariants have it.
    #[serde(default)]
    pub wrong: Wrongs,
    /// How many succeeded in a second.
    pub per_second: f64,
    /// How long those that succeeded took from when they were due, or from when they began in a closed loop.
    pub latency: Latency,
    /// The same by stretches of time, where a fault was on for a part of it.
    pub stretches: Vec<Stretch>,
    /// The same second by second.
    pub seconds: Vec<Second>,
}

/// Percentiles, to three significant digits; all zero where nothing succeeded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Latency {
    /// The median.
    pub p50: u64,
    /// Of ten, one is slower.
    pub p90: u64,
    /// Of a hundred, one.
    pub p99: u64,
    /// Of a thousand, one.
    pub p999: u64,
    /// Of ten thousand, one.
    pub p9999: u64,
    /// The slowest.
    pub max: u64,
}

/// A part of the measured time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stretch {
    /// Which.
    pub when: When,
    /// How long it was, in all.
    pub took_ns: u64,
    /// How many succeeded in a second.
    pub per_second: f64,
    /// How many did not succeed.
    pub errors: u64,
    /// How long those that succeeded took.
    pub latency: Latency,
}

/// A part of the measured time, by the faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum When {
    /// No fault was on yet.
    Before,
    /// At least one was on.
    During,
    /// None was on any more.
    After,
}

impl When {
    /// Every one, in the order of time.
    pub const ALL: [Self; 3] = [Self::Before, Self::During, Self::After];

    /// As the document spells it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Before => "before",
            Self::During => "during",
            Self::After => "after",
        }
    }
}

/// One second of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Second {
    /// How many that were due then succeeded.
    pub ok: u64,
    /// How many did not.
    pub errors: u64,
    /// Of a hundred that succeeded, one took longer.
    pub p99: u64,
    /// How many that were due then went wrong, as the invariants have it.
    #[serde(flatten)]
    pub wrong: Wrongs,
}
