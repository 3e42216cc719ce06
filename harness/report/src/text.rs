//! Text on a grid: what is safe to print, how wide it is, where it wraps, how times are written.
//!
//! Knows nothing about reports; colour is added by the caller after the measuring.

use unicode_width::UnicodeWidthStr;

/// Columns that the text takes on a terminal.
pub fn width(text: &str) -> usize {
    UnicodeWidthStr::width(text)
}

/// The text followed by as many spaces as it needs to fill `columns`; never cut.
pub fn pad(text: &str, columns: usize) -> String {
    let missing = columns.saturating_sub(width(text));
    format!("{text}{}", " ".repeat(missing))
}

/// The text without control characters, which a server could use to move the cursor or to forge a line.
pub fn plain(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\t' => ' ',
            c if c.is_control() => '\u{fffd}',
            c => c,
        })
        .collect()
}

/// The text on one line: line breaks and runs of blanks become one space.
pub fn one_line(text: &str) -> String {
    let words: Vec<_> = text.split_whitespace().map(plain).collect();
    words.join(" ")
}

/// The first `columns` columns, with an ellipsis when something was cut.
pub fn shorten(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut short = String::new();
    for c in text.chars() {
        if width(&short) + width(c.encode_utf8(&mut [0; 4])) + 1 > columns {
            break;
        }
        short.push(c);
    }
    short.push('…');
    short
}

/// Breaks the text into lines of at most `columns` columns, at blanks where there are any. Never empty.
pub fn wrap(text: &str, columns: usize) -> Vec<String> {
    let columns = columns.max(8);
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        let word = plain(word);
        if !line.is_empty() && width(&line) + 1 + width(&word) > columns {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        for c in word.chars() {
            if width(&line) + width(c.encode_utf8(&mut [0; 4])) > columns {
                lines.push(std::mem::take(&mut line));
            }
            line.push(c);
        }
    }
    if !line.is_empty() || lines.is_empty() {
        lines.push(line);
    }
    lines
}

/// Joins items with three spaces into lines of at most `columns` columns, breaking between items only.
pub fn flow(items: &[String], columns: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for item in items {
        match lines.last_mut() {
            Some(line) if width(line) + 3 + width(item) <= columns => {
                line.push_str("   ");
                line.push_str(item);
            }
            _ => lines.push(item.clone()),
        }
    }
    lines
}

/// A duration as people read it: `0.03 s`, `1.6 s`, `3 min 12 s`.
pub fn duration(milliseconds: u64) -> String {
    match milliseconds {
        0..100 => format!("0.{:02} s", milliseconds.div_ceil(10).min(9)),
        100..60_000 => {
            let tenths = (milliseconds + 50) / 100;
            format!("{}.{} s", tenths / 10, tenths % 10)
        }
        _ => {
            let seconds = (milliseconds + 500) / 1000;
            format!("{} min {} s", seconds / 60, seconds % 60)
        }
    }
}

/// `1 case`, `2 cases`.
pub fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_read_as_people_write_them() {
        let written: Vec<_> = [0, 4, 31, 99, 100, 1_560, 59_949, 60_000, 192_400].map(duration).into();
        assert_eq!(
            written,
            ["0.00 s", "0.01 s", "0.04 s", "0.09 s", "0.1 s", "1.6 s", "59.9 s", "1 min 0 s", "3 min 12 s"]
        );
    }

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        assert_eq!(plain("a\x1b[31mb\r\n"), "a\u{fffd}[31mb\u{fffd}\u{fffd}");
        assert_eq!(one_line("two\n  lines\x07"), "two lines\u{fffd}");
    }

    #[test]
    fn a_word_longer_than_the_line_is_cut_and_nothing_is_lost() {
        assert_eq!(wrap("ab cdefghijklmnop q", 8), ["ab", "cdefghij", "klmnop q"]);
        assert_eq!(wrap("", 8), [""]);
        assert_eq!(shorten("abcdef", 4), "abc…");
    }

    proptest! {
        #[test]
        fn wrapped_lines_fit_and_keep_every_character(text in "[a-z→·é ]{0,200}", columns in 8_usize..60) {
            let lines = wrap(&text, columns);
            prop_assert!(lines.iter().all(|line| width(line) <= columns), "{lines:?}");
            let kept: String = lines.concat().split_whitespace().collect();
            let given: String = text.split_whitespace().collect();
            prop_assert_eq!(kept, given);
        }
    }
}
