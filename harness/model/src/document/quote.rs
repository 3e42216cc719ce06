//! The line that a problem is about, with a caret below its place, so that nobody has to look it up.

use super::Place;

/// Characters of a line that are shown, and how many of them before the place.
const SHOWN: usize = 100;
const BEFORE: usize = 60;

/// Two lines of text without a final newline; none where the file has no such line, or nothing in it.
pub(crate) fn quote(text: &str, at: Place) -> Option<String> {
    let line = text.lines().nth(usize::try_from(at.line).ok()?.checked_sub(1)?)?;
    if line.trim().is_empty() {
        return None;
    }
    let column = usize::try_from(at.column).ok()?.saturating_sub(1).min(line.chars().count());
    let from = if line.chars().count() > SHOWN { column.saturating_sub(BEFORE) } else { 0 };
    // Each character takes one place, whatever it would do to a terminal.
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    let shown: String = line.chars().skip(from).take(SHOWN).map(plain).collect();
    let (number, caret) = (at.line.to_string(), " ".repeat(column - from));
    let margin = " ".repeat(number.len());
    Some(format!("  {number} | {}\n  {margin} | {caret}^", shown.trim_end()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{SHOWN, quote};
    use crate::document::Place;

    fn at(line: u64, column: u64) -> Place {
        Place { line, column }
    }

    #[test]
    fn the_caret_is_below_the_place() {
        let text = "title: é\r\n  runfor: 3s\n\n";
        assert_eq!(quote(text, at(2, 3)).unwrap(), "  2 |   runfor: 3s\n    |   ^");
        assert_eq!(quote(text, at(1, 8)).unwrap(), "  1 | title: é\n    |        ^");
        for (line, column) in [(3, 1), (4, 1), (0, 1)] {
            assert_eq!(quote(text, at(line, column)), None, "{line}");
        }
        // Beyond the line's end is its end.
        assert_eq!(quote("a", at(1, 99)).unwrap(), "  1 | a\n    |  ^");
    }

    #[test]
    fn nothing_reaches_a_terminal_that_would_move_its_cursor() {
        assert_eq!(quote("a\t\u{1b}[2Jb", at(1, 3)).unwrap(), "  1 | a  [2Jb\n    |   ^");
    }

    proptest! {
        #[test]
        fn any_place_in_any_text_is_taken(text in ".{0,300}", line in 0_u64..4, column in 0_u64..400) {
            if let Some(shown) = quote(&text, at(line, column)) {
                let lines: Vec<_> = shown.lines().collect();
                prop_assert_eq!(lines.len(), 2);
                let bounded = |line: &&str| line.chars().count() <= SHOWN + 8;
                prop_assert!(lines.iter().all(bounded) && lines[1].ends_with('^'), "{}", shown);
            }
        }
    }
}
