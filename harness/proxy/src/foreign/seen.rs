//! What another server shows of its proxies, read leniently: kinds and attributes that we do not know are kept.

use serde::Deserialize;
use serde_json::{Map, Value};

/// A proxy there.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct SeenProxy {
    /// Its name.
    pub name: String,
    /// Where it listens.
    pub listen: String,
    /// Where it dials.
    pub upstream: String,
    /// Whether it listens.
    pub enabled: bool,
    /// Its toxics.
    #[serde(default)]
    pub toxics: Vec<SeenToxic>,
}

/// A toxic there.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct SeenToxic {
    /// Unique in its proxy.
    pub name: String,
    /// Its kind's name.
    #[serde(rename = "type")]
    pub kind: String,
    /// `upstream` or `downstream`, in the letter case of whoever asked for it.
    pub stream: String,
    /// The chance that it acts on a connection.
    pub toxicity: f32,
    /// As they are shown.
    #[serde(default)]
    pub attributes: Map<String, Value>,
}
