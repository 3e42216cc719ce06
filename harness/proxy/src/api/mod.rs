//! Toxiproxy's HTTP API over a set of proxies: a request in, an answer out. Sockets and their limits are `server`'s.
//!
//! What Toxiproxy does not have is under `/x/`, in extra headers, or a member that Toxiproxy ignores.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use bytes::Bytes;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::{
    Method, Request, Response, StatusCode,
    body::Incoming,
    header::{CONTENT_TYPE, HeaderName, HeaderValue, USER_AGENT},
};
use percent_encoding::{CONTROLS, utf8_percent_encode};

use crate::{error::Error, proxies::Proxies, server::Limits, spec::ProxySpec};
use answer::{Answer, Body};
use decode::Remarks;
use json::Json;
use route::{Extension, Found, Place};

mod answer;
mod changes;
mod decode;
mod encode;
mod extensions;
#[cfg(test)]
mod fuzz;
mod json;
mod metrics;
mod oddity;
mod route;
#[cfg(test)]
mod tests;

/// The version of Toxiproxy whose contract is kept.
pub const VERSION: &str = "2.12.0";

/// The largest body that is read: room for some 100,000 proxies or toxics.
const BODY: usize = 16 << 20;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-toxiproxy-request-id");
/// Names the keys of a body that meant nothing.
const IGNORED: HeaderName = HeaderName::from_static("x-bulkhead-ignored-keys");
/// Says where a value means something else than it seems to.
const NOTE: HeaderName = HeaderName::from_static("x-bulkhead-note");
/// Bytes that a header of ours may have.
const HEADER: usize = 1024;

/// What an API shows.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Print what Toxiproxy prints by accident too, for comparisons byte by byte.
    pub exact: bool,
    /// Metrics of the proxies at `/metrics`.
    pub proxy_metrics: bool,
    /// Metrics of this process there.
    pub runtime_metrics: bool,
}

/// The API of a set of proxies.
#[derive(Clone, Debug)]
pub struct Api {
    proxies: Proxies,
    options: Options,
    requests: Arc<AtomicU64>,
}

impl Api {
    /// Nothing listens yet.
    pub fn new(proxies: Proxies, options: Options) -> Self {
        Self { proxies, options, requests: Arc::default() }
    }

    /// Answers one request.
    pub(crate) async fn answer(&self, client: SocketAddr, request: Request<Incoming>) -> Response<Body> {
        if let Some(odd) = oddity::answered(&request) {
            return odd.into();
        }
        let place = match route::find(request.uri().path(), request.uri().query()) {
            Found::Malformed => return Answer::malformed().into(),
            Found::Moved(location) => return Answer::moved(&location).into(),
            Found::Place(Place::Metrics) if !self.options.proxy_metrics && !self.options.runtime_metrics => {
                return Answer::text(StatusCode::NOT_FOUND, "404 page not found").into();
            }
            Found::Nothing => return Answer::text(StatusCode::NOT_FOUND, "404 page not found").into(),
            Found::Place(place) if !place.takes(request.method()) => {
                return Answer::empty(StatusCode::METHOD_NOT_ALLOWED).into();
            }
            Found::Place(place) => place,
        };
        let agent = request.headers().get(USER_AGENT).map(HeaderValue::as_bytes).unwrap_or_default();
        let (method, url) = (request.method().clone(), request.uri().clone());
        let user_agent = String::from_utf8_lossy(agent).into_owned();
        let began = Instant::now();
        let answer = if agent.starts_with(b"Mozilla/") {
            Answer::text(StatusCode::FORBIDDEN, "User agent not allowed")
        } else {
            let limit = limits(&request).handle;
            let answered = tokio::time::timeout(limit, self.handle(place, request)).await;
            answered.unwrap_or_else(|_| Answer::empty(StatusCode::SERVICE_UNAVAILABLE))
        };
        let (request_id, status) = (self.request_id(), answer.status().as_u16());
        let duration = began.elapsed().as_secs_f64() * 1000.0;
        let id = request_id.to_str().unwrap_or_default();
        tracing::debug!(request_id = id, %client, %method, %url, user_agent, status, duration);
        answer.with(REQUEST_ID, request_id).into()
    }

    async fn handle(&self, place: Place, request: Request<Incoming>) -> Answer {
        let method = request.method().clone();
        let mut remarks = Remarks::default();
        let noted = &mut remarks;
        let answered = match place {
            Place::Version => Ok(version()),
            Place::Metrics => Ok(self.metrics()),
            Place::Proxies if method == Method::GET => Ok(self.all()),
            Place::Proxies => self.create(request, noted).await,
            Place::Populate => Ok(self.populate(request, noted).await),
            Place::Reset => self.proxies.reset().await.map(|()| Answer::empty(StatusCode::NO_CONTENT)),
            Place::Proxy(name) => self.proxy(&name, &method, request, noted).await,
            Place::Toxics(proxy) => self.toxics(&proxy, &method, request, noted).await,
            Place::Toxic(proxy, toxic) => self.toxic(&proxy, &toxic, &method, request, noted).await,
            Place::Extension(Extension::Health) => Ok(self.health()),
            Place::Extension(Extension::Seed) => self.seed(&method, request, noted).await,
            Place::Extension(Extension::Connections) => Ok(self.connections()),
            Place::Extension(Extension::Tape) => self.tape(request.uri().query().unwrap_or_default()),
            Place::Extension(Extension::Events) => Ok(self.events(&request)),
        };
        let mut answer = answered.unwrap_or_else(|error| Answer::error(&error));
        for (header, said) in [(IGNORED, listed(&remarks.ignored)), (NOTE, listed(&remarks.notes))] {
            if let Some(said) = said {
                answer = answer.with(header, said);
            }
        }
        answer
    }

    fn request_id(&self) -> HeaderValue {
        let number = self.requests.fetch_add(1, Ordering::Relaxed) + 1;
        HeaderValue::from_str(&format!("{number:020}")).unwrap_or(HeaderValue::from_static("0"))
    }
}

/// Reads a list of proxies from JSON; the keys that meant nothing are added to `ignored`.
///
/// # Errors
/// The first thing that is wrong in it, and how many bytes come before it.
pub fn read_proxies(
    text: &[u8],
    ignored: &mut Vec<String>,
) -> Result<Vec<ProxySpec>, (Option<usize>, Error)> {
    let mut remarks = Remarks::default();
    let specs = parsed(text).and_then(|json| decode::list_of_proxies(json, &mut remarks));
    ignored.append(&mut remarks.ignored);
    specs.map_err(Error::placed)
}

fn version() -> Answer {
    Answer::json(StatusCode::OK, format!("{{\"version\": \"{VERSION}\"}}\n"))
        .with(CONTENT_TYPE, HeaderValue::from_static("application/json;charset=utf-8"))
}

fn parsed(body: &[u8]) -> Result<Json<'_>, Error> {
    Json::first(body).map_err(|(place, words)| Error::BadBody(words).at(place))
}

/// The whole body.
async fn body(request: Request<Incoming>) -> Result<Bytes, Error> {
    let limits = limits(&request);
    let read = Limited::new(request.into_body(), BODY).collect();
    match tokio::time::timeout(limits.body, read).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Error::BodyTooLarge),
        Ok(Err(error)) => Err(Error::BadBody(error.to_string())),
        Err(_) => Err(Error::BadBody(format!("it did not arrive within {:?}", limits.body))),
    }
}

fn limits(request: &Request<Incoming>) -> Limits {
    request.extensions().get::<Limits>().copied().unwrap_or_default()
}

/// A list for a header, as far as a header may reasonably go.
fn listed(texts: &[impl AsRef<str>]) -> Option<HeaderValue> {
    let mut said = String::new();
    for text in texts {
        let text = utf8_percent_encode(text.as_ref(), CONTROLS).to_string();
        if said.len() + text.len() > HEADER {
            said.push_str("...");
            break;
        }
        if !said.is_empty() {
            said.push_str(", ");
        }
        said.push_str(&text);
    }
    if said.is_empty() { None } else { HeaderValue::from_str(&said).ok() }
}
