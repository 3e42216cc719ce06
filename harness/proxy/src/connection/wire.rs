//! The two ends of a connection as byte streams: a socket as it is, or with something above it that speaks for it.
//!
//! Bytes that are on the socket as they are in the stream may be moved by the kernel; that is asked of each end here.

use rustix::net::{RecvFlags, Shutdown};
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

/// Has the socket send a RST in place of a FIN when it is dropped, whatever it still holds.
pub(crate) fn reset(socket: &TcpStream) {
    if let Err(error) = socket.set_zero_linger() {
        tracing::warn!(%error, "cannot reset a connection: it is closed instead");
    }
}
