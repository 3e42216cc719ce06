//! A throw-away certificate authority for one run, and the server certificates that it signs.
//!
//! P-256 keys in PKCS#8 PEM, which PostgreSQL, Redis, RabbitMQ and rustls all read. Server certificates name
//! `localhost`, `127.0.0.1` and `::1`, so `verify-full` works by name and by address.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    path::{Path, PathBuf},
};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};

use crate::{Error, private};

/// The run's own authority. Its key lives in memory only.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

/// A server's files.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The authority's certificate, PEM.
    pub ca: PathBuf,
    /// The server's certificate, PEM.
    pub cert: PathBuf,
    /// The server's key, PKCS#8 PEM, mode 0600.
    pub key: PathBuf,
}

impl Authority {
    /// Makes a new authority.
    ///
    /// # Errors
    /// [`Error::Certificates`] when the system gives no randomness.
    pub fn new() -> Result<Self, Error> {
        let key = KeyPair::generate().map_err(Error::Certificates)?;
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "Bulkhead throw-away CA");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params.self_signed(&key).map_err(Error::Certificates)?;
        Ok(Self { pem: certificate.pem(), issuer: Issuer::new(params, key) })
    }

    /// The authority's certificate, PEM.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// Signs a certificate for `service` and writes `ca.pem`, `cert.pem` and `key.pem` into `dir`.
    ///
    /// # Errors
    /// When signing fails or a file cannot be written.
    pub fn identity(&self, service: &str, dir: &Path) -> Result<Identity, Error> {
        let key = KeyPair::generate().map_err(Error::Certificates)?;
        let names = vec![String::from("localhost")];
        let mut params = CertificateParams::new(names).map_err(Error::Certificates)?;
        params.subject_alt_names.push(SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST)));
        params.subject_alt_names.push(SanType::IpAddress(IpAddr::V6(Ipv6Addr::LOCALHOST)));
        params.distinguished_name.push(DnType::CommonName, format!("bulkhead {service}"));
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(&key, &self.issuer).map_err(Error::Certificates)?;
        let files = Identity { ca: dir.join("ca.pem"), cert: dir.join("cert.pem"), key: dir.join("key.pem") };
        private::write(&files.ca, &self.pem, 0o644)?;
        private::write(&files.cert, &certificate.pem(), 0o644)?;
        private::write(&files.key, &key.serialize_pem(), 0o600)?;
        Ok(files)
    }
}
