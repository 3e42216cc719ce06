//! What Toxiproxy does not have: `/x/health`, `/x/seed`, `/x/connections`, `/x/tape` and `/x/events`.

use std::{borrow::Cow, convert::Infallible, time::Duration};

use bytes::Bytes;
use futures::stream;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::{
    Method, Request, StatusCode,
    body::{Frame, Incoming},
    header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, HeaderValue},
};

use super::{
    Api, VERSION,
    answer::Answer,
    body,
    decode::{self, Remarks},
    json, parsed,
};
use crate::{
    error::Error,
    events::{Event, Heard, Listener, What},
    live::{Connection, Traffic},
    seed::Seed,
    server::Ending,
    tape::{Effect, Entry},
};

/// Listeners at once; each may hold back thousands of events.
const LISTENERS: usize = 64;

/// Lines of the tape in one answer where no number is given, and at most.
const LINES: usize = 10_000;

/// A stream of events says something this often, so that both ends notice when the other is gone.
const HEARTBEAT: Duration = Duration::from_secs(15);

impl Api {
    /// That it runs, and what it is.
    pub(super) fn health(&self) -> Answer {
        let health = json::object([
            ("status", json::string("ok")),
            ("version", json::string(env!("CARGO_PKG_VERSION"))),
            ("contract", json::string(VERSION)),
            ("uptime_ms", self.proxies.age().as_millis().to_string()),
            ("proxies", self.proxies.all().len().to_string()),
            ("connections", self.proxies.connections().len().to_string()),
        ]);
        Answer::json(StatusCode::OK, health)
    }

    /// The seed of connections to come, which can be set.
    pub(super) async fn seed(
        &self,
        method: &Method,
        request: Request<Incoming>,
        remarks: &mut Remarks,
    ) -> Result<Answer, Error> {
        if method != Method::GET {
            let body = body(request).await?;
            let seed = decode::seed(parsed(&body)?, remarks)?;
            self.proxies.reseed(Seed(seed.cast_unsigned()));
        }
        let seed = self.proxies.seed().0.cast_signed();
        Ok(Answer::json(StatusCode::OK, json::object([("seed", seed.to_string())])))
    }

    /// Every open connection.
    pub(super) fn connections(&self) -> Answer {
        let connections: Vec<String> = self.proxies.connections().iter().map(connection).collect();
        Answer::json(StatusCode::OK, format!("[{}]", connections.join(",")))
    }

    /// The tape after a line, `?after=N`, so many lines at most, `&limit=N`.
    pub(super) fn tape(&self, query: &str) -> Result<Answer, Error> {
        let (mut after, mut limit) = (0, LINES);
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let wrong = || Error::BadBody(format!("the query knows after=N and limit=N, not {pair}"));
            match pair.split_once('=') {
                Some(("after", number)) => after = number.parse().map_err(|_| wrong())?,
                Some(("limit", number)) => limit = number.parse().map_err(|_| wrong())?,
                _ => return Err(wrong()),
            }
        }
        let page = self.proxies.tape().page(after, limit.min(LINES));
        let entries: Vec<String> = page.entries.iter().map(|entry| json::object(fault(entry))).collect();
        let page = json::object([
            ("last", page.last.to_string()),
            ("missed", page.missed.to_string()),
            ("entries", format!("[{}]", entries.join(","))),
        ]);
        Ok(Answer::json(StatusCode::OK, page))
    }

    /// What happens from now on, until the client goes away: a JSON object a line, or server-sent events for who asks
    /// for them. The first says that it listens, an empty line or comment now and then that it still does.
    pub(super) fn events(&self, request: &Request<Incoming>) -> Answer {
        if self.proxies.events().listeners() >= LISTENERS {
            return Answer::empty(StatusCode::SERVICE_UNAVAILABLE);
        }
        let sse = request
            .headers()
            .get(ACCEPT)
            .and_then(|accept| accept.to_str().ok())
            .is_some_and(|accept| accept.contains("text/event-stream"));
        let kind = if sse { "text/event-stream" } else { "application/x-ndjson" };
        let hello = line(sse, &object("listening", self.proxies.age(), []));
        let listener = self.proxies.events().listen();
        let ending = request.extensions().get::<Ending>().cloned();
        let lines = stream::unfold(
            (Some(hello), listener, ending),
            move |(hello, mut listener, mut ending)| async move {
                let text = match hello {
                    Some(hello) => hello,
                    None => tokio::select! {
                        heard = heard(sse, &mut listener) => heard?,
                        () = come(&mut ending) => return None,
                    },
                };
                Some((Ok::<_, Infallible>(Frame::data(Bytes::from(text))), (None, listener, ending)))
            },
        );
        Answer::empty(StatusCode::OK)
            .with(CONTENT_TYPE, HeaderValue::from_static(kind))
            .with(CACHE_CONTROL, HeaderValue::from_static("no-store"))
            .endless(StreamBody::new(lines).boxed_unsync())
    }
}

async fn come(ending: &mut Option<Ending>) {
    match ending {
        Some(ending) => ending.come().await,
        None => std::future::pending().await,
    }
}

/// The next line of a stream of events. None when there will be no other.
async fn heard(sse: bool, listener: &mut Listener) -> Option<String> {
    let text = match tokio::time::timeout(HEARTBEAT, listener.next()).await {
        Err(_) if sse => return Some(":\n\n".to_owned()),
        Err(_) => return Some("\n".to_owned()),
        Ok(None) => return None,
        Ok(Some(Heard::Missed(missed))) => {
            json::object([("event", json::string("missed")), ("events", missed.to_string())])
        }
        Ok(Some(Heard::Event(event))) => told(&event),
    };
    Some(line(sse, &text))
}

fn line(sse: bool, text: &str) -> String {
    if sse { format!("data: {text}\n\n") } else { format!("{text}\n") }
}

fn told(event: &Event) -> String {
    let at = event.at;
    match &event.what {
        What::Proxy { proxy, change } => {
            object("proxy", at, [("proxy", json::string(proxy)), ("change", json::string(change.name()))])
        }
        What::Toxic { proxy, toxic, change } => object(
            "toxic",
            at,
            [
                ("proxy", json::string(proxy)),
                ("toxic", json::string(toxic)),
                ("change", json::string(change.name())),
            ],
        ),
        What::Connection { proxy, connection, client, change } => object(
            "connection",
            at,
            [
                ("proxy", json::string(proxy)),
                ("connection", connection.to_string()),
                ("client", json::string(&client.to_string())),
                ("change", json::string(change.name())),
            ],
        ),
        What::Fault(entry) => {
            let kind = [("event", json::string("fault"))];
            json::object(kind.into_iter().chain(fault(entry)))
        }
    }
}

fn object<const N: usize>(event: &str, at: Duration, members: [(&str, String); N]) -> String {
    let head = [("event", json::string(event)), ("at_us", micros(at))];
    json::object(head.into_iter().chain(members))
}

/// A line of the tape.
fn fault(entry: &Entry) -> Vec<(&'static str, String)> {
    let mut members = vec![
        ("number", entry.number.to_string()),
        ("at_us", micros(entry.at)),
        ("proxy", json::string(&entry.proxy)),
        ("connection", entry.connection.to_string()),
        ("direction", json::string(entry.direction.name())),
        ("toxic", json::string(&entry.toxic)),
        ("offset", entry.offset.to_string()),
        ("bytes", entry.bytes.to_string()),
    ];
    let effect: (Cow<'static, str>, Vec<(&'static str, String)>) = match &entry.effect {
        Effect::Delayed(by) => ("delayed".into(), vec![("by_us", micros(*by))]),
        Effect::DelayedBetween(least, most) => {
            ("delayed".into(), vec![("by_us", micros(*least)), ("to_us", micros(*most))])
        }
        Effect::Held => ("held".into(), Vec::new()),
        Effect::Dropped => ("dropped".into(), Vec::new()),
        Effect::Sliced(pieces) => ("sliced".into(), vec![("pieces", pieces.to_string())]),
        Effect::Corrupted(bits) => ("corrupted".into(), vec![("bits", bits.to_string())]),
        Effect::Closed => ("closed".into(), Vec::new()),
        Effect::Reset => ("reset".into(), Vec::new()),
        Effect::Refused(how) => ("refused".into(), vec![("how", json::string(how))]),
        Effect::Trusted(what) => ("trusted".into(), vec![("what", json::string(what))]),
    };
    members.push(("effect", json::string(&effect.0)));
    members.extend(effect.1);
    members
}

fn connection(connection: &Connection) -> String {
    let toxics: Vec<String> = connection.toxics.iter().map(|toxic| json::string(toxic)).collect();
    json::object([
        ("proxy", json::string(&connection.proxy)),
        ("connection", connection.ordinal.to_string()),
        ("client", json::string(&connection.client.to_string())),
        ("listener", json::string(&connection.listener)),
        ("upstream", json::string(&connection.upstream)),
        ("age_us", micros(connection.age)),
        ("up", traffic(connection.up)),
        ("down", traffic(connection.down)),
        ("toxics", format!("[{}]", toxics.join(","))),
    ])
}

fn traffic(traffic: Traffic) -> String {
    json::object([("received", traffic.received.to_string()), ("sent", traffic.sent.to_string())])
}

fn micros(time: Duration) -> String {
    time.as_micros().to_string()
}
