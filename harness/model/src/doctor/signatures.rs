//! The data files: a file a provider, a row a signature. Read once; a test, not a user, meets a file that is malformed.

use std::sync::LazyLock;

use serde::Deserialize;

use super::{Diagnosis, Seen, Weight, pattern::Pattern};
use crate::Service;

/// The files, in the order in which they are asked: the providers' own, then what none of them owns.
pub(super) const FILES: [(&str, &str); 5] = [
    ("neon.toml", include_str!("neon.toml")),
    ("upstash.toml", include_str!("upstash.toml")),
    ("cloudamqp.toml", include_str!("cloudamqp.toml")),
    ("b2.toml", include_str!("b2.toml")),
    ("any.toml", include_str!("any.toml")),
];

/// What is known about one provider.
#[derive(Clone, Debug)]
pub struct Provider {
    /// Its name: `Neon`; `any` for what no provider owns.
    pub name: String,
    /// The service it sells; none for what holds for all four.
    pub service: Option<Service>,
    /// How many frequent mistakes were collected; each has a signature or is among `untold`.
    pub mistakes: u32,
    /// The mistakes that cannot be told from here.
    pub untold: Vec<Untold>,
    /// The rows.
    pub signatures: Vec<Signature>,
}

/// A frequent mistake that cannot be told from here.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Untold {
    /// Its number among the provider's mistakes.
    pub mistake: u32,
    /// How it shows.
    pub symptom: String,
    /// Why it cannot be told.
    pub why: String,
}

/// One row: how a case is told, what it means and what to do.
#[derive(Clone, Debug)]
pub struct Signature {
    /// What is said when it matches.
    pub diagnosis: Diagnosis,
    /// The numbers of the frequent mistakes that it tells.
    pub mistakes: Vec<u32>,
    /// The codes that come with it, where there are any: SQLSTATE, AMQP's number, S3's word.
    pub codes: Vec<String>,
    /// Texts as they were recorded, or facts as they are written down; each must give this diagnosis and no other.
    pub examples: Vec<String>,
    all: Vec<Pattern>,
    any: Vec<Pattern>,
    unless: Vec<Pattern>,
}

impl Signature {
    /// Whether the text and the code, where the answer had one, are this row's.
    pub fn matches(&self, text: &str, code: Option<&str>) -> bool {
        let code = code.is_none_or(|code| self.codes.is_empty() || self.codes.iter().any(|one| one == code));
        code && self.all.iter().all(|pattern| pattern.is_in(text))
            && (self.any.is_empty() || self.any.iter().any(|pattern| pattern.is_in(text)))
            && !self.unless.iter().any(|pattern| pattern.is_in(text))
    }
}

/// Every provider whose file can be read, which a test says all can.
pub(super) static PROVIDERS: LazyLock<Vec<Provider>> =
    LazyLock::new(|| FILES.iter().filter_map(|(_, text)| read(text).ok()).collect());

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    provider: String,
    service: Option<Service>,
    mistakes: u32,
    #[serde(default)]
    untold: Vec<Untold>,
    signature: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    id: String,
    #[serde(default)]
    mistakes: Vec<u32>,
    #[serde(default)]
    weight: Weight,
    seen: Seen,
    #[serde(default)]
    codes: Vec<String>,
    #[serde(default)]
    all: Vec<String>,
    #[serde(default)]
    any: Vec<String>,
    #[serde(default)]
    unless: Vec<String>,
    symptom: String,
    cause: String,
    fix: String,
    source: String,
    examples: Vec<String>,
}

/// Reads one file.
///
/// # Errors
/// What is wrong with it, as one text.
pub(super) fn read(text: &str) -> Result<Provider, String> {
    let file: File = toml::from_str(text).map_err(|error| error.to_string())?;
    let provider = file.provider;
    let signatures = file.signature.into_iter().map(|row| signature(row, &provider));
    Ok(Provider {
        service: file.service,
        mistakes: file.mistakes,
        untold: file.untold,
        signatures: signatures.collect::<Result<_, _>>()?,
        name: provider,
    })
}

fn signature(row: Row, provider: &str) -> Result<Signature, String> {
    let Row { id, mistakes, weight, seen, codes, all, any, unless, symptom, cause, fix, source, examples } =
        row;
    let patterns = |texts: Vec<String>| -> Result<Vec<_>, String> {
        texts.iter().map(|text| Pattern::parse(text).map_err(|why| format!("{id}: {why}"))).collect()
    };
    let (all, any, unless) = (patterns(all)?, patterns(any)?, patterns(unless)?);
    if all.is_empty() && any.is_empty() {
        return Err(format!("{id}: no pattern, so it would match everything"));
    }
    if [&symptom, &cause, &fix, &source].iter().any(|text| text.trim().is_empty()) || examples.is_empty() {
        return Err(format!("{id}: symptom, cause, fix, source and an example are all needed"));
    }
    let provider = provider.to_owned();
    let diagnosis = Diagnosis { id, provider, weight, seen, symptom, cause, fix, source };
    Ok(Signature { diagnosis, mistakes, codes, examples, all, any, unless })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_can_be_read() {
        for (name, text) in FILES {
            let read = read(text).map_err(|why| format!("{name}: {why}"));
            assert!(read.is_ok(), "{}", read.err().unwrap_or_default());
        }
        assert_eq!(PROVIDERS.len(), FILES.len());
    }

    #[test]
    fn a_row_that_is_not_whole_is_refused() {
        let row = |pattern: &str, source: &str| {
            format!(
                "provider = \"P\"\nmistakes = 0\n[[signature]]\nid = \"p.x\"\nseen = \"error\"\n{pattern}\n\
                 symptom = \"s\"\ncause = \"c\"\nfix = \"f\"\n{source}\nexamples = [\"x\"]\n"
            )
        };
        assert!(read(&row("any = [\"x\"]", "source = \"s\"")).is_ok());
        for bad in [
            row("", "source = \"s\""),
            row("any = [\"*\"]", "source = \"s\""),
            row("any = [\"x\"]", ""),
            row("any = [\"x\"]", "source = \" \""),
            row("pattern = \"x\"", "source = \"s\""),
        ] {
            assert!(read(&bad).is_err(), "{bad}");
        }
    }
}
