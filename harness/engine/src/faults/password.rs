//! `revoked-password`: the administrator gives the tenant's login another password, and the old one back in the end.

use bulkhead_model::{
    Service,
    report::ServerReport,
    scenario::{Chosen, Shape},
};
use bulkhead_target::ServiceFault;

use super::{
    AT, Doing, FOR, Fault, Ground, down, service,
    service::{inflict, on},
};

/// What the target does.
const REVOKED: ServiceFault = ServiceFault::RevokedPassword;

/// The fault.
pub(super) struct Revoked;

impl Fault for Revoked {
    fn shape(&self) -> Shape<'static> {
        Shape {
            name: "revoked-password",
            about: "The tenant's password, or key, is taken back and its connections are ended: who logs in is refused (28P01, \
                    WRONGPASS, ACCESS_REFUSED, InvalidAccessKeyId).",
            settings: const { &[on(REVOKED), AT, FOR] },
        }
    }

    fn disturbs(&self, on: Service) -> bool {
        REVOKED.needs_alone(on)
    }

    fn befalls(&self, server: &ServerReport) -> bool {
        REVOKED.befalls(server)
    }

    fn meets_who_dials(&self) -> bool {
        true
    }

    fn locks_out(&self) -> bool {
        true
    }

    fn begin<'a>(&'a self, ground: &'a Ground<'a>, chosen: &'a Chosen) -> Doing<'a> {
        Box::pin(async move {
            let ended = inflict(REVOKED, ground, chosen, true).await?;
            // A login that began with the old password may succeed yet, and the server cannot tell whose it will be.
            down::cut(ground, service(chosen)?).await.map(|()| ended)
        })
    }

    fn undo<'a>(&'a self, ground: &'a Ground<'a>, chosen: &'a Chosen) -> Doing<'a> {
        Box::pin(inflict(REVOKED, ground, chosen, false))
    }
}
