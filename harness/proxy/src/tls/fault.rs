//! What can be wrong with TLS when a client connects, shown to it in place of a proper handshake.
//!
//! On a proxy that [ends TLS](super::Tls) the leaf is signed by that proxy's authority, so that the one flaw is all
//! that is wrong; a client that takes it all the same is carried on to the upstream, which shows that it does not
//! look. On one that passes TLS through, the leaf is signed by [an authority](Authority::of_faults) that nobody was
//! told to trust, and whoever takes it is hung up on.

use std::{future::Future, io};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use super::{
    Authority, Tls,
    authority::Flaw,
    handshake::{Hello, STEP, Stream},
};

/// A fault of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The certificate's time is over.
    Expired,
    /// The certificate is another host's.
    WrongHost,
    /// The certificate is signed by nobody but itself.
    Untrusted,
    /// The client's hello is read and never answered.
    Stalled,
    /// The client's hello is answered in plaintext.
    Plaintext,
}

/// What is said in place of TLS.
const PLAINTEXT: &[u8] = b"this is not TLS\r\n";

impl Fault {
    /// Every one.
    pub const ALL: [Self; 5] =
        [Self::Expired, Self::WrongHost, Self::Untrusted, Self::Stalled, Self::Plaintext];

    /// What was done, for the tape.
    pub const fn done(self) -> &'static str {
        match self {
            Self::Expired => "expired certificate",
            Self::WrongHost => "certificate of another host",
            Self::Untrusted => "self-signed certificate",
            Self::Stalled => "handshake stalled",
            Self::Plaintext => "plaintext in place of TLS",
        }
    }

    /// Shows the client the fault. `taken` is told when it did not mind. Both streams then, if there is somewhere to carry
    /// it to; nothing when the connection is over.
    pub(crate) async fn inflict(
        self,
        client: TcpStream,
        tls: Option<&Tls>,
        upstream: &str,
        dial: impl Future<Output = io::Result<TcpStream>>,
        taken: impl FnOnce(),
    ) -> io::Result<Option<(Stream, Stream)>> {
        let flaw = match self {
            Self::Expired => Flaw::Expired,
            Self::WrongHost => Flaw::WrongHost,
            Self::Untrusted => Flaw::SelfSigned,
            Self::Stalled => return swallow(client).await.map(|()| None),
            Self::Plaintext => {
                let refusal = tls.and_then(|tls| tls.0.preamble.as_ref()).map(|preamble| &*preamble.refusal);
                if contradict(client, refusal.unwrap_or_default()).await? {
                    taken();
                }
                return Ok(None);
            }
        };
        let preamble = tls.and_then(|tls| tls.0.preamble.as_ref());
        let hello = Hello::read(client, preamble).await?;
        let names = hello.names(tls.and_then(|tls| tls.0.name.as_deref()));
        let authority = match tls {
            Some(tls) => tls.0.authority.clone(),
            None => Authority::of_faults().map_err(io::Error::other)?,
        };
        let leaf = authority.leaf(&names, flaw).map_err(io::Error::other)?;
        let (protocol, preamble) = (hello.first_protocol(), hello.preamble());
        let client = hello.answer(leaf, protocol.clone()).await?;
        tracing::warn!(upstream, fault = self.done(), "the client took it");
        taken();
        let Some(tls) = tls else { return Ok(None) };
        let (server, _) = tls.begin(upstream, dial, protocol.into_iter().collect(), preamble).await?;
        Ok(Some((client, server)))
    }
}

/// Reads until the client has gone, and says nothing.
async fn swallow(mut client: TcpStream) -> io::Result<()> {
    let mut buffer = [0; 1024];
    while client.read(&mut buffer).await? > 0 {}
    Ok(())
}

/// A TLS record begins with its type, of which these are the handshake's and the alert's (RFC 8446, section 5.1).
const OF_TLS: [u8; 2] = [22, 21];

/// Answers the hello in plaintext, with that refusal if there is one, and says whether the client went on in plaintext.
async fn contradict(mut client: TcpStream, refusal: &[u8]) -> io::Result<bool> {
    let answer = async {
        let mut hello = [0; 1024];
        if client.read(&mut hello).await? == 0 {
            return Ok(false);
        }
        if refusal.is_empty() {
            client.write_all(PLAINTEXT).await?;
            client.shutdown().await?;
        } else {
            // Whoever falls back goes on on the same connection.
            client.write_all(refusal).await?;
        }
        if client.read(&mut hello).await? > 0 && !OF_TLS.contains(&hello[0]) {
            return Ok(true);
        }
        // What is left unread would turn the end into a reset and might take the answer with it.
        while client.read(&mut hello).await? > 0 {}
        Ok(false)
    };
    timeout(STEP, answer).await.unwrap_or(Ok(false))
}
