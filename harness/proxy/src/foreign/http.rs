//! A small client of Toxiproxy's API: one connection a call, every status looked at, every wait and size bounded.

use std::{fmt::Display, net::SocketAddr, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{
    Method, Request, StatusCode,
    header::{CONTENT_TYPE, HOST, USER_AGENT},
};
use hyper_util::rt::TokioIo;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::{net::TcpStream, time::timeout};

use super::Error;

/// How long one call may take. The server itself gives up after 25 s.
const CALL: Duration = Duration::from_secs(30);
/// No answer that is meant is larger.
const ANSWER: usize = 64 * 1024 * 1024;

/// Where the other server is.
#[derive(Clone, Debug)]
pub(super) struct Http {
    /// As it was given, for messages.
    pub(super) address: String,
    /// The one that answered.
    pub(super) socket: SocketAddr,
}

impl Http {
    /// Reads what is at that path; nothing where there is none.
    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<Option<T>, Error> {
        let action = format!("read {path}");
        match self.call(Method::GET, path, None, &action).await? {
            (StatusCode::NOT_FOUND, _) => Ok(None),
            (status, body) => {
                let body = self.accepted(status, body, &action)?;
                let read = serde_json::from_slice(&body);
                read.map(Some).map_err(|error| self.unreachable(&action, &error))
            }
        }
    }

    /// Has something changed there.
    pub(super) async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        action: &str,
    ) -> Result<(), Error> {
        let (status, said) = self.call(method, path, body, action).await?;
        self.accepted(status, said, action).map(|_| ())
    }

    pub(super) fn unreachable(&self, action: &str, reason: &dyn Display) -> Error {
        Error::Unreachable {
            address: self.address.clone(),
            action: action.to_owned(),
            reason: reason.to_string(),
        }
    }

    fn accepted(&self, status: StatusCode, body: Bytes, action: &str) -> Result<Bytes, Error> {
        if status.is_success() {
            return Ok(body);
        }
        let said = serde_json::from_slice::<Value>(&body).ok();
        let said = said.as_ref().and_then(|value| value.get("error")).and_then(Value::as_str);
        let said = said.map_or_else(|| String::from_utf8_lossy(&body).trim_end().to_owned(), str::to_owned);
        let (address, action) = (self.address.clone(), action.to_owned());
        Err(Error::Refused { address, action, status: status.as_u16(), said })
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        action: &str,
    ) -> Result<(StatusCode, Bytes), Error> {
        let body = body.map(ToString::to_string).unwrap_or_default();
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, self.socket.to_string())
            .header(USER_AGENT, "bulkhead")
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(body)))
            .map_err(|error| self.unreachable(action, &error))?;
        match timeout(CALL, exchange(self.socket, request)).await {
            Ok(answer) => answer.map_err(|error| self.unreachable(action, &error)),
            Err(_) => Err(self.unreachable(action, &format!("no answer in {} s", CALL.as_secs()))),
        }
    }
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

async fn exchange(to: SocketAddr, request: Request<Full<Bytes>>) -> Result<(StatusCode, Bytes), Failure> {
    let tcp = TcpStream::connect(to).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(tcp)).await?;
    let answer = async {
        let answer = sender.send_request(request).await?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), ANSWER).collect().await?.to_bytes();
        Ok((status, body))
    };
    tokio::pin!(answer);
    tokio::select! {
        biased;
        answer = &mut answer => answer,
        ended = connection => { ended?; answer.await }
    }
}

/// One segment of a path. The server takes a slash in it for two segments, however it is encoded.
pub(super) fn segment(name: &str) -> String {
    utf8_percent_encode(name, NON_ALPHANUMERIC).to_string()
}
