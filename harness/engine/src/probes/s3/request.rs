//! Requests to S3 as they go over the wire: method, path, query, headers, body. An SDK has a function for each call and
//! shows of an answer what it expects there; a probe wants all of it, and of calls that no function makes as well.

use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_s3::{
    Client,
    config::{
        ConfigBag, Intercept, RuntimeComponents,
        http::HttpRequest,
        interceptors::{BeforeDeserializationInterceptorContextRef, BeforeTransmitInterceptorContextMut},
    },
    error::{BoxError, SdkError},
    operation::get_object::{GetObjectError, GetObjectOutput},
    primitives::SdkBody,
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use bulkhead_model::S3Slice;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::{Digest as _, Sha256};

use super::reply::Reply;
use crate::probes::answer::chain;

/// What stays as it is in a query.
const PLAIN: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// What stays as it is in a path.
const PATH: AsciiSet = PLAIN.remove(b'/');

/// A request that is not signed yet.
#[derive(Clone, Debug)]
pub(super) struct Request {
    method: &'static str,
    bucket: String,
    key: Option<String>,
    query: Vec<(&'static str, String)>,
    headers: Vec<(&'static str, String)>,
    body: String,
}

impl Request {
    /// About the account, which has no name in a path.
    pub(super) fn account(method: &'static str) -> Self {
        Self::bucket(method, "")
    }

    /// About a bucket as a whole.
    pub(super) fn bucket(method: &'static str, bucket: &str) -> Self {
        let (query, headers) = (Vec::new(), Vec::new());
        Self { method, bucket: bucket.to_owned(), key: None, query, headers, body: String::new() }
    }

    /// About an object in the slice's bucket.
    pub(super) fn object(method: &'static str, slice: &S3Slice, key: &str) -> Self {
        Self { key: Some(key.to_owned()), ..Self::bucket(method, &slice.bucket) }
    }

    /// With a parameter; one without a value names what of the bucket or object is meant.
    pub(super) fn query(mut self, name: &'static str, value: &str) -> Self {
        self.query.push((name, value.to_owned()));
        self
    }

    /// With a header.
    pub(super) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// As a copy of another object, or of one of its versions.
    pub(super) fn copy_of(self, slice: &S3Slice, key: &str, version: Option<&str>) -> Self {
        let source = utf8_percent_encode(key, &PATH);
        let version =
            version.map(|id| format!("?versionId={}", utf8_percent_encode(id, &PLAIN))).unwrap_or_default();
        self.header("x-amz-copy-source", format!("{}/{source}{version}", slice.bucket))
    }

    /// With a body, and its sum where the call demands one.
    pub(super) fn body(mut self, body: impl Into<String>) -> Self {
        self.body = body.into();
        if self.method == "POST" && self.query.iter().any(|(name, _)| *name == "delete") {
            let sum = BASE64_STANDARD.encode(Sha256::digest(&self.body));
            self.headers.push(("x-amz-checksum-sha256", sum));
        }
        self
    }

    /// Path and query, encoded.
    pub(super) fn target(&self) -> String {
        let key = self.key.as_deref().map(|key| format!("/{}", utf8_percent_encode(key, &PATH)));
        let parameter = |(name, value): &(&str, String)| match value.as_str() {
            "" => format!("{name}="),
            value => format!("{name}={}", utf8_percent_encode(value, &PLAIN)),
        };
        let query: Vec<_> = self.query.iter().map(parameter).collect();
        let mark = if query.is_empty() { "" } else { "?" };
        format!("/{}{}{mark}{}", self.bucket, key.unwrap_or_default(), query.join("&"))
    }

    /// As a person would write it.
    pub(super) fn readable(&self) -> String {
        let copied = self.headers.iter().find(|(name, _)| *name == "x-amz-copy-source");
        let copied = copied.map(|(_, source)| format!(" as a copy of `{source}`")).unwrap_or_default();
        format!("{} `{}`{copied}", self.method, self.target())
    }

    /// Signs it as the client's and sends it.
    ///
    /// # Errors
    /// In words, when no answer came.
    pub(super) async fn send(self, client: &Client) -> Result<Reply, String> {
        deliver(client, Carried { signed: Some(self), ..Carried::default() }).await
    }
}

/// Sends a method and a URL that carries its signature in itself.
///
/// # Errors
/// In words, when no answer came.
pub(super) async fn send_link(
    client: &Client,
    method: &'static str,
    url: &str,
    body: &str,
) -> Result<Reply, String> {
    let bare = Some((method, url.to_owned(), body.to_owned()));
    deliver(client, Carried { bare, ..Carried::default() }).await
}

/// Downloads by a URL that carries its signature in itself, on the client's own connections.
///
/// # Errors
/// As a download by name.
pub(crate) async fn follow(
    client: &Client,
    url: &str,
    range: Option<[u64; 2]>,
) -> Result<GetObjectOutput, SdkError<GetObjectError>> {
    let range = range.map(|[first, last]| format!("bytes={first}-{last}"));
    let call = client.get_object().bucket("carried").key("carried").set_range(range).customize();
    let bare = Some(("GET", url.to_owned(), String::new()));
    call.interceptor(Carried { bare, ..Carried::default() }).send().await
}

/// Status and headers.
type Head = (u16, Vec<(String, String)>);

/// What takes the place of one of the SDK's own requests, whose connections and signature it uses.
#[derive(Debug, Default)]
struct Carried {
    /// Put in before the signature.
    signed: Option<Request>,
    /// Put in after it, without it.
    bare: Option<(&'static str, String, String)>,
    /// Of the answer.
    head: Arc<Mutex<Option<Head>>>,
}

async fn deliver(client: &Client, carried: Carried) -> Result<Reply, String> {
    let head = Arc::clone(&carried.head);
    // Of all calls, this is the one whose answer the SDK hands over as it is.
    let call = client.get_object().bucket("carried").key("carried").customize();
    let answered = call.interceptor(carried).send().await;
    let head = head.lock().unwrap_or_else(PoisonError::into_inner).take();
    let Some((status, headers)) = head else {
        return Err(answered.err().map_or_else(|| String::from("no answer"), |error| chain(&error)));
    };
    let body = match answered {
        Ok(object) => object.body.collect().await.map(|bytes| bytes.to_vec()),
        Err(error) => Ok(body_of(&error).to_vec()),
    };
    let reply = |body: &[u8]| Reply::new(status, headers, String::from_utf8_lossy(body).into_owned());
    match body {
        Ok(body) => Ok(reply(&body)),
        // The answer came with the head; a body that breaks off is still an answer.
        Err(error) => Ok(reply(&[]).broken_off(chain(&error))),
    }
}

fn body_of<E>(error: &SdkError<E>) -> &[u8] {
    error.raw_response().and_then(|response| response.body().bytes()).unwrap_or_default()
}

impl Carried {
    fn replace(request: &Request, carrier: &mut HttpRequest) -> Result<(), BoxError> {
        let uri = carrier.uri();
        let start = uri.find("://").map_or(0, |at| at + 3);
        let end = uri.get(start..).and_then(|rest| rest.find('/')).map_or(uri.len(), |at| start + at);
        let uri = format!("{}{}", uri.get(..end).unwrap_or_default(), request.target());
        carrier.set_uri(uri)?;
        carrier.set_method(request.method)?;
        carrier.headers_mut().remove("x-amz-checksum-mode");
        for (name, value) in &request.headers {
            carrier.headers_mut().try_insert(*name, value.clone())?;
        }
        *carrier.body_mut() = SdkBody::from(request.body.as_str());
        Ok(())
    }
}

impl Intercept for Carried {
    fn name(&self) -> &'static str {
        "Carried"
    }

    fn modify_before_signing(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.signed.as_ref().map_or(Ok(()), |request| Self::replace(request, context.request_mut()))
    }

    fn modify_before_transmit(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let Some((method, url, body)) = &self.bare else { return Ok(()) };
        let carrier = context.request_mut();
        carrier.set_uri(url.clone())?;
        carrier.set_method(method)?;
        // A link's signature covers its host only, and S3 refuses what it leaves out.
        let of_the_signed = |name: &str| name.starts_with("x-amz-") || name == "authorization";
        let headers = carrier.headers().iter().map(|(name, _)| name.to_owned());
        let unsigned: Vec<_> = headers.filter(|name| of_the_signed(name)).collect();
        for name in unsigned {
            carrier.headers_mut().remove(name);
        }
        *carrier.body_mut() = SdkBody::from(body.as_str());
        Ok(())
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let response = context.response();
        let headers = response.headers().iter();
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let head = (response.status().as_u16(), headers);
        *self.head.lock().unwrap_or_else(PoisonError::into_inner) = Some(head);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use bulkhead_model::S3Slice;

    use super::Request;

    #[test]
    fn names_are_encoded_and_shown() {
        let slice = S3Slice { bucket: String::from("tl-plane"), prefix: Some(String::from("plane/")) };
        let get = Request::object("GET", &slice, "plane/a b+c").query("versionId", "1/2");
        assert_eq!(get.readable(), "GET `/tl-plane/plane/a%20b%2Bc?versionId=1%2F2`");
        let copy = Request::object("PUT", &slice, "x").copy_of(&slice, "plane/a b", Some("1"));
        assert_eq!(copy.readable(), "PUT `/tl-plane/x` as a copy of `tl-plane/plane/a%20b?versionId=1`");
        assert_eq!(Request::bucket("GET", "tl-plane").query("acl", "").readable(), "GET `/tl-plane?acl=`");
        assert_eq!(Request::account("GET").readable(), "GET `/`");
    }

    #[test]
    fn a_batch_carries_its_sum() {
        let batch = Request::bucket("POST", "b").query("delete", "").body("hello");
        let sum = "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=";
        assert_eq!(batch.headers, [("x-amz-checksum-sha256", sum.to_owned())]);
    }
}
