//! Passwords for the servers' users, and the salt in what servers keep of them.

use bulkhead_model::Secret;
use sha2::{Digest as _, Sha256};

/// Goes into everything that is derived from a name.
const DERIVED: &str = "bulkhead compose";

/// Where passwords and salt come from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Source {
    /// From nothing that anybody knows.
    Random,
    /// From the name of what they open: well known, and the same whenever they are asked for.
    Derived,
}

impl Source {
    /// A password: 48 hexadecimal digits, safe unquoted in URLs, SQL, configuration files and ACL rules.
    pub(crate) fn password(self, name: &str) -> Secret {
        Secret::new(hex::encode(self.bytes::<24>(&format!("password of {name}"))))
    }

    /// So many bytes, 32 at most.
    pub(crate) fn bytes<const N: usize>(self, name: &str) -> [u8; N] {
        const { assert!(N <= 32, "a digest has no more") };
        match self {
            Self::Random => rand::random(),
            Self::Derived => {
                let digest =
                    Sha256::new().chain_update(DERIVED).chain_update([0]).chain_update(name).finalize();
                std::array::from_fn(|index| digest[index])
            }
        }
    }
}

/// A random password.
pub(crate) fn random() -> Secret {
    Source::Random.password("")
}

#[cfg(test)]
mod tests {
    use super::{Source, random};

    #[test]
    fn two_differ_and_are_plain_text() {
        let (a, b) = (random(), random());
        assert_ne!(a, b);
        assert!(a.expose().len() == 48 && a.expose().bytes().all(|b| b.is_ascii_hexdigit()));
    }

    #[test]
    fn a_derived_one_is_its_names() {
        let of = |name: &str| Source::Derived.password(name);
        assert_eq!(of("redis engine"), of("redis engine"));
        assert_ne!(of("redis engine"), of("redis plane"));
        assert_eq!(of("redis engine").expose().len(), 48);
    }
}
