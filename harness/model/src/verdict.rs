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
    /// Judged and false.
    Fail,
}

impl Verdict {
    /// The worst of many; `Unknown` for none at all, since nothing was judged.
    pub fn worst(verdicts: impl IntoIterator<Item = Self>) -> Self {
        verdicts.into_iter().max().unwrap_or(Self::Unknown)
    }

    /// The word in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Unknown => "unknown",
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
    use super::Verdict::{self, Fail, Pass, Unknown};

    #[test]
    fn the_worst_wins_and_nothing_is_unknown() {
        assert_eq!(Verdict::worst([Pass, Unknown, Pass]), Unknown);
        assert_eq!(Verdict::worst([Unknown, Fail, Pass]), Fail);
        assert_eq!(Verdict::worst([Pass]), Pass);
        assert_eq!(Verdict::worst([]), Unknown);
    }
}
