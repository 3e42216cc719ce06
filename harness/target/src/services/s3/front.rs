//! TLS for a server that has none of its own: it ends here, and the bytes go on to the server's port, both ways.

use std::{
    net::{Ipv4Addr, TcpListener},
    time::Duration,
};

use bulkhead_model::Service;
use tokio::{
    io::copy_bidirectional,
    net::TcpStream,
    task::{JoinHandle, JoinSet},
};
use tokio_rustls::TlsAcceptor;

use super::embedded;
use crate::{Error, error::Cause, tls::Identity};

/// The longest that the server may take to accept a connection, and a client over its handshake.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long to leave a listener alone that cannot accept, being out of file descriptors, say.
const BREATHER: Duration = Duration::from_millis(20);

/// A front that stands until this is dropped, its connections with it.
pub(super) struct Front(JoinHandle<()>);

impl Drop for Front {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Front {
    /// Listens on the loopback port `at` with this certificate, for the server on the loopback port `to`.
    ///
    /// # Errors
    /// When the port is taken or the certificate cannot be read.
    pub(super) fn start(identity: &Identity, at: u16, to: u16) -> Result<Self, Error> {
        let failed = |cause| Error::serve(Service::S3, format!("end TLS on 127.0.0.1:{at}"))(cause);
        let tls = embedded::tls(&identity.cert, &identity.key).map_err(failed)?;
        let listener = bind(at).map_err(|error| failed(error.into()))?;
        Ok(Self(tokio::spawn(serve(listener, tls, to))))
    }
}

fn bind(port: u16) -> std::io::Result<tokio::net::TcpListener> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    listener.set_nonblocking(true)?;
    tokio::net::TcpListener::from_std(listener)
}

async fn serve(listener: tokio::net::TcpListener, tls: TlsAcceptor, to: u16) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(carry(stream, tls.clone(), to));
                }
                Err(error) => {
                    tracing::warn!("s3: its front could not accept a connection: {error}");
                    tokio::time::sleep(BREATHER).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// One connection. How it ends is for its two ends to tell.
async fn carry(outer: TcpStream, tls: TlsAcceptor, to: u16) -> Result<(), Cause> {
    let inner = TcpStream::connect((Ipv4Addr::LOCALHOST, to));
    let Ok(Ok(mut inner)) = tokio::time::timeout(PATIENCE, inner).await else {
        // Where the server is gone, a client is reset before it has said anything, much as it would be there.
        return Ok(outer.set_zero_linger()?);
    };
    outer.set_nodelay(true)?;
    inner.set_nodelay(true)?;
    let mut outer = tokio::time::timeout(PATIENCE, tls.accept(outer)).await??;
    copy_bidirectional(&mut outer, &mut inner).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{path::Path, sync::Arc};

    use rustls::pki_types::ServerName;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio_rustls::{TlsConnector, client::TlsStream};

    use super::*;
    use crate::{Authority, clients, services::port};

    async fn client(at: u16, ca: &Path) -> std::io::Result<TlsStream<TcpStream>> {
        let tls = TlsConnector::from(Arc::new(clients::tls::config(Service::S3, Some(ca)).unwrap()));
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, at)).await?;
        tls.connect(ServerName::IpAddress(Ipv4Addr::LOCALHOST.into()), stream).await
    }

    #[tokio::test]
    async fn bytes_go_both_ways_in_the_runs_tls_while_server_and_front_are_there() {
        let folder = tempfile::tempdir().unwrap();
        let identity = Authority::new().unwrap().identity("s3", folder.path()).unwrap();
        let server = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let (at, to) = (port::reserve().unwrap(), server.local_addr().unwrap().port());
        let front = Front::start(&identity, at, to).unwrap();
        let served = async {
            let (mut stream, mut heard) = (server.accept().await.unwrap().0, [0; 4]);
            stream.read_exact(&mut heard).await.unwrap();
            stream.write_all(b"pong").await.unwrap();
            heard
        };
        let asked = async {
            let (mut stream, mut heard) = (client(at, &identity.ca).await.unwrap(), Vec::new());
            stream.write_all(b"ping").await.unwrap();
            stream.read_to_end(&mut heard).await.unwrap();
            heard
        };
        let (ping, pong) = tokio::join!(served, asked);
        assert_eq!((ping.as_slice(), pong.as_slice()), (&b"ping"[..], &b"pong"[..]));

        drop(server);
        assert!(client(at, &identity.ca).await.is_err(), "without its server the front answers nobody");
        drop(front);
        while TcpStream::connect((Ipv4Addr::LOCALHOST, at)).await.is_ok() {
            tokio::task::yield_now().await;
        }
    }
}
