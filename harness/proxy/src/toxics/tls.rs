//! `tls_*`: what can be wrong with a server's TLS, shown to a client that connects. On an open connection they do
//! nothing.

use super::{Admission, Attributes, Context, Field, Kind, Toxic, noop::Pass};
use crate::tls::Fault;

/// One kind for each fault.
#[derive(Debug)]
pub(super) struct Tls {
    name: &'static str,
    about: &'static str,
    fault: Fault,
}

pub(super) const EXPIRED: Tls = Tls {
    name: "tls_expired",
    about: "shows clients that connect a certificate whose time is over",
    fault: Fault::Expired,
};

pub(super) const WRONG_HOST: Tls = Tls {
    name: "tls_wrong_host",
    about: "shows clients that connect another host's certificate",
    fault: Fault::WrongHost,
};

pub(super) const UNTRUSTED: Tls = Tls {
    name: "tls_untrusted",
    about: "shows clients that connect a self-signed certificate",
    fault: Fault::Untrusted,
};

pub(super) const STALLED: Tls = Tls {
    name: "tls_stalled",
    about: "reads the hello of clients that connect and never answers",
    fault: Fault::Stalled,
};

pub(super) const PLAINTEXT: Tls = Tls {
    name: "tls_plaintext",
    about: "answers the hello of clients that connect in plaintext",
    fault: Fault::Plaintext,
};

impl Kind for Tls {
    fn name(&self) -> &'static str {
        self.name
    }

    fn about(&self) -> &'static str {
        self.about
    }

    fn fields(&self) -> &'static [Field] {
        &[]
    }

    fn meet(&self, _: &Attributes, _: &mut Context<'_>) -> Box<dyn Toxic> {
        Box::new(Pass::default())
    }

    fn admission(&self, _: &Attributes) -> Option<Admission> {
        Some(Admission::Tls(self.fault))
    }
}
