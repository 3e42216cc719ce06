//! The four `AWS_*` variables.

use std::fmt;

use super::{S3Access, text};
use crate::Secret;

const LIKE: &str = "`https://s3.us-west-004.backblazeb2.com`";

impl S3Access {
    /// Checks the four values.
    ///
    /// # Errors
    /// What is wrong with the first that does not do, named in words; never any part of a value.
    pub fn parse(
        endpoint: &str,
        access_key_id: &str,
        secret_access_key: &str,
        bucket: &str,
    ) -> Result<Self, String> {
        let plain = |what: &str, text: &str| match plain(text) {
            Ok(()) => Ok(text.to_owned()),
            Err(why) => Err(format!("the {what} {why}")),
        };
        Ok(Self {
            endpoint: self::endpoint(endpoint).map_err(|why| format!("the endpoint {why}"))?,
            access_key_id: plain("access key id", access_key_id)?,
            secret_access_key: Secret::new(plain("secret access key", secret_access_key)?),
            bucket: plain("bucket", bucket)?,
        })
    }

    /// Whether the endpoint is reached over TLS.
    pub fn tls(&self) -> bool {
        self.endpoint.starts_with("https://")
    }
}

impl fmt::Display for S3Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { endpoint, access_key_id, secret_access_key, bucket } = self;
        write!(f, "{endpoint}/{bucket} with key {access_key_id}:{secret_access_key}")
    }
}

/// `https://host:port` without a path; a final `/` is dropped.
pub(super) fn endpoint(text: &str) -> Result<String, String> {
    let (scheme, rest) = text::scheme(text, &["https", "http"], LIKE)?;
    if rest.contains('@') {
        return Err("has an `@`: the keys belong in their own variables".into());
    }
    let address = rest.strip_suffix('/').unwrap_or(rest);
    if address.contains(['/', '?', '#']) {
        return Err("has a path or a query: the bucket belongs in its own variable".into());
    }
    let (host, port) = text::host_and_port(address)?;
    let host = text::bracketed(&host);
    Ok(match port {
        Some(port) => format!("{scheme}://{host}:{port}"),
        None => format!("{scheme}://{host}"),
    })
}

/// A value that is there and has nothing invisible in it.
pub(super) fn plain(text: &str) -> Result<(), &'static str> {
    if text.is_empty() {
        return Err("is empty");
    }
    if text.starts_with(['"', '\'']) {
        return Err("begins with a quotation mark, which belongs to the shell and not to the value");
    }
    if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err("holds a space, a line break or a control character");
    }
    Ok(())
}
