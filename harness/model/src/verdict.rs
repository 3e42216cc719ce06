//! Verdicts and how they combine.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What an invariant, a case or a whole run came to. The order is the severity: `max` of two is the worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Judged, with at least the declared minimum of data, and true.
    Pass,
    /// Could not be judged. Outranks `pass`: nothing passes for want of data.
    Unknown,
    /// Of a case alone: it passed when it was tried again, and not before.
    Flaky,
    /// Judged and false.
    Fail,
}

impl Verdict {
    /// The worst of many; `Unknown` for none at all, since nothing was judged.
    pub fn worst(verdicts: impl IntoIterator<Item = Self>) -> Self {
        verdicts.into_iter().max().unwrap_or(Self::Unknown)
    }

    /// What attempts at one thing came to: the last alone when there was one, `Flaky` when a later one passed, and else the
    /// worst.
    pub fn attempted(attempts: &[Self]) -> Self {
        match attempts {
            [.., Self::Pass] if attempts.len() > 1 => Self::Flaky,
            all => Self::worst(all.iter().copied()),
        }
    }

    /// The word in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Unknown => "unknown",
            Self::Flaky => "flaky",
            Self::Fail => "fail",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::Verdict::{self, Fail, Flaky, Pass, Unknown};

    #[test]
    fn the_worst_wins_and_nothing_is_unknown() {
        assert_eq!(Verdict::worst([Pass, Unknown, Pass]), Unknown);
        assert_eq!(Verdict::worst([Unknown, Fail, Pass]), Fail);
        assert_eq!(Verdict::worst([Pass]), Pass);
        assert_eq!(Verdict::worst([]), Unknown);
        assert_eq!(Verdict::worst([Unknown, Flaky, Pass]), Flaky, "what could be repeated did not hold");
    }

    #[test]
    fn what_passes_only_when_tried_again_is_flaky() {
        assert_eq!(Verdict::attempted(&[Pass]), Pass);
        assert_eq!(Verdict::attempted(&[Fail, Pass]), Flaky);
        assert_eq!(Verdict::attempted(&[Unknown, Fail, Pass]), Flaky);
        assert_eq!(Verdict::attempted(&[Fail, Unknown]), Fail);
        assert_eq!(Verdict::attempted(&[]), Unknown);
    }
}
