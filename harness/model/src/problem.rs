//! Problems in what people wrote, collected rather than thrown: bad input is refused whole, with every fault named.

use std::fmt;

/// One thing wrong in one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where, as `file:line:column`; for an environment variable or a scenario its name; empty when there is no place.
    pub place: String,
    /// What is wrong, a lower-case fragment without a final stop.
    pub what: String,
    /// What to do about it, when there is something to say.
    pub hint: Option<String>,
    /// The line that it is about, with a caret below the place: two lines.
    pub quote: Option<String>,
}

impl Problem {
    /// A problem without a hint.
    pub fn new(place: impl Into<String>, what: impl Into<String>) -> Self {
        Self { place: place.into(), what: what.into(), hint: None, quote: None }
    }

    /// Adds the line that it is about.
    #[must_use]
    pub fn quoting(mut self, quote: Option<String>) -> Self {
        self.quote = quote;
        self
    }

    /// Adds what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.place.is_empty() {
            write!(f, "{}: ", self.place)?;
        }
        f.write_str(&self.what)?;
        if let Some(hint) = &self.hint {
            write!(f, "\n  hint: {hint}")?;
        }
        match &self.quote {
            Some(quote) => write!(f, "\n{quote}"),
            None => Ok(()),
        }
    }
}

/// All problems of one input; those that a parser returns are never empty. Exit code 3.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// `Err` with all of them when there is any, else the value.
    ///
    /// # Errors
    /// The problems, when the list is not empty.
    pub fn unless<T>(problems: Vec<Problem>, value: T) -> Result<T, Self> {
        if problems.is_empty() { Ok(value) } else { Err(Self(problems)) }
    }

    /// Both values, or the problems of both, so that what is wrong with one does not hide what is wrong with the other.
    ///
    /// # Errors
    /// The problems of either or of both, in that order.
    pub fn both<A, B>(one: Result<A, Self>, other: Result<B, Self>) -> Result<(A, B), Self> {
        match (one, other) {
            (Ok(one), Ok(other)) => Ok((one, other)),
            (one, other) => {
                let found = [one.err(), other.err()].into_iter().flatten();
                Err(Self(found.flat_map(Self::into_vec).collect()))
            }
        }
    }

    /// The problems themselves, to be put among others.
    pub fn into_vec(self) -> Vec<Problem> {
        self.0
    }

    /// The problems in the order in which they were found.
    pub fn iter(&self) -> std::slice::Iter<'_, Problem> {
        self.0.iter()
    }
}

impl From<Vec<Problem>> for Problems {
    fn from(problems: Vec<Problem>) -> Self {
        Self(problems)
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}
