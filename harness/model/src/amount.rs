//! Amounts with their units written out, as scenario files have them: `2`, `200/s`, `1KiB`, `300ms`, `90%`.

use std::{fmt, time::Duration};

/// What an amount measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Whole things: `2`.
    Count,
    /// Things a second or a minute: `200/s`, `30/min`.
    Rate,
    /// Bytes: `512B`, `1KiB`, `8MiB`.
    Size,
    /// Time: `300ms`, `8s`, `2min`.
    Time,
    /// Hundredths of a whole: `90%`.
    Share,
}

/// A whole number of the smallest unit of its kind: things, things a minute, bytes, milliseconds, hundredths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Amount {
    /// What it measures.
    pub unit: Unit,
    /// How much.
    pub value: u64,
}

impl Unit {
    /// The suffixes with what each is worth in the smallest, the largest first.
    const fn suffixes(self) -> &'static [(&'static str, u64)] {
        match self {
            Self::Count => &[("", 1)],
            Self::Rate => &[("/s", 60), ("/min", 1)],
            Self::Size => &[("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)],
            Self::Time => &[("min", 60_000), ("s", 1000), ("ms", 1)],
            Self::Share => &[("%", 1)],
        }
    }

    /// How such an amount is written.
    pub const fn like(self) -> &'static str {
        match self {
            Self::Count => "a whole number, `2`",
            Self::Rate => "a rate, `200/s` or `30/min`",
            Self::Size => "a size, `512B`, `1KiB` or `8MiB`",
            Self::Time => "a time, `300ms`, `8s` or `2min`",
            Self::Share => "a share, `90%`",
        }
    }
}

impl Amount {
    /// Reads an amount of that unit.
    ///
    /// # Errors
    /// How it is written.
    pub fn parse(text: &str, unit: Unit) -> Result<Self, String> {
        let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, suffix) = text.split_at(digits);
        let worth = unit.suffixes().iter().find(|(known, _)| *known == suffix);
        let value = worth.and_then(|(_, worth)| number.parse::<u64>().ok()?.checked_mul(*worth));
        let value = value.ok_or_else(|| format!("it must be {}", unit.like()))?;
        Ok(Self { unit, value })
    }

    /// As a time; nothing of other units is one.
    pub fn time(self) -> Duration {
        match self.unit {
            Unit::Time => Duration::from_millis(self.value),
            Unit::Count | Unit::Rate | Unit::Size | Unit::Share => Duration::ZERO,
        }
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = |(_, worth): &&(&str, u64)| self.value > 0 && self.value.is_multiple_of(*worth);
        let suffixes = self.unit.suffixes();
        let (suffix, worth) = suffixes.iter().find(whole).or(suffixes.last()).copied().unwrap_or(("", 1));
        write!(f, "{}{suffix}", self.value / worth)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Amount, Unit};

    const UNITS: [Unit; 5] = [Unit::Count, Unit::Rate, Unit::Size, Unit::Time, Unit::Share];

    #[test]
    fn amounts_are_read_in_their_units_and_in_no_other() {
        let read = |text, unit| Amount::parse(text, unit).map(|amount| amount.value).ok();
        assert_eq!(read("2", Unit::Count), Some(2));
        assert_eq!(read("200/s", Unit::Rate), Some(12_000));
        assert_eq!(read("30/min", Unit::Rate), Some(30));
        assert_eq!(read("8MiB", Unit::Size), Some(8 << 20));
        assert_eq!(read("300ms", Unit::Time), Some(300));
        assert_eq!(read("90%", Unit::Share), Some(90));
        for wrong in ["", "s", "-1s", "1.5s", "1 s", "1S", "1h", "１s", "18446744073709551615s"] {
            assert_eq!(read(wrong, Unit::Time), None, "{wrong}");
        }
        assert_eq!(read("1", Unit::Time), None, "units are written out");
        assert_eq!(read("1s", Unit::Count), None);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(value: u64, unit in prop::sample::select(UNITS.to_vec())) {
            let amount = Amount { unit, value };
            prop_assert_eq!(Amount::parse(&amount.to_string(), unit), Ok(amount));
        }

        #[test]
        fn no_text_makes_it_panic(text in ".*", unit in prop::sample::select(UNITS.to_vec())) {
            let _read = Amount::parse(&text, unit);
        }
    }
}
