//! Which figures the command line asks for. Criterion chooses, and tells it only by taking a sample; here is no more than what
//! lets a figure be made ready before that.

/// Criterion's options that take no next word as their value, as far as they are usual.
const BARE: [&str; 8] =
    ["--bench", "--discard-baseline", "--exact", "--noplot", "--quick", "--quiet", "--test", "--verbose"];

/// What is certain to be measured. The rest is made ready with its first sample, if there is one.
pub(super) enum Chosen {
    /// Everything.
    All,
    /// Whose name has one of these words.
    Named(Vec<String>),
    /// Nothing that is known here.
    Unknown,
}

impl Chosen {
    /// Reads the command line.
    pub(super) fn by(mut arguments: impl Iterator<Item = String>) -> Self {
        let mut words = Vec::new();
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--list" => return Self::Unknown,
                bare if BARE.contains(&bare) || bare.contains('=') => {}
                option if option.starts_with('-') => drop(arguments.next()),
                _ => words.push(argument),
            }
        }
        if words.is_empty() { Self::All } else { Self::Named(words) }
    }

    /// Whether the figure of that name is among them.
    pub(super) fn has(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Named(words) => words.iter().any(|word| name.contains(word)),
            Self::Unknown => false,
        }
    }
}
