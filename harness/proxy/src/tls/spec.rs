//! The extension `tls` of a proxy: what is asked for, read from JSON and checked at once, and shown without its key.

use std::{fmt, io::Read as _, path::Path, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
};
use serde_json::{Map, Value, json};

use super::authority::{Authority, PROVIDER, bad};
use crate::Error;

/// No PEM file that is meant is larger.
const FILE: u64 = 1024 * 1024;
/// Bytes of a preamble, either way.
const PREAMBLE: usize = 64;

/// How a proxy ends TLS and begins it anew. Clones share one authority and its leaves.
#[derive(Clone)]
pub struct Tls(pub(super) Arc<Terms>);

pub(super) struct Terms {
    pub(super) authority: Authority,
    /// For clients that ask for no name; beside it the leaf always names the address that was connected to.
    pub(super) name: Option<String>,
    /// What the upstream is called, when not as in its address.
    pub(super) upstream: Option<ServerName<'static>>,
    roots: Option<Vec<CertificateDer<'static>>>,
    pub(super) client: ClientConfig,
    pub(super) preamble: Option<Preamble>,
}

/// Bytes that a client sends before TLS begins and the answer that lets it begin, the same on both sides. A client
/// that begins with another byte is taken to speak TLS from the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preamble {
    /// What the client sends, and then the proxy to the upstream.
    pub ask: Vec<u8>,
    /// What the upstream must answer, and the proxy to the client.
    pub answer: Vec<u8>,
    /// What a server without TLS answers: the fault `plaintext` says it. Empty where there is nothing of the kind.
    pub refusal: Vec<u8>,
}

impl Tls {
    /// Clients see leaves signed by `authority`; upstreams are verified against the system's roots.
    ///
    /// # Errors
    /// [`Error::Tls`] when the system has no roots.
    pub fn new(authority: Authority) -> Result<Self, Error> {
        Self::of(authority, None, None, None, None)
    }

    /// The same from values: upstreams are verified by `upstream` (none: the host in their address) against the roots
    /// in a PEM text (none: the system's).
    ///
    /// # Errors
    /// [`Error::Tls`] when `upstream` is no name, the text is not PEM, or there is no root.
    pub fn verifying(
        authority: Authority,
        upstream: Option<&str>,
        roots: Option<&str>,
        preamble: Option<Preamble>,
    ) -> Result<Self, Error> {
        let upstream = upstream.map(|name| checked(name, "upstream_server_name")).transpose()?;
        Self::of(authority, None, upstream, roots.map(certificates).transpose()?, preamble)
    }

    /// Reads the JSON of the extension: an object of `ca_certificate` and `ca_key` (PEM, or with `_file` a path to
    /// it), and optionally `server_name` (for clients that ask for none), `upstream_server_name` (when it is not the
    /// host in the upstream's address), `upstream_roots` (PEM, or `upstream_roots_file`; else the system's) and
    /// `preamble` (`ask`, `answer` and perhaps `refusal`, hexadecimal).
    ///
    /// # Errors
    /// [`Error::Tls`] with the part that is wrong and why, never with what a key's text was.
    pub fn read(value: &Value) -> Result<Self, Error> {
        const KNOWN: [&str; 9] = [
            "ca_certificate",
            "ca_certificate_file",
            "ca_key",
            "ca_key_file",
            "server_name",
            "upstream_server_name",
            "upstream_roots",
            "upstream_roots_file",
            "preamble",
        ];
        let fields = value.as_object().ok_or_else(|| Error::Tls("it is not an object".into()))?;
        if let Some(unknown) = fields.keys().find(|key| !KNOWN.contains(&key.as_str())) {
            return Err(Error::Tls(format!("no `{unknown}`, only {}", KNOWN.join(", "))));
        }
        let certificate = pem(fields, "ca_certificate")?.ok_or_else(|| missing("ca_certificate"))?;
        let key = pem(fields, "ca_key")?.ok_or_else(|| missing("ca_key"))?;
        let authority = Authority::new(&certificate, &key)?;
        let name = text(fields, "server_name")?.map(|name| checked(name, "server_name")).transpose()?;
        let upstream = text(fields, "upstream_server_name")?;
        let upstream = upstream.map(|name| checked(name, "upstream_server_name")).transpose()?;
        let roots = pem(fields, "upstream_roots")?.map(|pem| certificates(&pem)).transpose()?;
        let preamble = fields.get("preamble").map(preamble).transpose()?;
        Self::of(authority, name.map(|name| name.to_str().into_owned()), upstream, roots, preamble)
    }

    /// As JSON for people and programs: everything but the key.
    pub fn shown(&self) -> Value {
        let mut fields = Map::new();
        fields.insert("ca_certificate".into(), self.0.authority.pem().into());
        if let Some(name) = &self.0.name {
            fields.insert("server_name".into(), name.as_str().into());
        }
        if let Some(name) = &self.0.upstream {
            fields.insert("upstream_server_name".into(), name.to_str().into());
        }
        let roots = if self.0.roots.is_some() { "given" } else { "system" };
        fields.insert("upstream_roots".into(), roots.into());
        if let Some(preamble) = &self.0.preamble {
            let Preamble { ask, answer, refusal } = preamble;
            let mut shown = json!({"ask": hex::encode(ask), "answer": hex::encode(answer)});
            if !refusal.is_empty() {
                shown["refusal"] = hex::encode(refusal).into();
            }
            fields.insert("preamble".into(), shown);
        }
        Value::Object(fields)
    }

    fn of(
        authority: Authority,
        name: Option<String>,
        upstream: Option<ServerName<'static>>,
        roots: Option<Vec<CertificateDer<'static>>>,
        preamble: Option<Preamble>,
    ) -> Result<Self, Error> {
        let mut store = RootCertStore::empty();
        let trusted = roots.clone().unwrap_or_else(|| rustls_native_certs::load_native_certs().certs);
        if store.add_parsable_certificates(trusted).0 == 0 {
            return Err(Error::Tls(
                "there is no root to verify the upstream by; give `upstream_roots`".into(),
            ));
        }
        let client = ClientConfig::builder_with_provider(PROVIDER.clone())
            .with_safe_default_protocol_versions()
            .map_err(|error| bad("cannot set up a client", &error))?
            .with_root_certificates(store)
            .with_no_client_auth();
        Ok(Self(Arc::new(Terms { authority, name, upstream, roots, client, preamble })))
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_tuple("Tls").field(&self.shown()).finish()
    }
}

/// The same authority, names, roots and preamble.
impl PartialEq for Tls {
    fn eq(&self, other: &Self) -> bool {
        let (one, two) = (&self.0, &other.0);
        one.authority == two.authority
            && one.name == two.name
            && one.upstream == two.upstream
            && one.roots == two.roots
            && one.preamble == two.preamble
    }
}

fn missing(field: &str) -> Error {
    Error::Tls(format!("missing `{field}` or `{field}_file`"))
}

fn text<'a>(fields: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, Error> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Error::Tls(format!("`{name}` is not a string"))),
    }
}

/// The text of `name`, or of the file that `name_file` says.
fn pem(fields: &Map<String, Value>, name: &str) -> Result<Option<String>, Error> {
    let file = format!("{name}_file");
    match (text(fields, name)?, text(fields, &file)?) {
        (Some(_), Some(_)) => Err(Error::Tls(format!("`{name}` and `{file}` are both given"))),
        (Some(text), None) => Ok(Some(text.to_owned())),
        (None, Some(path)) => {
            read(Path::new(path)).map(Some).map_err(|error| bad(&format!("`{file}`: {path}"), &error))
        }
        (None, None) => Ok(None),
    }
}

/// A regular file of a bounded size: a pipe would never end.
fn read(path: &Path) -> std::io::Result<String> {
    if !std::fs::metadata(path)?.is_file() {
        return Err(std::io::Error::other("not a regular file"));
    }
    let mut text = String::new();
    std::fs::File::open(path)?.take(FILE).read_to_string(&mut text)?;
    Ok(text)
}

fn checked(name: &str, field: &str) -> Result<ServerName<'static>, Error> {
    ServerName::try_from(name.to_owned()).map_err(|error| bad(&format!("`{field}`: `{name}`"), &error))
}

fn certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>, Error> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    all.map_err(|error| bad("`upstream_roots` is not PEM", &error))
}

fn preamble(value: &Value) -> Result<Preamble, Error> {
    let part = |name: &str| {
        let bytes = value.get(name).and_then(Value::as_str).and_then(|text| hex::decode(text).ok());
        bytes.filter(|bytes| (1..=PREAMBLE).contains(&bytes.len())).ok_or_else(|| {
            Error::Tls(format!("`preamble` needs `{name}`, hexadecimal, of 1 to {PREAMBLE} bytes"))
        })
    };
    let refusal = if value.get("refusal").is_some() { part("refusal")? } else { Vec::new() };
    Ok(Preamble { ask: part("ask")?, answer: part("answer")?, refusal })
}
