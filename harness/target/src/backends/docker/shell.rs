//! What goes through a container's shell.

use std::path::Path;

/// A path as one word.
pub(crate) fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    #[test]
    fn a_quote_does_not_end_the_word() {
        assert_eq!(super::quoted(Path::new("/it's/here")), r"'/it'\''s/here'");
    }
}
