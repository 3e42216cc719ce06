//! How a command that could not do its work says so: the error once, its causes, what to do. No backtrace.

use std::io::Write;

use bulkhead_model::{Problem, Problems};
use bulkhead_report::redact;

use crate::exit;

/// An error with what to do about it.
#[derive(Debug)]
pub(crate) struct Hinted {
    what: String,
    hint: String,
}

impl Hinted {
    /// An error that someone can act upon.
    pub(crate) fn error(what: impl Into<String>, hint: impl Into<String>) -> anyhow::Error {
        anyhow::Error::new(Self { what: what.into(), hint: hint.into() })
    }
}

impl std::fmt::Display for Hinted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for Hinted {}

/// Writes the error and returns the code to exit with.
pub(crate) fn report(error: &anyhow::Error, sink: &mut dyn Write) -> u8 {
    // Nothing is left to try when stderr refuses.
    let _ = sink.write_all(redact::text(&text(error)).as_bytes());
    exit::NOT_STARTED
}

fn text(error: &anyhow::Error) -> String {
    if let Some(problems) = error.downcast_ref::<Problems>() {
        let number = problems.iter().count();
        let mut text = format!(
            "error: {} in what was given; nothing was started\n",
            bulkhead_report::text::count(number, "problem")
        );
        problems.iter().for_each(|problem: &Problem| text.push_str(&format!("{problem}\n")));
        return text;
    }
    let mut text = format!("error: {error}");
    let mut last = error.to_string();
    for cause in error.chain().skip(1) {
        let cause = cause.to_string();
        // Some libraries repeat their cause in their own text.
        if !last.ends_with(&cause) {
            text.push_str(&format!("\n  because: {cause}"));
        }
        last = cause;
    }
    text.push('\n');
    if let Some(hint) = hint(error) {
        text.push_str(&format!("hint: {}\n", hint.replace('\n', "\n      ")));
    }
    text
}

fn hint(error: &anyhow::Error) -> Option<String> {
    error.chain().find_map(|cause| {
        let hinted = cause.downcast_ref::<Hinted>().map(|hinted| hinted.hint.clone());
        hinted
            .or_else(|| cause.downcast_ref::<bulkhead_target::Error>().and_then(bulkhead_target::Error::hint))
    })
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    fn shown(error: &anyhow::Error) -> String {
        let mut text = Vec::new();
        assert_eq!(report(error, &mut text), exit::NOT_STARTED);
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn causes_follow_the_error_and_the_hint_comes_last() {
        let error =
            Err::<(), _>(Hinted::error("no stand-ins are up", "start them")).context("env").unwrap_err();
        assert_eq!(shown(&error), "error: env\n  because: no stand-ins are up\nhint: start them\n");
    }

    #[test]
    fn all_problems_are_listed() {
        let problems =
            vec![Problem::new("a.toml:1:2", "bad"), Problem::new("a.toml:3:4", "worse").hint("mend it")];
        let error = anyhow::Error::new(Problems::unless(problems, ()).unwrap_err());
        assert_eq!(
            shown(&error),
            "error: 2 problems in what was given; nothing was started\n\
             a.toml:1:2: bad\na.toml:3:4: worse\n  hint: mend it\n"
        );
    }

    #[test]
    fn a_password_in_an_error_is_masked() {
        let error = anyhow::anyhow!("cannot reach amqps://engine:hunter2@localhost/engine");
        assert!(!shown(&error).contains("hunter2"));
    }
}
