//! TLS and HTTP: one listener on the loopback address, one task a connection.

use std::{convert::Infallible, net::Ipv4Addr, path::Path, sync::Arc, time::Duration};

use futures::StreamExt as _;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Frame, Incoming},
    header::{self, HeaderValue},
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use s3s::{Body, service::S3Service};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::{
    Failure,
    auth::not_entitled,
    chunks::{Cutter, UNSIGNED},
    faults::Faults,
    log,
};

/// The longest that a client may take over its handshake, or over a request's head.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long to leave a listener alone that cannot accept, being out of file descriptors, say.
const BREATHER: Duration = Duration::from_millis(20);

/// What answers requests.
#[derive(Clone)]
pub(super) struct Front {
    pub(super) service: S3Service,
    pub(super) faults: Arc<Faults>,
}

/// Reads the certificate and its key.
///
/// # Errors
/// When a file cannot be read, or the two do not fit.
pub(in crate::services::s3) fn tls(cert: &Path, key: &Path) -> Result<TlsAcceptor, Failure> {
    let chain = CertificateDer::pem_file_iter(cert)?.collect::<Result<Vec<_>, _>>()?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let mut config =
        builder.with_no_client_auth().with_single_cert(chain, PrivateKeyDer::from_pem_file(key)?)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Listens on the loopback address.
///
/// # Errors
/// When the port is taken.
pub(super) async fn bind(port: u16) -> Result<TcpListener, Failure> {
    let bound = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await;
    bound.map_err(|error| format!("could not listen on 127.0.0.1:{port}: {error}").into())
}

/// Serves every connection until the task is ended.
pub(super) async fn serve(listener: TcpListener, tls: TlsAcceptor, front: Front) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                tokio::spawn(connection(stream, tls.clone(), front.clone()));
            }
            Err(error) => {
                log(&format!("could not accept a connection: {error}"));
                tokio::time::sleep(BREATHER).await;
            }
        }
    }
}

/// One connection. Whoever does not speak TLS is dropped without a byte of answer that says more than TLS does.
async fn connection(stream: TcpStream, tls: TlsAcceptor, front: Front) {
    // Answers are small and somebody waits for each.
    let _slower = stream.set_nodelay(true);
    let Ok(Ok(stream)) = tokio::time::timeout(PATIENCE, tls.accept(stream)).await else { return };
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(PATIENCE);
    let answer = hyper::service::service_fn(move |request| {
        let front = front.clone();
        async move { Ok::<_, Infallible>(answer(&front, request).await) }
    });
    // A client that goes away in the middle is its own affair.
    let _ended = builder.serve_connection(TokioIo::new(stream), answer).await;
}

async fn answer(front: &Front, request: Request<Incoming>) -> Response<Body> {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let answered = if is_form(&request) {
        // `s3s` would gather a form's whole file in memory before it asked whether anybody may post one.
        not_entitled().to_http_response().ok()
    } else {
        front.faults.answer(&front.service, request).await
    };
    let mut response = answered.unwrap_or_else(|| {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        response
    });
    let id = format!("{:016x}", rand::random::<u64>());
    let status = response.status();
    if status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED {
        log(&format!("{status} to {method} {path}, request {id}"));
    }
    // `s3s` writes its errors out in full; neither of these has a body.
    let bodiless = status == StatusCode::NOT_MODIFIED || (method == Method::HEAD && status.as_u16() >= 400);
    if bodiless {
        *response.body_mut() = Body::empty();
        response.headers_mut().remove(header::CONTENT_TYPE);
    }
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert("x-amz-request-id", id);
    }
    response
}

/// The request, its chunks cut short when it comes in unsigned ones.
pub(super) fn with_short_chunks(request: Request<Incoming>) -> Request<Body> {
    let hash = request.headers().get("x-amz-content-sha256").map(HeaderValue::as_bytes);
    if hash != Some(UNSIGNED) {
        return request.map(Body::from);
    }
    request.map(|body| {
        let mut cutter = Cutter::default();
        let cut = body.into_data_stream().map(move |piece| match piece {
            Ok(piece) => cutter.cut(piece).map(Frame::data),
            Err(error) => Err(std::io::Error::other(error)),
        });
        Body::http_body_unsync(StreamBody::new(cut))
    })
}

fn is_form(request: &Request<Incoming>) -> bool {
    let kind = request.headers().get(header::CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    let start = kind.get(..b"multipart/".len()).unwrap_or_default();
    request.method() == Method::POST && start.eq_ignore_ascii_case(b"multipart/")
}
