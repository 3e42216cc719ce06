//! What is known to go wrong with managed services: signatures as data, a file a provider, and how they are matched.
//!
//! A signature says where it can be seen ([`Seen`]), how it is told (`all` of these patterns on some line, one of `any`,
//! none of `unless`; see `pattern.rs`), what it means, what to do, and whose word that is. Texts of errors and
//! handshakes go to [`diagnose`]; what URLs and harmless reads show is written down as lines `name: value` ([`facts`])
//! and goes to [`diagnose_facts`]. Nothing here connects to anything; the answers come from `engine`.

use serde::{Deserialize, Serialize};

use crate::Service;

pub mod facts;
pub mod findings;
mod pattern;
mod signatures;

pub use facts::{Given, look_at_variables};
pub use findings::{DoctorReport, Finding, Looked};
pub use signatures::{Provider, Signature, Untold};

/// Where a signature can be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Seen {
    /// In an environment variable, before anything is contacted.
    Url,
    /// While a connection is made: name, TLS, login.
    Handshake,
    /// In the text of an error, whenever it comes.
    Error,
    /// In what a harmless read returns.
    Read,
}

impl Seen {
    /// The word in files and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Url => "url",
            Self::Handshake => "handshake",
            Self::Error => "error",
            Self::Read => "read",
        }
    }
}

/// How much a diagnosis weighs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Weight {
    /// Something is wrong.
    #[default]
    Wrong,
    /// Nothing is wrong yet; something works otherwise than many expect.
    Beware,
}

/// What is wrong, why, what to do, and whose word that is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnosis {
    /// `neon.password`
    pub id: String,
    /// `Neon`; `any` when it is no provider's own.
    pub provider: String,
    /// Whether something is wrong.
    pub weight: Weight,
    /// Where it can be seen.
    pub seen: Seen,
    /// What is wrong, in short.
    pub symptom: String,
    /// Why.
    pub cause: String,
    /// What to do.
    pub fix: String,
    /// Whose word that is: pages and files, the first the best.
    pub source: String,
}

/// Everything that is known, in the order in which it is asked.
pub fn providers() -> &'static [Provider] {
    &signatures::PROVIDERS
}

/// The diagnosis of an error's or a handshake's text, when it is a known one. The service's own provider is asked before
/// what holds for all; without a service only the latter is. A `code` that the row does not list rules it out.
pub fn diagnose(service: Option<Service>, text: &str, code: Option<&str>) -> Option<&'static Diagnosis> {
    let texts = |signature: &&Signature| matches!(signature.diagnosis.seen, Seen::Handshake | Seen::Error);
    asked(service).filter(texts).find(|signature| signature.matches(text, code)).map(|s| &s.diagnosis)
}

/// Every diagnosis that the facts of one service give, those of its own provider first. `seen` is [`Seen::Url`] or
/// [`Seen::Read`].
pub fn diagnose_facts(service: Service, seen: Seen, facts: &str) -> Vec<&'static Diagnosis> {
    let rows = asked(Some(service)).filter(|row| row.diagnosis.seen == seen && row.matches(facts, None));
    let mut found: Vec<&Diagnosis> = Vec::new();
    for row in rows {
        // What the provider's own file explains is not explained again.
        if !found.iter().any(|known| known.symptom == row.diagnosis.symptom) {
            found.push(&row.diagnosis);
        }
    }
    found
}

/// The diagnosis of a text that names its service itself, as errors of clients here do: `redis: could not connect…`.
pub fn diagnose_text(text: &str) -> Option<&'static Diagnosis> {
    let service = Service::ALL
        .into_iter()
        .filter_map(|service| Some((text.find(&format!("{service}: could not"))?, service)))
        .min_by_key(|(at, _)| *at);
    diagnose(service.map(|(_, service)| service), text, None)
}

/// The signatures that a service's text is held against.
fn asked(service: Option<Service>) -> impl Iterator<Item = &'static Signature> {
    let own = move |provider: &&Provider| provider.service.is_none() || provider.service == service;
    providers().iter().filter(own).flat_map(|provider| &provider.signatures)
}
