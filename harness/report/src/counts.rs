//! How many cases passed, failed, could not be judged or were skipped.

use bulkhead_model::{Verdict, report::CaseReport};

use crate::text;

/// Counted cases. A skipped case counts as skipped only, whatever its verdict says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Judged and true.
    pub pass: usize,
    /// Judged and false.
    pub fail: usize,
    /// True only when tried again.
    pub flaky: usize,
    /// Could not be judged.
    pub unknown: usize,
    /// Not run at all.
    pub skipped: usize,
}

impl Counts {
    /// Counts many.
    pub fn of<'a>(cases: impl IntoIterator<Item = &'a CaseReport>) -> Self {
        let mut counts = Self::default();
        cases.into_iter().for_each(|case| counts.add(case));
        counts
    }

    /// Counts one more.
    pub fn add(&mut self, case: &CaseReport) {
        let place = match (&case.skipped, case.verdict) {
            (Some(_), _) => &mut self.skipped,
            (None, Verdict::Pass) => &mut self.pass,
            (None, Verdict::Fail) => &mut self.fail,
            (None, Verdict::Flaky) => &mut self.flaky,
            (None, Verdict::Unknown) => &mut self.unknown,
        };
        *place += 1;
    }

    /// All of them.
    pub fn total(&self) -> usize {
        self.pass + self.fail + self.flaky + self.unknown + self.skipped
    }

    /// `34 pass · 1 fail · 0 unknown · 2 skipped`; with `1 flaky` before the unknown where anything is.
    pub fn line(&self) -> String {
        let flaky = if self.flaky > 0 { format!("{} flaky · ", self.flaky) } else { String::new() };
        format!(
            "{} pass · {} fail · {flaky}{} unknown · {} skipped",
            self.pass, self.fail, self.unknown, self.skipped
        )
    }
}

/// Why cases were skipped, the reasons once each with their number: `2 docker only, 1 needs minio`.
pub fn skip_reasons(cases: &[CaseReport]) -> String {
    let mut reasons: Vec<(String, usize)> = Vec::new();
    for reason in cases.iter().filter_map(|case| case.skipped.as_deref()) {
        let reason = text::one_line(reason);
        match reasons.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, number)) => *number += 1,
            None => reasons.push((reason, 1)),
        }
    }
    match reasons.as_slice() {
        [(only, _)] => only.clone(),
        many => {
            many.iter().map(|(reason, number)| format!("{number} {reason}")).collect::<Vec<_>>().join(", ")
        }
    }
}
