//! Answers: their status, headers and bodies as Toxiproxy sends them.

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, combinators::UnsyncBoxBody};
use hyper::{
    Response, StatusCode,
    header::{CONNECTION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LOCATION},
};

use super::json;
use crate::{error::Error, server::Endless};

/// What goes over the wire.
pub(crate) type Body = UnsyncBoxBody<Bytes, std::convert::Infallible>;

/// An answer before it is sent.
#[derive(Debug)]
pub(crate) struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Body,
    endless: bool,
}

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const NO_SNIFF: (HeaderName, HeaderValue) =
    (HeaderName::from_static("x-content-type-options"), HeaderValue::from_static("nosniff"));

impl Answer {
    /// Nothing but a status.
    pub(crate) fn empty(status: StatusCode) -> Self {
        Self { status, headers: HeaderMap::new(), body: body(String::new()), endless: false }
    }

    /// JSON.
    pub(crate) fn json(status: StatusCode, text: String) -> Self {
        Self::empty(status).with(CONTENT_TYPE, JSON).bearing(body(text))
    }

    /// Plain text, as Go's `http.Error` sends it.
    pub(crate) fn text(status: StatusCode, text: &str) -> Self {
        let (sniff, never) = NO_SNIFF;
        Self::empty(status).with(CONTENT_TYPE, TEXT).with(sniff, never).bearing(body(format!("{text}\n")))
    }

    /// What comes of a path that is none, as from Go's server.
    pub(crate) fn malformed() -> Self {
        Self::no_request("400 Bad Request")
    }

    /// What comes of a request that is none, in Go's words; whoever sent it is hung up on.
    pub(crate) fn no_request(words: &str) -> Self {
        let refused = Self::empty(StatusCode::BAD_REQUEST).with(CONTENT_TYPE, TEXT);
        refused.with(CONNECTION, HeaderValue::from_static("close")).bearing(body(words.to_owned()))
    }

    /// A refusal.
    pub(crate) fn error(error: &Error) -> Self {
        Self::text(status(error), &json::object(error_members(error)))
    }

    /// Go there instead.
    pub(crate) fn moved(location: &str) -> Self {
        let location = HeaderValue::from_str(location).unwrap_or(HeaderValue::from_static("/"));
        Self::empty(StatusCode::MOVED_PERMANENTLY).with(LOCATION, location)
    }

    /// With a header.
    pub(crate) fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// With a body that has no end.
    pub(crate) fn endless(self, body: Body) -> Self {
        Self { endless: true, ..self.bearing(body) }
    }

    /// With a body.
    fn bearing(mut self, body: Body) -> Self {
        self.body = body;
        self
    }

    /// Its status.
    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }
}

impl From<Answer> for Response<Body> {
    fn from(answer: Answer) -> Self {
        let mut response = Response::new(answer.body);
        *response.status_mut() = answer.status;
        *response.headers_mut() = answer.headers;
        if answer.endless {
            response.extensions_mut().insert(Endless);
        }
        response
    }
}

/// The HTTP status of a refusal.
pub(crate) fn status(error: &Error) -> StatusCode {
    StatusCode::from_u16(error.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// What the body of a refusal says.
pub(crate) fn error_members(error: &Error) -> [(&'static str, String); 2] {
    [("error", json::string(&error.to_string())), ("status", error.status().to_string())]
}

fn body(text: String) -> Body {
    Full::new(Bytes::from(text)).boxed_unsync()
}
