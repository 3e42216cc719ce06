//! How secrets travel to MinIO's admin API: sealed with the administrator's own password.
//!
//! The format is that of `madmin-go`: salt (32 bytes), the algorithm's number (2: PBKDF2 and AES-256-GCM), nonce (8),
//! then the stream of `sio-go`. What is sent here fits into the stream's one and last fragment.

use std::num::NonZeroU32;

use bulkhead_model::Secret;
use ring::{
    aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey},
    pbkdf2,
};

use crate::services::password::Source;

/// The algorithm's number.
const PBKDF2_AES_GCM: u8 = 2;

/// Rounds of PBKDF2 that the number stands for.
const ROUNDS: NonZeroU32 = NonZeroU32::new(8192).expect("8192 is not zero");

/// The most that one fragment holds.
const FRAGMENT: usize = 16 * 1024;

/// Marks the stream's last fragment.
const LAST: u8 = 0x80;

/// Seals `text` for whoever knows `password`; none when it is longer than one fragment. `name` is what salt and nonce are
/// derived from, where they are not random.
pub(super) fn seal(password: &Secret, text: &[u8], source: Source, name: &str) -> Option<Vec<u8>> {
    if text.len() > FRAGMENT {
        return None;
    }
    let salt = source.bytes::<32>(&format!("salt of {name}"));
    let nonce = source.bytes::<8>(&format!("nonce of {name}"));
    let key = key(password, &salt)?;
    // The stream's own tag, over nothing, is bound into every fragment.
    let tag = key.seal_in_place_separate_tag(numbered(nonce, 0), Aad::empty(), &mut []).ok()?;
    let mut bound = vec![LAST];
    bound.extend_from_slice(tag.as_ref());
    let mut sealed = text.to_vec();
    key.seal_in_place_append_tag(numbered(nonce, 1), Aad::from(bound), &mut sealed).ok()?;
    Some([&salt[..], &[PBKDF2_AES_GCM], &nonce, &sealed].concat())
}

fn key(password: &Secret, salt: &[u8]) -> Option<LessSafeKey> {
    let mut key = [0_u8; 32];
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, ROUNDS, salt, password.expose().as_bytes(), &mut key);
    UnboundKey::new(&AES_256_GCM, &key).ok().map(LessSafeKey::new)
}

/// The nonce of the n-th seal of a stream.
fn numbered(nonce: [u8; 8], number: u32) -> Nonce {
    let mut all = [0_u8; 12];
    let (start, end) = all.split_at_mut(8);
    start.copy_from_slice(&nonce);
    end.copy_from_slice(&number.to_le_bytes());
    Nonce::assume_unique_for_key(all)
}

#[cfg(test)]
mod tests {
    use bulkhead_model::Secret;
    use ring::aead::Aad;

    use super::{Source, key, numbered};

    fn seal(password: &Secret, text: &[u8]) -> Option<Vec<u8>> {
        super::seal(password, text, Source::Random, "")
    }

    /// Opens what [`seal`] made, step by step as `madmin-go` describes it.
    fn open(password: &Secret, sealed: &[u8]) -> Option<Vec<u8>> {
        let (salt, rest) = sealed.split_at(32);
        let (number, rest) = rest.split_at(1);
        let (nonce, rest) = rest.split_at(8);
        assert_eq!(number, [2]);
        let (key, nonce) = (key(password, salt)?, nonce.try_into().unwrap());
        let tag = key.seal_in_place_separate_tag(numbered(nonce, 0), Aad::empty(), &mut []).unwrap();
        let bound = [&[0x80], tag.as_ref()].concat();
        let mut text = rest.to_vec();
        key.open_in_place(numbered(nonce, 1), Aad::from(bound), &mut text).ok().map(|text| text.to_vec())
    }

    #[test]
    fn only_the_password_opens_it() {
        let password = Secret::new("correct horse");
        let sealed = seal(&password, b"secret").unwrap();
        assert_eq!(open(&password, &sealed).as_deref(), Some(&b"secret"[..]));
        assert_eq!(open(&Secret::new("wrong"), &sealed), None);
        assert_ne!(sealed, seal(&password, b"secret").unwrap(), "salt and nonce are fresh");
        assert_eq!(seal(&password, &[0; 16 * 1024 + 1]), None);
    }
}
