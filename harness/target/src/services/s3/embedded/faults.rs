//! Faults: what the requests of one slice's keys meet though the server is well, so that nobody else meets it.

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use futures::{StreamExt as _, stream};
use http_body_util::{BodyExt, StreamBody};
use hyper::{
    Method, Request, Response,
    body::{Frame, Incoming},
    header::{AUTHORIZATION, CONTENT_LENGTH, HeaderValue, TRANSFER_ENCODING},
};
use s3s::{Body, S3Error, s3_error, service::S3Service};

use super::{keys::Keys, server::with_short_chunks};
use crate::{ServiceFault, services::s3::control::Slice};

/// The faults that are on.
pub(super) struct Faults {
    keys: Arc<Keys>,
    on: Mutex<Vec<On>>,
}

/// One of them.
struct On {
    slice: Slice,
    fault: ServiceFault,
    /// How many requests it touched.
    touched: u64,
}

impl Faults {
    /// None yet, for these keys.
    pub(super) fn new(keys: Arc<Keys>) -> Self {
        Self { keys, on: Mutex::default() }
    }

    /// Begins one.
    pub(super) fn begin(&self, slice: Slice, fault: ServiceFault) {
        self.on().push(On { slice, fault, touched: 0 });
    }

    /// Undoes it, and says how many requests it touched; none where it was not on.
    pub(super) fn end(&self, slice: &Slice, fault: ServiceFault) -> u64 {
        let mut on = self.on();
        let ended = on.extract_if(.., |on| on.slice == *slice && on.fault == fault);
        ended.map(|on| on.touched).sum()
    }

    /// Answers a request, as the fault has it that the request's key meets.
    pub(super) async fn answer(
        &self,
        service: &S3Service,
        request: Request<Incoming>,
    ) -> Option<Response<Body>> {
        let Some((slice, fault)) = self.met(&request) else {
            return service.call(with_short_chunks(request)).await.ok();
        };
        match fault {
            ServiceFault::SlowDown => {
                self.touch(&slice, fault);
                read(request).await;
                told(s3_error!(SlowDown, "Please reduce your request rate."))
            }
            ServiceFault::InternalError => {
                // Every second one was done before the error: nobody who is told of it can know.
                if self.touch(&slice, fault).is_multiple_of(2) {
                    let _nobody_is_told = service.call(with_short_chunks(request)).await;
                } else {
                    read(request).await;
                }
                told(s3_error!(InternalError, "An internal error occurred. Please retry your upload."))
            }
            _ => {
                let bodiless = request.method() == Method::HEAD;
                let response = service.call(with_short_chunks(request)).await.ok()?;
                if bodiless || !response.status().is_success() {
                    return Some(response);
                }
                let (response, cut) = truncated(response).await;
                if cut {
                    self.touch(&slice, fault);
                }
                Some(response)
            }
        }
    }

    /// The fault that is on for the key that the request names; whether it is signed with it is found out later, or never.
    fn met(&self, request: &Request<Incoming>) -> Option<(Slice, ServiceFault)> {
        let on = self.on();
        if on.is_empty() {
            return None;
        }
        let key = self.keys.get(key(request)?)?;
        on.iter().find(|on| on.slice == key.slice).map(|on| (on.slice.clone(), on.fault))
    }

    /// Counts one more request, and says how many it were.
    fn touch(&self, slice: &Slice, fault: ServiceFault) -> u64 {
        let mut on = self.on();
        let found = on.iter_mut().find(|on| on.slice == *slice && on.fault == fault);
        found.map_or(0, |on| {
            on.touched += 1;
            on.touched
        })
    }

    fn on(&self) -> MutexGuard<'_, Vec<On>> {
        self.on.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The id of the key in a request's header, or in its link.
fn key<T>(request: &Request<T>) -> Option<&str> {
    let header = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let (text, begin) = match header {
        Some(header) => (header, "Credential="),
        None => (request.uri().query()?, "X-Amz-Credential="),
    };
    let (_, id) = text.split_once(begin)?;
    id.split(['/', '%']).next()
}

/// Reads a request to its end: a client that is still sending would find the connection closed, and no answer.
async fn read(request: Request<Incoming>) {
    let mut body = request.into_body();
    while let Some(Ok(_)) = body.frame().await {}
}

fn told(error: S3Error) -> Option<Response<Body>> {
    error.to_http_response().ok()
}

/// The response with its length and half of its body, and whether it has one.
async fn truncated(response: Response<Body>) -> (Response<Body>, bool) {
    let (mut head, body) = response.into_parts();
    let whole = match BodyExt::collect(body).await {
        Ok(whole) => whole.to_bytes(),
        Err(_) => Bytes::new(),
    };
    if whole.is_empty() {
        return (Response::from_parts(head, Body::empty()), false);
    }
    head.headers.remove(TRANSFER_ENCODING);
    head.headers.insert(CONTENT_LENGTH, HeaderValue::from(whole.len()));
    let half = stream::iter([Ok(Frame::data(whole.slice(..whole.len() / 2)))]);
    let end = stream::once(async {
        // What was written so far is sent before the connection ends.
        tokio::task::yield_now().await;
        Err(io::Error::from(io::ErrorKind::ConnectionAborted))
    });
    let body = Body::http_body_unsync(StreamBody::new(half.chain(end)));
    (Response::from_parts(head, body), true)
}

#[cfg(test)]
mod tests {
    use hyper::Request;

    use super::key;

    #[test]
    fn the_key_is_read_from_the_header_or_the_link() {
        let header =
            "AWS4-HMAC-SHA256 Credential=005a/20260101/us-east-1/s3/aws4_request, SignedHeaders=host";
        let request = |uri: &str| Request::get(uri);
        let signed = request("/b/k").header("authorization", header).body(()).unwrap();
        assert_eq!(key(&signed), Some("005a"));
        let link =
            request("/b/k?X-Amz-Expires=60&X-Amz-Credential=005b%2F20260101&X-Amz-Date=x").body(()).unwrap();
        assert_eq!(key(&link), Some("005b"));
        assert_eq!(key(&request("/b/k?list-type=2").body(()).unwrap()), None);
        assert_eq!(key(&request("/b/k").body(()).unwrap()), None);
    }
}
