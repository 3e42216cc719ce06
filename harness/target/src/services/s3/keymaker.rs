//! Fresh keys, shaped like B2's, with the rights of its console's "Read and Write".

use bulkhead_model::{Enforcement, S3Slice, Secret};
use rand::RngExt as _;

use super::{
    control::{Key, Slice},
    embedded::{Capability, KeyGrant},
};

/// What a key of B2's console may do when "Read and Write" is ticked and "Allow List All Bucket Names" is not.
const READ_AND_WRITE: [Capability; 8] = [
    Capability::ListBuckets,
    Capability::ReadBuckets,
    Capability::ReadBucketEncryption,
    Capability::ListFiles,
    Capability::ReadFiles,
    Capability::ShareFiles,
    Capability::WriteFiles,
    Capability::DeleteFiles,
];

/// The same without what reads a bucket's settings, for a prefix in a bucket that others use as well: its rules name
/// everybody's prefixes.
const IN_SHARED_BUCKET: [Capability; 6] = [
    Capability::ListBuckets,
    Capability::ListFiles,
    Capability::ReadFiles,
    Capability::ShareFiles,
    Capability::WriteFiles,
    Capability::DeleteFiles,
];

/// The alphabet of B2's secrets.
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// A key for a slice.
///
/// Enforced, it reaches nothing else. By convention it reaches every bucket of the topology, as one account key that
/// apps share does.
pub(super) fn make(slice: &S3Slice, buckets: &[String], enforcement: Enforcement) -> Key {
    let prefix = slice.prefix.clone().unwrap_or_default();
    let grant = match enforcement {
        Enforcement::Enforced => KeyGrant {
            buckets: Some(vec![slice.bucket.clone()]),
            capabilities: if prefix.is_empty() { READ_AND_WRITE.to_vec() } else { IN_SHARED_BUCKET.to_vec() },
            prefix: prefix.clone(),
        },
        Enforcement::Convention => KeyGrant {
            buckets: Some(buckets.to_vec()),
            prefix: String::new(),
            capabilities: READ_AND_WRITE.to_vec(),
        },
    };
    Key {
        id: id(),
        secret: secret(),
        grants: vec![grant],
        slice: Slice { bucket: slice.bucket.clone(), prefix },
        revoked: false,
    }
}

/// `005`, twelve hexadecimal digits of an account, ten digits of a key.
pub(super) fn id() -> String {
    let account = rand::random::<u64>() & 0xffff_ffff_ffff;
    let number = rand::random_range(0..10_000_000_000_u64);
    format!("005{account:012x}{number:010}")
}

/// `K005` and 27 characters.
pub(super) fn secret() -> Secret {
    let mut random = rand::rng();
    let characters = (0..27).map(|_| char::from(ALPHABET[random.random_range(0..ALPHABET.len())]));
    Secret::new(std::iter::once("K005".to_owned()).chain(characters.map(String::from)).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::{id, secret};

    #[test]
    fn keys_look_like_b2s() {
        let (one, other) = (id(), id());
        assert_eq!(one.len(), 25);
        assert!(one.starts_with("005"));
        assert_ne!(one, other);
        let (one, other) = (secret(), secret());
        assert_eq!(one.expose().len(), 31);
        assert!(one.expose().starts_with("K005"));
        assert_ne!(one.expose(), other.expose());
    }
}
