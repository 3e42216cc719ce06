//! The two ends of a connection as byte streams: a socket as it is, or with something above it that speaks for it.
//!
//! Bytes that are on the socket as they are in the stream may be moved by the kernel; that is asked of each end here.

use std::time::Duration;

use rustix::net::{RecvFlags, Shutdown, sockopt};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};

use crate::tls::Stream;

/// One end of a connection.
pub(crate) trait Wire: AsyncRead + AsyncWrite + Unpin + Send {
    /// The socket, for its options and its end.
    fn socket(&self) -> &TcpStream;

    /// Whether what is read and written are the socket's own bytes.
    fn is_plain(&self) -> bool {
        false
    }
}

impl Wire for TcpStream {
    fn socket(&self) -> &TcpStream {
        self
    }

    fn is_plain(&self) -> bool {
        true
    }
}

impl Wire for Stream {
    fn socket(&self) -> &TcpStream {
        self.get_ref().0
    }
}

/// Bytes thrown away at most when a connection is closed whole.
const LEFTOVERS: usize = 1024 * 1024;

/// Ends a connection so that the peer reads an end of stream. Closing a socket with unread bytes in it would reset the
/// connection, so the end is sent first and what is there is read. A peer that has filled every buffer between and goes
/// on sending is still reset, since nobody is left to read it.
pub(crate) fn close(socket: &TcpStream) {
    if rustix::net::shutdown(socket, Shutdown::Write).is_err() {
        // It is not connected any more.
        return;
    }
    let mut thrown = [0; 4096];
    for _ in 0..LEFTOVERS / thrown.len() {
        if !matches!(rustix::net::recv(socket, &mut thrown, RecvFlags::DONTWAIT), Ok((1.., _))) {
            return;
        }
    }
}

/// How long a peer of a connection on which nothing moves may say nothing before it is asked whether it is there.
const ASKED_AFTER: Duration = Duration::from_secs(10);

/// How often one that does not answer is asked again, and how far apart.
const ASKED: (u32, Duration) = (3, Duration::from_secs(5));

/// Has the kernel ask the peer now and then whether it is still there, for a connection that nothing is written to: one
/// that is gone, its host too, is noticed. Linux forgets a socket that was closed after a minute, then it denies.
pub(crate) fn ask_now_and_then(socket: &TcpStream) {
    if matches!(sockopt::socket_keepalive(socket), Ok(true)) {
        return;
    }
    let (times, apart) = ASKED;
    let set = sockopt::set_tcp_keepidle(socket, ASKED_AFTER)
        .and_then(|()| sockopt::set_tcp_keepintvl(socket, apart))
        .and_then(|()| sockopt::set_tcp_keepcnt(socket, times))
        .and_then(|()| sockopt::set_socket_keepalive(socket, true));
    if let Err(error) = set {
        tracing::warn!(%error, "a peer that goes without a word will not be noticed");
    }
}

/// Has the socket send a RST in place of a FIN when it is dropped, whatever it still holds.
pub(crate) fn reset(socket: &TcpStream) {
    if let Err(error) = socket.set_zero_linger() {
        tracing::warn!(%error, "cannot reset a connection: it is closed instead");
    }
}
