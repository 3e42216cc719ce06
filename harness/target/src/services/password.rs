//! Random passwords for the servers' users.

use bulkhead_model::Secret;

/// 192 random bits as 48 hexadecimal digits: safe unquoted in URLs, SQL, configuration files and ACL rules.
pub(crate) fn random() -> Secret {
    Secret::new(hex::encode(rand::random::<[u8; 24]>()))
}

#[cfg(test)]
mod tests {
    #[test]
    fn two_differ_and_are_plain_text() {
        let (a, b) = (super::random(), super::random());
        assert_ne!(a, b);
        assert!(a.expose().len() == 48 && a.expose().bytes().all(|b| b.is_ascii_hexdigit()));
    }
}
