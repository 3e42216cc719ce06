//! What a client meets in its server's place: a certificate that does not hold, an answer in plaintext, or none. Each is a
//! line here; what is shown is in `proxy/tls`.
//!
//! Connections that were open before are ended, so that whoever works has to connect again.

use bulkhead_model::scenario::{Chosen, Shape};

use super::{AT, Doing, FOR, Fault, Ground, SERVICE, down, service, toxic};

/// An impostor as a fault: its `type` in the proxy, its name and what it is about.
pub(super) struct Impostor {
    kind: &'static str,
    name: &'static str,
    about: &'static str,
}

pub(super) static EXPIRED: Impostor = Impostor {
    kind: "tls_expired",
    name: "expired-certificate",
    about: "Who connects is shown a certificate whose time is over.",
};

pub(super) static WRONG_HOST: Impostor = Impostor {
    kind: "tls_wrong_host",
    name: "wrong-host-certificate",
    about: "Who connects is shown another host's certificate.",
};

pub(super) static SELF_SIGNED: Impostor = Impostor {
    kind: "tls_untrusted",
    name: "self-signed-certificate",
    about: "Who connects is shown a certificate that is signed by nobody but itself.",
};

pub(super) static PLAINTEXT: Impostor =
    Impostor { kind: "tls_plaintext", name: "plaintext", about: "Who begins TLS is answered in plaintext." };

pub(super) static STALLED: Impostor =
    Impostor { kind: "tls_stalled", name: "stalled-handshake", about: "Who begins TLS is never answered." };

impl Fault for Impostor {
    fn shape(&self) -> Shape<'static> {
        Shape { name: self.name, about: self.about, settings: &[SERVICE, AT, FOR] }
    }

    fn shows_certificates(&self) -> bool {
        true
    }

    fn is_on_a_link(&self) -> bool {
        true
    }

    fn is_ours_alone(&self) -> bool {
        true
    }

    fn begin<'a>(&'a self, ground: &'a Ground<'a>, chosen: &'a Chosen) -> Doing<'a> {
        Box::pin(async move {
            toxic::put(ground, service(chosen)?, (self.kind, 0), |_| ()).await?;
            down::cut(ground, service(chosen)?).await.map(|()| 0)
        })
    }

    fn undo<'a>(&'a self, ground: &'a Ground<'a>, chosen: &'a Chosen) -> Doing<'a> {
        Box::pin(async move { toxic::take_off(ground, service(chosen)?, (self.kind, 0)).await })
    }
}
