//! Colour, where there may be any. Every coloured word also says in letters what its colour says.

use bulkhead_model::Verdict;

/// Whether to colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Style {
    pub(super) colour: bool,
}

impl Style {
    pub(super) fn bold(self, text: &str) -> String {
        self.code("1", text)
    }

    pub(super) fn dim(self, text: &str) -> String {
        self.code("2", text)
    }

    pub(super) fn green(self, text: &str) -> String {
        self.code("32", text)
    }

    /// The text in the colour of a verdict.
    pub(super) fn verdict(self, verdict: Verdict, text: &str) -> String {
        match verdict {
            Verdict::Pass => self.code("32", text),
            Verdict::Unknown => self.code("33", text),
            Verdict::Flaky | Verdict::Fail => self.code("1;31", text),
        }
    }

    fn code(self, code: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}
