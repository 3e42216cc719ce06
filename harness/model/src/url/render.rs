//! Environment variables as a shell, a dotenv reader or a program takes them. Secrets included: that is their use.

use std::{fmt::Write as _, str::FromStr};

use serde_json::Value;

/// How variables are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EnvFormat {
    /// `export NAME='value'`, for `eval "$(…)"` in any POSIX shell.
    Shell,
    /// `NAME=value`, quoted where a value needs it, for `.env` files.
    Dotenv,
    /// One object.
    Json,
}

impl EnvFormat {
    /// All, in the order of the help text.
    pub const ALL: [Self; 3] = [Self::Shell, Self::Dotenv, Self::Json];

    /// The word on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Shell => "shell",
            Self::Dotenv => "dotenv",
            Self::Json => "json",
        }
    }
}

impl FromStr for EnvFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|format| format.name() == text);
        found.ok_or_else(|| format!("unknown format `{text}`: one of shell, dotenv, json"))
    }
}

/// Writes variables, a line each, or one JSON object with its keys in alphabetical order.
pub fn render(format: EnvFormat, variables: &[(String, String)]) -> String {
    match format {
        EnvFormat::Shell => lines(variables, |name, value| format!("export {name}={}", shell_word(value))),
        EnvFormat::Dotenv => lines(variables, |name, value| format!("{name}={}", dotenv(value))),
        EnvFormat::Json => {
            let object = variables.iter().map(|(name, value)| (name.clone(), Value::String(value.clone())));
            format!("{:#}\n", Value::Object(object.collect()))
        }
    }
}

fn lines(variables: &[(String, String)], line: impl Fn(&str, &str) -> String) -> String {
    variables.iter().fold(String::new(), |mut text, (name, value)| {
        // Writing to a `String` cannot fail.
        let _ = writeln!(text, "{}", line(name, value));
        text
    })
}

/// The text as one word of a shell's: single quotes keep everything but themselves.
pub fn shell_word(value: &str) -> String {
    format!("'{}'", value.replace('\'', r"'\''"))
}

/// Readers differ on escapes, so the plainest form that does is taken: bare, then single quotes, then double.
fn dotenv(value: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || "-._~:/?&=%@+,".contains(c);
    if !value.is_empty() && value.chars().all(bare) {
        return value.to_owned();
    }
    if !value.contains(['\'', '\\', '\n', '\r']) {
        return format!("'{value}'");
    }
    let escaped = value.chars().fold(String::new(), |mut text, c| {
        match c {
            '\\' | '"' | '$' => text.extend(['\\', c]),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            _ => text.push(c),
        }
        text
    });
    format!("\"{escaped}\"")
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_quote_does_not_end_the_word() {
        assert_eq!(super::shell_word("/it's/here"), r"'/it'\''s/here'");
    }
}
