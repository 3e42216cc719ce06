//! `evict`: Redis has no memory left and evicts keys, whoever's they are, as with `maxmemory-policy allkeys-random`.

use bulkhead_model::{
    Service,
    scenario::{Chosen, Kind, Shape, Wanted},
};
use bulkhead_target::Disturbance;

use super::{AT, Doing, FOR, Fault, Ground, SERVICE, service};

/// Redis alone evicts.
const ON: Wanted<'static> = Wanted { kind: Kind::Service(&[Service::Redis]), ..SERVICE };

/// The fault.
pub(super) struct Evict;

impl Fault for Evict {
    fn shape(&self) -> Shape<'static> {
        let about = "Redis has no memory left: whatever is written evicts all keys, and writes are refused.";
        Shape { name: "evict", about, settings: &[ON, AT, FOR] }
    }

    fn disturbs(&self, _on: Service) -> bool {
        true
    }

    fn begin<'a>(&'a self, ground: &'a Ground<'a>, chosen: &'a Chosen) -> Doing<'a> {
        Box::pin(async move {
            let service = service(chosen)?;
            let open = ground.open(service);
            ground.target.disturb(service, Disturbance::Crowd).await?;
            Ok(open)
        })
    }

    fn undo<'a>(&'a self, ground: &'a Ground<'a>, chosen: &'a Chosen) -> Doing<'a> {
        Box::pin(async move {
            let service = service(chosen)?;
            ground.target.disturb(service, Disturbance::Mend).await.map(|()| 0)
        })
    }
}
