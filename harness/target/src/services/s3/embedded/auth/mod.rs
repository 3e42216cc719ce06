//! Who asks, and may they: the key of a signature, the form of the signature, the grant, the headers that are refused.
//!
//! `s3s` computes signatures and finds the operation; everything that it leaves open is decided here, in one place and
//! before any operation runs.

use std::sync::Arc;

use s3s::{
    S3Error, S3ErrorCode, S3Result,
    access::{S3Access, S3AccessContext},
    auth::{S3Auth, SecretKey},
    dto::CopySource,
    s3_error,
};

use super::{
    grants::{Decision, Request, allowed},
    keys::Keys,
};
use crate::services::s3::control::{Key, Options};

mod headers;
pub(crate) mod query;
mod signature;

use query::Query;

/// The length of B2's application key ids. Its master key's id is shorter, and refused by the S3 calls.
const KEY_ID_LENGTH: usize = 25;

/// Stands before every operation.
#[derive(Clone)]
pub(crate) struct Gate {
    keys: Arc<Keys>,
    options: Arc<Options>,
}

/// The key that signed a request, for operations that ask about several objects.
#[derive(Clone)]
pub(crate) struct Signer(pub Arc<Key>);

impl Gate {
    /// A gate for these keys.
    pub(crate) fn new(keys: Arc<Keys>, options: Arc<Options>) -> Self {
        Self { keys, options }
    }

    fn key(&self, id: &str) -> S3Result<Arc<Key>> {
        if id.len() != KEY_ID_LENGTH {
            return Err(s3_error!(InvalidAccessKeyId, "Malformed Access Key Id"));
        }
        self.keys.get(id).ok_or_else(|| s3_error!(InvalidAccessKeyId, "The key '{id}' is not valid"))
    }
}

/// B2's refusal, whatever the reason.
pub(crate) fn not_entitled() -> S3Error {
    s3_error!(AccessDenied, "not entitled")
}

#[async_trait::async_trait]
impl S3Auth for Gate {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        Ok(SecretKey::from(self.key(access_key)?.secret.expose()))
    }
}

#[async_trait::async_trait]
impl S3Access for Gate {
    async fn check(&self, context: &mut S3AccessContext<'_>) -> S3Result<()> {
        let Some(credentials) = context.credentials() else {
            return Err(s3_error!(AccessDenied, "Unauthenticated requests are not allowed for this api"));
        };
        let key = self.key(&credentials.access_key)?;
        let query = Query::parse(context.uri().query().unwrap_or_default())?;
        signature::check_form(context.headers(), &query, self.options.region.as_deref())?;

        let source = copy_source(context.headers())?;
        let request = Request {
            operation: context.s3_op().name(),
            bucket: context.s3_path().get_bucket_name(),
            key: context.s3_path().get_object_key(),
            prefix: query.get("prefix").unwrap_or_default(),
            version: query.get("versionId").is_some(),
            source: source.as_ref().map(|(bucket, key)| (&**bucket, &**key)),
        };
        if allowed(&key.grants, &request) == Decision::NotEntitled {
            return Err(not_entitled());
        }
        headers::check(request.operation, context.headers(), self.options.profile)?;
        context.extensions_mut().insert(Signer(key));
        Ok(())
    }
}

/// Bucket and key of a copy's source, read as `s3s` will read them again.
fn copy_source(headers: &hyper::HeaderMap) -> S3Result<Option<(Box<str>, Box<str>)>> {
    let mut values = headers.get_all("x-amz-copy-source").iter();
    let Some(value) = values.next() else { return Ok(None) };
    let malformed = || S3Error::with_message(S3ErrorCode::InvalidArgument, "Invalid copy source object key");
    if values.next().is_some() {
        return Err(malformed());
    }
    let text = value.to_str().map_err(|_| malformed())?;
    match CopySource::parse(text).map_err(|_| malformed())? {
        CopySource::Bucket { bucket, key, .. } => Ok(Some((bucket, key))),
        CopySource::AccessPoint { .. } | CopySource::Outpost { .. } => Err(malformed()),
    }
}
