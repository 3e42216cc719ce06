//! RabbitMQ's management API: HTTP over TLS, with the tenant's own login.

use std::{path::PathBuf, sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use bulkhead_model::{Secret, Service};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{Request, client::conn::http1::SendRequest};
use hyper_util::rt::TokioIo;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use rustls::pki_types::ServerName;
use tokio::{net::TcpStream, sync::Mutex, task::JoinHandle};
use tokio_rustls::TlsConnector;
use url::Url;

use super::bounded;
use crate::{Error, TenantAccess, error::Cause};

/// What stands for itself in a part of a path.
const PLAIN: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The longest that one request may take.
const ANSWER: Duration = Duration::from_secs(15);

/// The longest answer that is read, in bytes.
const ANSWER_MAX: usize = 16 * 1024 * 1024;

/// What the API answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body as text.
    pub body: String,
}

/// A client with one tenant's login, which sends one request after another over one connection.
pub struct Api {
    url: String,
    ca: Option<PathBuf>,
    authorization: Secret,
    open: Mutex<Option<Open>>,
}

/// A connection, and what drives it.
struct Open {
    sender: SendRequest<Full<Bytes>>,
    driven: JoinHandle<()>,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.driven.abort();
    }
}

impl Api {
    /// A client of the API at `url`, an address that [`crate::Session::management`] gave. It connects when it is first
    /// asked something.
    pub fn new(access: &TenantAccess, url: &str) -> Self {
        let login = &access.connections.rabbitmq;
        let pair = STANDARD.encode(format!("{}:{}", login.user, login.password.expose()));
        Self {
            url: url.to_owned(),
            ca: access.ca.clone(),
            authorization: Secret::new(format!("Basic {pair}")),
            open: Mutex::new(None),
        }
    }

    /// Asks for `path`, whose parts are as [`part`] writes them, with this body.
    ///
    /// # Errors
    /// [`Error::Serve`] when there is no answer.
    pub async fn ask(&self, method: &str, path: &str, body: &str) -> Result<Answer, Error> {
        let doing = || format!("{method} {path} of the management API at {}", self.url);
        let mut open = self.open.lock().await;
        if open.as_ref().is_none_or(|open| open.sender.is_closed()) {
            *open = Some(bounded(Service::Rabbitmq, doing, self.connect()).await?);
        }
        let Some(Open { sender, .. }) = open.as_mut() else {
            return Err(Error::serve(Service::Rabbitmq, doing())("it is not connected"));
        };
        let answer = tokio::time::timeout(ANSWER, self.send(sender, method, path, body)).await;
        answer
            .map_err(Error::serve(Service::Rabbitmq, doing()))?
            .map_err(Error::serve(Service::Rabbitmq, doing()))
    }

    async fn connect(&self) -> Result<Open, Cause> {
        let (url, host, port) = self.address()?;
        let tcp = TcpStream::connect((host.as_str(), port)).await?;
        let (sender, driven) = match url.scheme() {
            "https" => {
                let config = super::tls::config(Service::Rabbitmq, self.ca.as_deref())?;
                let name = ServerName::try_from(host)?;
                let stream = TlsConnector::from(Arc::new(config)).connect(name, tcp).await?;
                let (sender, connection) =
                    hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
                // What goes wrong on the connection, the request's sender is told.
                (sender, tokio::spawn(async { drop(connection.await) }))
            }
            scheme => return Err(format!("it is spoken over https, not {scheme}").into()),
        };
        Ok(Open { sender, driven })
    }

    fn address(&self) -> Result<(Url, String, u16), Cause> {
        let url = Url::parse(&self.url)?;
        let host = url.host_str().ok_or("its address names no host")?.trim_matches(['[', ']']).to_owned();
        let port = url.port_or_known_default().ok_or("its address names no port")?;
        Ok((url, host, port))
    }

    async fn send(
        &self,
        sender: &mut SendRequest<Full<Bytes>>,
        method: &str,
        path: &str,
        body: &str,
    ) -> Result<Answer, Cause> {
        let (url, ..) = self.address()?;
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", url.authority())
            .header("authorization", self.authorization.expose())
            .header("content-type", "application/json")
            .body(Full::new(Bytes::copy_from_slice(body.as_bytes())))?;
        sender.ready().await?;
        let answer = sender.send_request(request).await?;
        let status = answer.status().as_u16();
        let body = Limited::new(answer.into_body(), ANSWER_MAX).collect().await?.to_bytes();
        Ok(Answer { status, body: String::from_utf8_lossy(&body).into_owned() })
    }
}

/// A name as a part of a path: vhosts are called `/`.
pub fn part(name: &str) -> String {
    utf8_percent_encode(name, &PLAIN).to_string()
}

#[cfg(test)]
mod tests {
    use super::part;

    #[test]
    fn a_name_stays_one_part() {
        assert_eq!(part("/engine:a b"), "%2Fengine%3Aa%20b");
        assert_eq!(part("e-1.x_y~z"), "e-1.x_y~z");
    }
}
