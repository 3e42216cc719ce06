//! Why a change was refused, in Toxiproxy's own words and with its HTTP status, so that every surface says the same.

/// A refusal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The request is not JSON of the right shape; what the parser said.
    #[error("bad request body: {0}")]
    BadBody(String),
    /// The request is larger than anything that could be meant.
    #[error("bad request body: it is larger than 16 MiB")]
    BodyTooLarge,
    /// A proxy without its name or upstream; in a list, with its place counted from 1.
    #[error("missing required field: {field}{}", place(*.at))]
    MissingField {
        /// `name`, `upstream` or, of a seed, `seed`.
        field: &'static str,
        /// The proxy's place in a list, counted from 1.
        at: Option<usize>,
    },
    /// The extension `tls` does not make sense: which part, and why. Never a key.
    #[error("bad tls: {0}")]
    Tls(String),
    /// No proxy of that name.
    #[error("proxy not found")]
    ProxyNotFound,
    /// The name is taken.
    #[error("proxy already exists")]
    ProxyExists,
    /// Neither `upstream`, `downstream` nor, as an extension, `both`.
    #[error("stream was invalid, can be either upstream or downstream")]
    InvalidStream,
    /// No toxic of that type.
    #[error("invalid toxic type")]
    InvalidType,
    /// The proxy has a toxic of that name, on either stream.
    #[error("toxic already exists")]
    ToxicExists,
    /// The proxy has no toxic of that name.
    #[error("toxic not found")]
    ToxicNotFound,
    /// It cannot be listened there; what the operating system says.
    #[error("listen tcp{}: {reason}", .at.as_ref().map(|at| format!(" {at}")).unwrap_or_default())]
    Listen {
        /// The address, once it could be resolved.
        at: Option<String>,
        /// The text, after the name of the call.
        reason: String,
    },
    /// An address means nothing or cannot be resolved.
    #[error("{0}")]
    Address(String),
    /// The process ended before the change did.
    #[error("the change was cut off")]
    CutOff,
    /// Any of them, with how many bytes of the text that was read come before what is wrong.
    #[error("{error}")]
    At {
        /// So many bytes.
        place: usize,
        /// What is wrong there.
        error: Box<Error>,
    },
}

impl Error {
    /// The HTTP status that goes with it.
    pub fn status(&self) -> u16 {
        match self {
            Self::BadBody(_)
            | Self::MissingField { .. }
            | Self::Tls(_)
            | Self::InvalidStream
            | Self::InvalidType => 400,
            Self::BodyTooLarge => 413,
            Self::ProxyNotFound | Self::ToxicNotFound => 404,
            Self::ProxyExists | Self::ToxicExists => 409,
            Self::Listen { .. } | Self::Address(_) | Self::CutOff => 500,
            Self::At { error, .. } => error.status(),
        }
    }

    /// With its place in a text, unless a closer one is known.
    pub(crate) fn at(self, place: usize) -> Self {
        if let Self::At { .. } = self { self } else { Self::At { place, error: Box::new(self) } }
    }

    /// Where in the text it is, as far as that is known, and what is wrong there.
    pub(crate) fn placed(self) -> (Option<usize>, Self) {
        match self {
            Self::At { place, error } => (Some(place), *error),
            error => (None, error),
        }
    }
}

fn place(at: Option<usize>) -> String {
    at.map(|at| format!(" at proxy {at}")).unwrap_or_default()
}
