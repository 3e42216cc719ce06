//! `pause`: a server is stopped where it is. Its connections stay open and nobody answers, as when a machine is frozen or
//! a virtual one is moved.

use bulkhead_model::scenario::{Chosen, Shape};
use bulkhead_target::Disturbance;

use super::{AT, Doing, FOR, Fault, Ground, SERVICE, service};

/// The fault.
pub(super) struct Pause;

impl Fault for Pause {
    fn shape(&self) -> Shape<'static> {
        Shape {
            name: "pause",
            about: "The server is stopped where it is: its connections stay open and nobody answers.",
            settings: &[SERVICE, AT, FOR],
        }
    }

    fn disturbs(&self) -> bool {
        true
    }

    fn begin<'a>(&'a self, ground: &'a Ground<'a>, chosen: &'a Chosen) -> Doing<'a> {
        Box::pin(async move {
            let service = service(chosen)?;
            let open = ground.open(service);
            ground.target.disturb(service, Disturbance::Pause).await?;
            Ok(open)
        })
    }

    fn undo<'a>(&'a self, ground: &'a Ground<'a>, chosen: &'a Chosen) -> Doing<'a> {
        Box::pin(async move {
            let service = service(chosen)?;
            // Those that were dialled meanwhile met it, too.
            let open = ground.open(service);
            ground.target.disturb(service, Disturbance::Resume).await.map(|()| open)
        })
    }
}
