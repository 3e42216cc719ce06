//! In which of four ways operations went wrong, and how many.

use std::iter::Sum;

use serde::{Deserialize, Serialize};

/// What the invariants say of an operation that went wrong. Each names them by what the history shows, whatever the reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Wrong {
    /// It was acknowledged and what it did is not there: the operation that handed over, added, sent, completed or moved it.
    Lost,
    /// What it did is there more than once: the delivery that was one too many, or the operation that was done twice.
    Duplicated,
    /// What it brought came out of order: a delivery, or a reading that fits into no order.
    Reordered,
    /// What it brought is another's or nobody's: a delivery, a reply, a reading.
    Foreign,
}

/// How many operations went wrong in each way. One that did so in two counts in both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Wrongs {
    /// How many were lost.
    pub lost: u64,
    /// How many were duplicated.
    pub duplicated: u64,
    /// How many came out of order.
    pub reordered: u64,
    /// How many brought what is foreign.
    pub foreign: u64,
}

impl Wrong {
    /// Every one, in the order of reports.
    pub const ALL: [Self; 4] = [Self::Lost, Self::Duplicated, Self::Reordered, Self::Foreign];

    /// As the document spells it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Lost => "lost",
            Self::Duplicated => "duplicated",
            Self::Reordered => "reordered",
            Self::Foreign => "foreign",
        }
    }
}

impl Wrongs {
    /// How many in that way.
    pub fn of(&self, wrong: Wrong) -> u64 {
        match wrong {
            Wrong::Lost => self.lost,
            Wrong::Duplicated => self.duplicated,
            Wrong::Reordered => self.reordered,
            Wrong::Foreign => self.foreign,
        }
    }

    /// One more.
    pub fn count(&mut self, wrong: Wrong) {
        *match wrong {
            Wrong::Lost => &mut self.lost,
            Wrong::Duplicated => &mut self.duplicated,
            Wrong::Reordered => &mut self.reordered,
            Wrong::Foreign => &mut self.foreign,
        } += 1;
    }

    /// In all four ways together.
    pub fn total(&self) -> u64 {
        Wrong::ALL.into_iter().map(|wrong| self.of(wrong)).sum()
    }
}

impl Sum for Wrongs {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |one, other| Self {
            lost: one.lost + other.lost,
            duplicated: one.duplicated + other.duplicated,
            reordered: one.reordered + other.reordered,
            foreign: one.foreign + other.foreign,
        })
    }
}
