//! What is done to a server's processes: `pause`, `kill`, `restart`. Each is a line here; how it is done is the target's.

use bulkhead_model::{
    Service,
    scenario::{Chosen, Shape},
};
use bulkhead_target::Disturbance;

use super::{AT, Doing, FOR, Fault, Ground, SERVICE, service};

/// A disturbance as a fault, with its name and what it is about.
pub(super) struct Process(Disturbance, &'static str, &'static str);

/// As when a machine is frozen, or a virtual one is moved.
pub(super) static PAUSE: Process = Process(
    Disturbance::Pause,
    "pause",
    "The server is stopped where it is: its connections stay open and nobody answers.",
);

/// As when a machine loses its power but not its disk, or the kernel runs out of memory.
pub(super) static KILL: Process = Process(
    Disturbance::Kill,
    "kill",
    "The server is killed with every process of it, and started again with the data that it had.",
);

/// As when a provider brings a server up to date.
pub(super) static RESTART: Process = Process(
    Disturbance::Stop,
    "restart",
    "The server is ended in good order, and started again with the data that it had.",
);

impl Fault for Process {
    fn shape(&self) -> Shape<'static> {
        Shape { name: self.1, about: self.2, settings: &[SERVICE, AT, FOR] }
    }

    fn disturbs(&self, _: Service) -> bool {
        true
    }

    fn meets_who_dials(&self) -> bool {
        true
    }

    fn begin<'a>(&'a self, ground: &'a Ground<'a>, chosen: &'a Chosen) -> Doing<'a> {
        Box::pin(async move {
            let service = service(chosen)?;
            let open = ground.open(service);
            ground.target.disturb(service, self.0).await?;
            Ok(open)
        })
    }

    fn undo<'a>(&'a self, ground: &'a Ground<'a>, chosen: &'a Chosen) -> Doing<'a> {
        Box::pin(async move { ground.target.disturb(service(chosen)?, Disturbance::Mend).await.map(|()| 0) })
    }
}
