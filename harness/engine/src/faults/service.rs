//! What a service does to its clients in trouble of its own, its processes being well. Each is a line here; how it is
//! done, and where it can be, is the target's.

use bulkhead_model::{
    Service,
    report::ServerReport,
    scenario::{Chosen, Kind, Shape, Wanted},
};
use bulkhead_target::{Error, ServiceFault};

use super::{AT, Doing, FOR, Fault, Ground, service};

/// A service fault with what a file says of it.
pub(super) struct Trouble(ServiceFault, Shape<'static>);

/// As in a failover, or when a provider moves a server.
pub(super) static TERMINATE: Trouble = Trouble(
    ServiceFault::Terminate,
    Shape {
        name: "terminate",
        about: "The tenant's connections are ended by the server's administrator, once, when it begins.",
        settings: &[on(ServiceFault::Terminate), AT, FOR],
    },
);

/// As when a provider's limit is reached, or processes of the tenant's that hang on keep all of it.
pub(super) static EXHAUST: Trouble = Trouble(
    ServiceFault::Exhaust,
    Shape {
        name: "exhaust",
        about: "No connection is left for the tenant: it loses those that it has, and new ones are refused (53300).",
        settings: &[on(ServiceFault::Exhaust), AT, FOR],
    },
);

/// As on a standby that a failover left behind, or past a provider's limit on size.
pub(super) static READ_ONLY: Trouble = Trouble(
    ServiceFault::ReadOnly,
    Shape {
        name: "read-only",
        about: "The tenant connects anew, when it begins and when it ends, and can write nothing meanwhile (25006).",
        settings: &[on(ServiceFault::ReadOnly), AT, FOR],
    },
);

/// As when an instance is full and evicts nothing.
pub(super) static OUT_OF_MEMORY: Trouble = Trouble(
    ServiceFault::OutOfMemory,
    Shape {
        name: "out-of-memory",
        about: "No memory is left for anybody on the server: what would take some is refused (OOM).",
        settings: &[on(ServiceFault::OutOfMemory), AT, FOR],
    },
);

/// As with `maxmemory-policy allkeys-random`.
pub(super) static EVICT: Trouble = Trouble(
    ServiceFault::Evict,
    Shape {
        name: "evict",
        about: "Redis has no memory left: whatever is written evicts all keys, and writes are refused.",
        settings: &[on(ServiceFault::Evict), AT, FOR],
    },
);

/// As when consumers fall behind, or a neighbour's queues grow.
pub(super) static MEMORY_ALARM: Trouble = Trouble(
    ServiceFault::MemoryAlarm,
    Shape {
        name: "memory-alarm",
        about: "The broker has too little memory: it reads from nobody who publishes.",
        settings: &[on(ServiceFault::MemoryAlarm), AT, FOR],
    },
);

/// As when messages that nobody takes fill the disk.
pub(super) static DISK_ALARM: Trouble = Trouble(
    ServiceFault::DiskAlarm,
    Shape {
        name: "disk-alarm",
        about: "The broker has too little disk: it reads from nobody who publishes.",
        settings: &[on(ServiceFault::DiskAlarm), AT, FOR],
    },
);

/// As when a plan's limit on a queue's length is reached.
pub(super) static QUEUE_LIMIT: Trouble = Trouble(
    ServiceFault::QueueLimit,
    Shape {
        name: "queue-limit",
        about: "The tenant's queues are full: they refuse what is published (a nack).",
        settings: &[on(ServiceFault::QueueLimit), AT, FOR],
    },
);

/// As when a limit on requests is reached.
pub(super) static SLOW_DOWN: Trouble = Trouble(
    ServiceFault::SlowDown,
    Shape {
        name: "slow-down",
        about: "The tenant's requests are throttled: none is looked at (503 SlowDown).",
        settings: &[on(ServiceFault::SlowDown), AT, FOR],
    },
);

/// As when a node behind the service is busy or fails.
pub(super) static INTERNAL_ERROR: Trouble = Trouble(
    ServiceFault::InternalError,
    Shape {
        name: "internal-error",
        about: "The tenant's requests meet an error of the server's, every second one after it was done (500 InternalError).",
        settings: &[on(ServiceFault::InternalError), AT, FOR],
    },
);

/// As when a node goes in the middle of an answer.
pub(super) static TRUNCATED: Trouble = Trouble(
    ServiceFault::Truncated,
    Shape {
        name: "truncated",
        about: "The bodies that answer the tenant's requests end half-way, with their connection.",
        settings: &[on(ServiceFault::Truncated), AT, FOR],
    },
);

/// The services that it can befall, of which a file names one.
pub(super) const fn on(fault: ServiceFault) -> Wanted<'static> {
    Wanted { name: "service", kind: Kind::Service(fault.services()), usual: None }
}

impl Fault for Trouble {
    fn shape(&self) -> Shape<'static> {
        self.1
    }

    fn disturbs(&self, on: Service) -> bool {
        self.0.needs_alone(on)
    }

    fn befalls(&self, server: &ServerReport) -> bool {
        self.0.befalls(server)
    }

    fn meets_who_dials(&self) -> bool {
        self.0 == ServiceFault::Exhaust
    }

    fn begin<'a>(&'a self, ground: &'a Ground<'a>, chosen: &'a Chosen) -> Doing<'a> {
        Box::pin(self.inflict(ground, chosen, true))
    }

    fn undo<'a>(&'a self, ground: &'a Ground<'a>, chosen: &'a Chosen) -> Doing<'a> {
        Box::pin(self.inflict(ground, chosen, false))
    }
}

impl Trouble {
    async fn inflict(&self, ground: &Ground<'_>, chosen: &Chosen, begins: bool) -> Result<u64, Error> {
        inflict(self.0, ground, chosen, begins).await
    }
}

/// Has the target begin it for the tenant, or undo it.
pub(super) async fn inflict(
    fault: ServiceFault,
    ground: &Ground<'_>,
    chosen: &Chosen,
    begins: bool,
) -> Result<u64, Error> {
    ground.target.inflict(service(chosen)?, fault, &ground.access.tenant, begins).await
}
