//! What a signature's text looks like: literal pieces with `*` between them, `^` and `$` for a line's ends.
//!
//! Deliberately less than a regular expression: the texts are full of brackets and question marks, and a reader of the
//! data files sees the server's own words. A `*` never crosses a line and spans a bounded number of bytes, so that two
//! messages that happen to stand on one line are not read as one.

/// The longest that a `*` spans.
const GAP: usize = 200;

/// One pattern, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern {
    pieces: Vec<String>,
    begins: bool,
    ends: bool,
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// When it has no literal text, which would be found everywhere.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (begins, rest) = text.strip_prefix('^').map_or((false, text), |rest| (true, rest));
        let (ends, rest) = rest.strip_suffix('$').map_or((false, rest), |rest| (true, rest));
        if rest.contains(['\n', '\r']) || rest.chars().all(|c| c == '*' || c.is_whitespace()) {
            return Err(format!("the pattern `{text}` holds no text, or a line break"));
        }
        Ok(Self { pieces: rest.split('*').map(str::to_owned).collect(), begins, ends })
    }

    /// Whether a line of the text holds it.
    pub(super) fn is_in(&self, text: &str) -> bool {
        text.lines().any(|line| self.fits(line))
    }

    fn fits(&self, line: &str) -> bool {
        let Some((first, rest)) = self.pieces.split_first() else { return false };
        if self.begins {
            return line.strip_prefix(first.as_str()).is_some_and(|after| self.follows(rest, after));
        }
        line.match_indices(first.as_str())
            .any(|(at, found)| line.get(at + found.len()..).is_some_and(|after| self.follows(rest, after)))
    }

    /// Whether the remaining pieces come in `text`, each within a gap of the one before.
    fn follows(&self, pieces: &[String], text: &str) -> bool {
        let Some((next, rest)) = pieces.split_first() else { return !self.ends || text.is_empty() };
        let near = text.match_indices(next.as_str()).take_while(|(at, _)| *at <= GAP);
        near.filter_map(|(at, found)| text.get(at + found.len()..)).any(|after| self.follows(rest, after))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Pattern;

    fn is_in(pattern: &str, text: &str) -> bool {
        Pattern::parse(pattern).unwrap().is_in(text)
    }

    #[test]
    fn pieces_are_found_in_their_order_on_one_line() {
        assert!(is_in("vhost * not found", "NOT_ALLOWED - vhost engine not found"));
        assert!(is_in("a*b*c", "x a1b2c y") && is_in("ab*b", "ab b") && is_in("a*a", "aa"));
        assert!(!is_in("a*b*c", "c b a") && !is_in("a*b", "a\nb") && !is_in("a*a", "a"));
        assert!(is_in("conn crashed?", "server conn crashed?") && !is_in("crashed?", "crashe"));
        assert!(!is_in("a*b", &format!("a{}b", "x".repeat(300))));
    }

    #[test]
    fn ends_of_a_line_are_held_to() {
        assert!(is_in("^user: guest$", "host: h\nuser: guest\nport: 1"));
        assert!(!is_in("^user: guest$", "user: guests") && !is_in("^user: guest$", "super-user: guest"));
        assert!(is_in("^host: *.neon.tech$", "host: a.neon.tech") && is_in("^host: *.a$", "host: x.a.a"));
        assert!(!is_in("^host: *.neon.tech$", "host: a.neon.tech.example"));
    }

    #[test]
    fn a_pattern_without_text_is_refused() {
        for empty in ["", "*", "^*$", "a\nb", " * "] {
            assert!(Pattern::parse(empty).is_err(), "{empty:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_taken(pattern in "[a-c*é^$ ]{1,12}", text in "[a-cé\n]{0,60}") {
            if let Ok(pattern) = Pattern::parse(&pattern) {
                let _ = pattern.is_in(&text);
            }
        }

        #[test]
        fn what_fills_the_gaps_does_not_matter(one in "[^\r\n]{0,40}", two in "[^\r\n]{0,40}") {
            let text = format!("{one}access to vhost '{two}' refused");
            prop_assert!(is_in("access to vhost '*' refused", &text));
        }
    }
}
