//! An authority that a proxy is given, the leaves that it signs, and what can be wrong with a leaf.
//!
//! Keys stay in memory and are shown nowhere: not by `Debug`, the API or an error.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, LazyLock, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use base64::prelude::{BASE64_STANDARD, Engine as _};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::{
    RootCertStore,
    client::{WebPkiServerVerifier, danger::ServerCertVerifier as _},
    crypto::{CryptoProvider, ring},
    pki_types::{
        CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime, pem::PemObject as _,
    },
    sign::CertifiedKey,
};

use crate::Error;

/// Leaves kept for names that are asked for again; the oldest go first.
const LEAVES: usize = 256;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// A name that nobody has: `.invalid` is reserved by RFC 6761.
const NOBODY: &str = "wrong-host.invalid";

/// The one provider of this program, whatever else may be in the process.
pub(super) static PROVIDER: LazyLock<Arc<CryptoProvider>> =
    LazyLock::new(|| Arc::new(ring::default_provider()));

/// What is wrong with a leaf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    None,
    Expired,
    WrongHost,
    SelfSigned,
}

/// An authority and its key. Clones are the same one.
#[derive(Clone)]
pub struct Authority(Arc<Inner>);

struct Inner {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    pem: String,
    leaves: Mutex<VecDeque<(Vec<String>, Arc<CertifiedKey>)>>,
}

impl Authority {
    /// Reads an authority's certificate and its PKCS#8 key, and makes sure that they belong together by signing a
    /// certificate and verifying it.
    ///
    /// # Errors
    /// [`Error::Tls`] when either is not PEM of its kind, or what the key signs does not verify.
    pub fn new(certificate: &str, key: &str) -> Result<Self, Error> {
        let der = CertificateDer::from_pem_slice(certificate.as_bytes())
            .map_err(|error| bad("the authority's certificate is not PEM", &error))?;
        // What the parser says of a key may quote it.
        let key = KeyPair::from_pem(key).map_err(|_| {
            Error::Tls(
                "the authority's key is not PKCS#8 PEM (`openssl pkcs8 -topk8 -nodes` makes it so)".into(),
            )
        })?;
        let issuer = Issuer::from_ca_cert_der(&der, key)
            .map_err(|error| bad("the authority's certificate cannot be used", &error))?;
        let authority = Self::of(issuer, der);
        authority.verify()?;
        Ok(authority)
    }

    /// A new one that nobody trusts.
    ///
    /// # Errors
    /// [`Error::Tls`] when the system gives no randomness.
    pub fn throw_away() -> Result<Self, Error> {
        let failed = |error: rcgen::Error| bad("cannot make an authority", &error);
        let key = KeyPair::generate().map_err(failed)?;
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "bulkhead proxy, not to be trusted");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params.self_signed(&key).map_err(failed)?;
        let der = certificate.der().clone();
        Ok(Self::of(Issuer::new(params, key), der))
    }

    /// What TLS faults on proxies that pass TLS through are signed by: one for each process.
    ///
    /// # Errors
    /// As [`Authority::throw_away`].
    pub fn of_faults() -> Result<Self, Error> {
        static FAULTS: LazyLock<Result<Authority, Error>> = LazyLock::new(Authority::throw_away);
        FAULTS.clone()
    }

    /// The certificate, PEM, for whoever is to trust it.
    pub fn pem(&self) -> &str {
        &self.0.pem
    }

    /// A key and a certificate for those names and addresses, with that flaw. Sound ones are kept.
    pub(super) fn leaf(&self, names: &[String], flaw: Flaw) -> Result<Arc<CertifiedKey>, Error> {
        if flaw == Flaw::None
            && let Some((_, leaf)) = self.leaves().iter().find(|(kept, _)| kept == names)
        {
            return Ok(leaf.clone());
        }
        let leaf = Arc::new(self.sign(names, flaw)?);
        if flaw == Flaw::None {
            let mut leaves = self.leaves();
            if leaves.len() == LEAVES {
                leaves.pop_front();
            }
            leaves.push_back((names.to_owned(), leaf.clone()));
        }
        Ok(leaf)
    }

    fn of(issuer: Issuer<'static, KeyPair>, certificate: CertificateDer<'static>) -> Self {
        // Written anew from the certificate alone: the text that was given may hold a key as well.
        let pem = encoded(&certificate);
        Self(Arc::new(Inner { issuer, certificate, pem, leaves: Mutex::default() }))
    }

    fn leaves(&self) -> std::sync::MutexGuard<'_, VecDeque<(Vec<String>, Arc<CertifiedKey>)>> {
        self.0.leaves.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sign(&self, names: &[String], flaw: Flaw) -> Result<CertifiedKey, Error> {
        let failed = |error: rcgen::Error| bad("cannot sign a certificate", &error);
        let names = if flaw == Flaw::WrongHost { vec![NOBODY.to_owned()] } else { names.to_owned() };
        let key = KeyPair::generate().map_err(failed)?;
        let now = SystemTime::now();
        let mut params = CertificateParams::new(names).map_err(failed)?;
        params.distinguished_name.push(DnType::CommonName, "bulkhead proxy");
        params.not_before = (now - 30 * DAY).into();
        params.not_after = if flaw == Flaw::Expired { now - DAY } else { now + 365 * DAY }.into();
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let chain = if flaw == Flaw::SelfSigned {
            vec![params.self_signed(&key).map_err(failed)?.der().clone()]
        } else {
            let leaf = params.signed_by(&key, &self.0.issuer).map_err(failed)?;
            vec![leaf.der().clone(), self.0.certificate.clone()]
        };
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        CertifiedKey::from_der(chain, key, &PROVIDER).map_err(|error| bad("cannot use a new key", &error))
    }

    /// Whether what it signs verifies against its own certificate.
    fn verify(&self) -> Result<(), Error> {
        let failed = |error: &dyn fmt::Display| {
            bad("what the authority's key signs does not verify by its certificate", error)
        };
        let mut roots = RootCertStore::empty();
        roots.add(self.0.certificate.clone()).map_err(|error| failed(&error))?;
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), PROVIDER.clone()).build();
        let verifier = verifier.map_err(|error| failed(&error))?;
        let leaf = self.sign(&["localhost".to_owned()], Flaw::None)?;
        let name = ServerName::try_from("localhost").map_err(|error| failed(&error))?;
        let verified = leaf.end_entity_cert().and_then(|certificate| {
            verifier.verify_server_cert(certificate, &[], &name, &[], UnixTime::now())
        });
        verified.map(|_| ()).map_err(|error| failed(&error))
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Authority").field("pem", &self.0.pem).finish_non_exhaustive()
    }
}

impl PartialEq for Authority {
    fn eq(&self, other: &Self) -> bool {
        self.0.certificate == other.0.certificate
    }
}

fn encoded(certificate: &[u8]) -> String {
    let text = BASE64_STANDARD.encode(certificate);
    let mut pem = String::from("-----BEGIN CERTIFICATE-----\n");
    for (at, letter) in text.chars().enumerate() {
        if at > 0 && at % 64 == 0 {
            pem.push('\n');
        }
        pem.push(letter);
    }
    pem + "\n-----END CERTIFICATE-----\n"
}

pub(super) fn bad(what: &str, why: &dyn fmt::Display) -> Error {
    Error::Tls(format!("{what}: {why}"))
}
