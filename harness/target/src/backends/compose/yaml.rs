//! Text as a YAML scalar that Compose gives back as it was.

use std::fmt::Write as _;

/// The text as a literal block whose lines are indented that far; quoted where it holds what a block cannot.
pub(super) fn block(text: &str, indent: usize) -> String {
    let text = text.replace('$', "$$");
    // A block keeps one end of a line at its own end.
    if !text.ends_with('\n')
        || text.ends_with("\n\n")
        || text.starts_with([' ', '\n'])
        || !text.chars().all(plain)
    {
        return format!("{}\n", quoted(&text));
    }
    let margin = " ".repeat(indent);
    text.lines().fold(String::from("|\n"), |mut block, line| {
        block.push_str(if line.is_empty() { "" } else { &margin });
        block.push_str(line);
        block.push('\n');
        block
    })
}

/// What every reader takes as it is, and no reader as the end of a line.
fn plain(c: char) -> bool {
    c == '\n' || matches!(c, ' '..='~') || c.is_alphanumeric()
}

fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            c if plain(c) => quoted.push(c),
            c => {
                // Writing to a string cannot fail.
                let _written = write!(quoted, "\\U{:08x}", u32::from(c));
            }
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::block;

    fn read(text: &str) -> String {
        #[derive(serde::Deserialize)]
        struct Document {
            content: String,
        }
        let read: Document = serde_saphyr::from_str(text).unwrap();
        read.content.replace("$$", "$")
    }

    #[test]
    fn plain_text_stays_readable() {
        assert_eq!(block("a: $b\n\n  c\n", 2), "|\n  a: $$b\n\n    c\n");
    }

    #[test]
    fn empty_lines_at_the_end_are_kept() {
        for text in ["a\n\n", "a\n\n\n", "\n", "\n\n"] {
            assert_eq!(read(&format!("content: {}", block(text, 2))), text);
        }
    }

    proptest! {
        #[test]
        fn every_text_comes_back(text in "(.|[\n\"\\\\$ \u{85}\u{2028}\u{feff}\u{1f600}]){0,40}\n?") {
            let document = format!("content: {}", block(&text, 2));
            prop_assert_eq!(read(&document), text, "{}", document);
        }
    }
}
