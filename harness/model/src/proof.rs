//! What `bulkhead prove` found: whether each invariant failed on a system that was sabotaged and held on a sound one.

use serde::{Deserialize, Serialize};

use crate::{Verdict, report::ServerReport};

/// A proof, as `--format json` prints it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProofReport {
    /// The version of this document: 1.
    pub version: u32,
    /// The run's name.
    pub run: String,
    /// How many seeds each system was run with.
    pub seeds: u64,
    /// The first of them; the others follow it.
    pub first_seed: u64,
    /// Pass when every sabotage was seen, fail when not, unknown when the run was cut off.
    pub verdict: Verdict,
    /// From the first server's start to the last one's end.
    pub duration_ms: u64,
    /// What was proven on.
    pub servers: Vec<ServerReport>,
    /// Every sabotage that was chosen.
    pub sabotages: Vec<SabotageReport>,
}

/// What one sabotage came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SabotageReport {
    /// Its name.
    pub name: String,
    /// What it breaks, in a sentence.
    pub breaks: String,
    /// The invariant that is to fail, with its bound where it has one.
    pub invariant: String,
    /// On the sabotaged system.
    pub sabotaged: Failed,
    /// On the sound one.
    pub sound: Passed,
    /// Whether it failed often enough, and always passed.
    pub verdict: Verdict,
    /// Each time that it came out otherwise.
    pub misses: Vec<Miss>,
}

/// How often the invariant failed for the reason meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failed {
    /// So often.
    pub failed: u64,
    /// Of so many runs.
    pub of: u64,
}

/// How often the invariant passed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Passed {
    /// So often.
    pub passed: u64,
    /// Of so many runs.
    pub of: u64,
}

/// One run that came out otherwise than it should.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Miss {
    /// With which seed.
    pub seed: u64,
    /// Whether the system was sabotaged.
    pub sabotaged: bool,
    /// What the invariant came to.
    pub verdict: Verdict,
    /// Why.
    pub evidence: String,
    /// Where the history lies, for `bulkhead check`.
    pub history: String,
}

impl SabotageReport {
    /// Settles the verdict: of `seeds` that were to be played one in twenty may be missed, and on a sound system none.
    pub fn settle(&mut self, seeds: u64) {
        let (sabotaged, sound) = (self.sabotaged, self.sound);
        let (missed, broken) = (sabotaged.of - sabotaged.failed, sound.of - sound.passed);
        self.verdict = match (missed > seeds / 20 || broken > 0, sabotaged.of.min(sound.of) < seeds) {
            (true, _) => Verdict::Fail,
            (false, true) => Verdict::Unknown,
            (false, false) => Verdict::Pass,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settled(failed: u64, passed: u64, of: u64, seeds: u64) -> Verdict {
        let mut report = SabotageReport {
            name: String::from("x"),
            breaks: String::new(),
            invariant: String::from("nothing-lost"),
            sabotaged: Failed { failed, of },
            sound: Passed { passed, of },
            verdict: Verdict::Unknown,
            misses: Vec::new(),
        };
        report.settle(seeds);
        report.verdict
    }

    #[test]
    fn one_in_twenty_may_be_missed_and_no_sound_system_may_fail() {
        assert_eq!(settled(20, 20, 20, 20), Verdict::Pass);
        assert_eq!(settled(19, 20, 20, 20), Verdict::Pass);
        assert_eq!(settled(18, 20, 20, 20), Verdict::Fail);
        assert_eq!(settled(20, 19, 20, 20), Verdict::Fail);
        assert_eq!(settled(18, 19, 19, 19), Verdict::Fail, "of fewer than twenty none may be missed");
        assert_eq!(settled(38, 40, 40, 40), Verdict::Pass);
        assert_eq!(settled(5, 5, 5, 20), Verdict::Unknown, "it was cut off");
    }
}
