//! Strings that break careless code, for property tests.

use proptest::prelude::*;

/// Text without NUL that URLs, shells and percent-decoding trip over.
pub(crate) fn nasty() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        3 => "[a-zA-Z0-9]{1,4}",
        3 => prop::sample::select(vec![
            "%", "%%", "%2F", "%zz", "@", ":", "/", "//", "?", "#", "&", "=", "+", " ", "'", "\"", "\\", "$", "`", "!", "..",
            ".", "~", "[", "]", "{", "}", "|", "^", "<", ">", ";", "é", "→", "🦀", "\u{301}", "\n", "\t", "\u{7f}",
        ]).prop_map(str::to_owned),
        1 => "[^\\x00]{1,3}",
    ];
    prop::collection::vec(part, 1..6).prop_map(|parts| parts.concat())
}

/// A host name or address.
pub(crate) fn host() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z0-9]([a-z0-9.-]{0,20}[a-z0-9])?", Just("127.0.0.1".to_owned()), Just("::1".to_owned())]
}
