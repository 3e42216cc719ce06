//! The exit codes, and the one function that settles on one.

use bulkhead_model::Verdict;

/// Every case passed, or the command did what it was asked.
pub(crate) const PASS: u8 = 0;
/// Something was judged and is false.
pub(crate) const FAIL: u8 = 1;
/// Something could not be judged, or the run was interrupted.
pub(crate) const UNKNOWN: u8 = 2;
/// The command could not start: configuration, a missing server, one that did not come up, stand-ins that are not up.
pub(crate) const NOT_STARTED: u8 = 3;
/// The command line was not understood.
pub(crate) const USAGE: u8 = 64;

/// What the help says about them.
pub(crate) const HELP: &str = "\
Exit codes:
  0   everything passed
  1   something failed, or passed only when it was tried again
  2   something could not be judged, or the run was interrupted
  3   could not start: configuration, a missing server, stand-ins that are not up
  64  the command line was not understood";

/// The code for what a run came to.
pub(crate) const fn settle(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Pass => PASS,
        Verdict::Fail | Verdict::Flaky => FAIL,
        Verdict::Unknown => UNKNOWN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_a_pass_is_zero() {
        let codes = [Verdict::Pass, Verdict::Fail, Verdict::Flaky, Verdict::Unknown].map(settle);
        assert_eq!(codes, [0, 1, 1, 2]);
        for code in [PASS, FAIL, UNKNOWN, NOT_STARTED, USAGE] {
            assert!(HELP.contains(&format!("\n  {code} ")), "{code} is not in the help");
        }
    }
}
