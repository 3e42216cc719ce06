//! Where the services are: stand-ins that are started here as processes (`native`) or in containers (`docker`), or the
//! real ones that variables name (`env`), all behind one [`Target`] that hands out lots and the connections to them.
//!
//! Only this room starts or signals a process, and only processes that it started itself. It never knows which
//! scenario runs, what is checked or how results are shown.
//!
//! Start reading at [`Session::open`] and [`backends::env::Env::open`]; then `keeper` for who owns the servers and how
//! they end, `services` for how each one is started and carved into slices, `clients` for how a tenant connects.

pub mod access;
pub mod backends;
pub mod clients;
pub mod deadlines;
mod error;
mod first;
mod instance;
pub mod keeper;
mod private;
mod process;
pub mod program;
mod ready;
mod service_fault;
pub mod services;
mod session;
pub mod spec;
mod target;
mod tls;
mod usage;

pub use access::{Detour, Detours, Disguise, Login, TenantAccess};
pub use error::{Cause, Error, Missing};
pub use first::FirstSlices;
pub use keeper::Disturbance;
pub use process::{Child, ChildSpec, RUN_VARIABLE};
pub use service_fault::ServiceFault;
pub use session::Session;
pub use spec::{S3Kind, TargetSpec};
pub use target::{Lot, Target};
pub use tls::{Authority, Identity};
pub use usage::Gauge;
