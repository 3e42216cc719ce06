//! `evict`: Redis has no memory left and evicts keys, whoever's they are, as with `maxmemory-policy allkeys-random`.

use bulkhead_model::{
    Service,
    scenario::{Chosen, Shape},
};
use bulkhead_target::{Disturbance, Error};

use super::{AT, Doing, FOR, Fault, Ground, SERVICE, service};

/// The fault.
pub(super) struct Evict;

impl Fault for Evict {
    fn shape(&self) -> Shape<'static> {
        let about = "Redis has no memory left: whatever is written evicts all keys, and writes are refused.";
        Shape { name: "evict", about, settings: &[SERVICE, AT, FOR] }
    }

    fn disturbs(&self) -> bool {
        true
    }

    fn begin<'a>(&'a self, ground: &'a Ground<'a>, chosen: &'a Chosen) -> Doing<'a> {
        Box::pin(async move {
            let service = service(chosen)?;
            if service != Service::Redis {
                return Err(Error::Reported(format!("{service} evicts nothing: `evict` is for redis")));
            }
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
