//! What the extension `tls` takes, refuses and shows.

use serde_json::json;

use super::{Authority, Tls};
use crate::Error;

const KEY_HEADER: &str = "-----BEGIN PRIVATE KEY-----";

/// An authority's certificate and key, PEM.
pub(crate) fn authority() -> (String, String) {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::default();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Constrained(0));
    (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

#[test]
fn an_authority_is_refused_when_its_parts_do_not_belong_together() {
    let ((certificate, key), (_, other)) = (authority(), authority());
    Authority::new(&certificate, &key).unwrap();
    for (certificate, key) in [(&certificate, &other), (&key, &key), (&certificate, &certificate)] {
        assert!(matches!(Authority::new(certificate, key), Err(Error::Tls(_))));
    }
}

#[test]
fn neither_debug_nor_json_nor_an_error_shows_a_key() {
    let ((certificate, key), (_, other)) = (authority(), authority());
    // Both in one text, as many tools write them.
    let both = format!("{certificate}{key}");
    let tls = Tls::read(&json!({
        "ca_certificate": both, "ca_key": key, "upstream_roots": both, "server_name": "db.example",
    }))
    .unwrap();
    let mut shown = format!("{tls:?} {}", tls.shown());
    for (field, value) in
        [("ca_key", &other), ("ca_certificate", &other), ("upstream_roots", &other), ("k", &other)]
    {
        let mut asked = json!({"ca_certificate": certificate, "ca_key": key});
        asked[field] = json!(value);
        if let Err(error) = Tls::read(&asked) {
            shown += &error.to_string();
        }
    }
    assert!(!shown.contains(KEY_HEADER), "{shown}");
    for line in key.lines().chain(other.lines()).filter(|line| !line.starts_with('-')) {
        assert!(!shown.contains(line), "{shown}");
    }
    // The certificate is public, and is what a client has to trust.
    assert_eq!(tls.shown()["ca_certificate"], json!(certificate.replace('\r', "")));
}

#[test]
fn what_is_mistyped_is_refused() {
    let (certificate, key) = authority();
    for (field, value) in [
        ("ca_kye", json!("x")),
        ("server_name", json!("not a name")),
        ("server_name", json!(7)),
        ("upstream_server_name", json!("")),
        ("upstream_roots", json!("-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----")),
        ("upstream_roots", json!("")),
        ("upstream_roots_file", json!("/dev/zero")),
        ("ca_key_file", json!("/nowhere")),
        ("preamble", json!({"ask": "00"})),
        ("preamble", json!({"ask": "00", "answer": "00", "refusal": ""})),
        ("preamble", json!({"ask": "xx", "answer": "00"})),
    ] {
        let mut asked = json!({"ca_certificate": certificate, "ca_key": key});
        asked[field] = value;
        assert!(matches!(Tls::read(&asked), Err(Error::Tls(_))), "{field}");
    }
    for asked in [json!(null), json!([]), json!({}), json!({"ca_certificate": certificate})] {
        assert!(matches!(Tls::read(&asked), Err(Error::Tls(_))), "{asked}");
    }
}
