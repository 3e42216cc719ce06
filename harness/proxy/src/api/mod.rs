//! Toxiproxy's HTTP API over a set of proxies: a request in, an answer out. Sockets and their limits are `server`'s.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Limited};
use hyper::{
    Method, Request, Response, StatusCode,
    body::Incoming,
    header::{CONTENT_TYPE, HeaderName, HeaderValue, USER_AGENT},
};

use crate::{
    error::Error,
    proxies::{Populated, Proxies},
    spec::ToxicSpec,
};
use answer::{Answer, Body};
use decode::{Ignored, ProxyBody, ToxicBody};
use json::Json;
use route::{Found, Place};

mod answer;
mod decode;
mod encode;
mod json;
mod route;

/// The version of Toxiproxy whose contract is kept.
pub const VERSION: &str = "2.12.0";

/// The largest body that is read: room for some 100,000 proxies or toxics.
const BODY: usize = 16 << 20;

/// How long a body may take to arrive, as in Toxiproxy.
const READ: Duration = Duration::from_secs(15);

/// How long a request may take to be answered, as in Toxiproxy.
const HANDLE: Duration = Duration::from_secs(25);

/// Asks `/populate` to apply `enabled` to proxies that are there already: an extension.
const APPLY_ENABLED: &str = "apply=enabled";

const REQUEST_ID: HeaderName = HeaderName::from_static("x-toxiproxy-request-id");
/// Names the keys of a body that meant nothing.
const IGNORED: HeaderName = HeaderName::from_static("x-bulkhead-ignored-keys");

/// The API of a set of proxies.
#[derive(Clone, Debug)]
pub struct Api {
    proxies: Proxies,
    exact: bool,
    requests: Arc<AtomicU64>,
}

impl Api {
    /// `exact` prints what Toxiproxy prints by accident too, for comparisons byte by byte.
    pub fn new(proxies: Proxies, exact: bool) -> Self {
        Self { proxies, exact, requests: Arc::default() }
    }

    /// Answers one request.
    pub(crate) async fn answer(&self, client: SocketAddr, request: Request<Incoming>) -> Response<Body> {
        let place = match route::find(request.uri().path(), request.uri().query()) {
            Found::Nothing => return Answer::text(StatusCode::NOT_FOUND, "404 page not found").into(),
            Found::Moved(location) => return Answer::moved(&location).into(),
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
            let answered = tokio::time::timeout(HANDLE, self.handle(place, request)).await;
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
        let mut ignored = Ignored::new();
        let answer = match (place, method) {
            (Place::Version, _) => Answer::json(StatusCode::OK, format!("{{\"version\": \"{VERSION}\"}}\n"))
                .with(CONTENT_TYPE, HeaderValue::from_static("application/json;charset=utf-8")),
            (Place::Proxies, Method::GET) => {
                Answer::json(StatusCode::OK, encode::proxies(&self.proxies.all(), self.exact))
            }
            (Place::Proxies, _) => self.create(request, &mut ignored).await.unwrap_or_else(refused),
            (Place::Populate, _) => self.populate(request, &mut ignored).await,
            (Place::Reset, _) => self
                .proxies
                .reset()
                .await
                .map(|()| Answer::empty(StatusCode::NO_CONTENT))
                .unwrap_or_else(refused),
            (Place::Proxy(name), method) => {
                self.proxy(&name, &method, request, &mut ignored).await.unwrap_or_else(refused)
            }
            (Place::Toxics(proxy), method) => {
                self.toxics(&proxy, &method, request, &mut ignored).await.unwrap_or_else(refused)
            }
            (Place::Toxic(proxy, toxic), method) => {
                self.toxic(&proxy, &toxic, &method, request, &mut ignored).await.unwrap_or_else(refused)
            }
        };
        match named(&ignored) {
            Some(ignored) => answer.with(IGNORED, ignored),
            None => answer,
        }
    }

    async fn create(&self, request: Request<Incoming>, ignored: &mut Ignored) -> Result<Answer, Error> {
        let body = body(request).await?;
        let spec = ProxyBody::read(parsed(&body)?, ignored)?.spec(None, ignored)?;
        let view = self.proxies.create(spec).await?;
        Ok(Answer::json(StatusCode::CREATED, encode::proxy(&view, self.exact)))
    }

    async fn populate(&self, request: Request<Incoming>, ignored: &mut Ignored) -> Answer {
        let populated = match self.listed(request, ignored).await {
            Ok(populated) => populated,
            Err(error) => Populated { proxies: Vec::new(), error: Some(error) },
        };
        let proxies = ("proxies", encode::populated(&populated.proxies, self.exact));
        match &populated.error {
            None => Answer::json(StatusCode::CREATED, json::object([proxies])),
            Some(error) => {
                let members = answer::error_members(error).into_iter().chain([proxies]);
                Answer::json(answer::status(error), json::object(members))
            }
        }
    }

    async fn listed(&self, request: Request<Incoming>, ignored: &mut Ignored) -> Result<Populated, Error> {
        let query = request.uri().query().unwrap_or_default();
        let enable = query.split('&').any(|flag| flag == APPLY_ENABLED);
        let body = body(request).await?;
        let specs = decode::proxies(parsed(&body)?, ignored)?;
        Ok(self.proxies.populate(specs, enable).await)
    }

    async fn proxy(
        &self,
        name: &str,
        method: &Method,
        request: Request<Incoming>,
        ignored: &mut Ignored,
    ) -> Result<Answer, Error> {
        let view = self.proxies.get(name)?;
        let view = match *method {
            Method::GET => view,
            Method::DELETE => {
                self.proxies.delete(name).await?;
                return Ok(Answer::empty(StatusCode::NO_CONTENT));
            }
            _ => {
                let body = body(request).await?;
                let change = ProxyBody::read(parsed(&body)?, ignored)?.change();
                self.proxies.change(name, change).await?
            }
        };
        Ok(Answer::json(StatusCode::OK, encode::proxy(&view, self.exact)))
    }

    async fn toxics(
        &self,
        proxy: &str,
        method: &Method,
        request: Request<Incoming>,
        ignored: &mut Ignored,
    ) -> Result<Answer, Error> {
        self.proxies.exists(proxy)?;
        if method == Method::GET {
            let view = self.proxies.get(proxy)?;
            return Ok(Answer::json(StatusCode::OK, encode::toxics(&view.toxics)));
        }
        let body = body(request).await?;
        let toxic = ToxicBody::read(parsed(&body)?, ignored)?;
        let taken = |name: &str| self.proxies.toxic(proxy, name).is_ok_and(|toxic| toxic.is_some());
        let spec = toxic.spec(taken, ignored)?;
        Ok(shown(&self.proxies.add_toxic(proxy, spec).await?))
    }

    async fn toxic(
        &self,
        proxy: &str,
        name: &str,
        method: &Method,
        request: Request<Incoming>,
        ignored: &mut Ignored,
    ) -> Result<Answer, Error> {
        let toxic = self.proxies.toxic(proxy, name)?.ok_or(Error::ToxicNotFound)?;
        match *method {
            Method::GET => Ok(shown(&toxic)),
            Method::DELETE => {
                self.proxies.remove_toxic(proxy, name).await?;
                Ok(Answer::empty(StatusCode::NO_CONTENT))
            }
            _ => {
                let body = body(request).await?;
                let change = decode::toxic_change(parsed(&body)?, &toxic, ignored)?;
                Ok(shown(&self.proxies.change_toxic(proxy, name, change).await?))
            }
        }
    }

    fn request_id(&self) -> HeaderValue {
        let number = self.requests.fetch_add(1, Ordering::Relaxed) + 1;
        HeaderValue::from_str(&format!("{number:020}")).unwrap_or(HeaderValue::from_static("0"))
    }
}

fn shown(toxic: &ToxicSpec) -> Answer {
    Answer::json(StatusCode::OK, encode::toxic(toxic))
}

#[expect(clippy::needless_pass_by_value, reason = "an error handler takes the error")]
fn refused(error: Error) -> Answer {
    Answer::error(&error)
}

fn parsed(body: &[u8]) -> Result<Json<'_>, Error> {
    Json::first(body).map_err(Error::BadBody)
}

/// The whole body.
async fn body(request: Request<Incoming>) -> Result<Bytes, Error> {
    let read = Limited::new(request.into_body(), BODY).collect();
    match tokio::time::timeout(READ, read).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => Err(Error::BodyTooLarge),
        Ok(Err(error)) => Err(Error::BadBody(error.to_string())),
        Err(_) => Err(Error::BadBody("it did not arrive in time".to_owned())),
    }
}

/// The keys for a header, as far as a header may reasonably go.
fn named(ignored: &Ignored) -> Option<HeaderValue> {
    const ROOM: usize = 1024;
    let keys: Vec<String> = ignored
        .iter()
        .take(64)
        .map(|key| percent_encoding::utf8_percent_encode(key, percent_encoding::CONTROLS).to_string())
        .collect();
    let mut keys = keys.join(", ");
    keys.truncate(keys.floor_char_boundary(ROOM));
    if keys.is_empty() { None } else { HeaderValue::from_str(&keys).ok() }
}
