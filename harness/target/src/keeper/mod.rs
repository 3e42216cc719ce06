//! The keeper: one background process that owns the servers and hands out leases on them.
//!
//! ```text
//!   harness A ──lease──┐                            ┌─ postgres ── its backends
//!   harness B ──lease──┼── keeper ──────────────────┼─ redis-server
//!   harness C ──lease──┘     │  PR_SET_PDEATHSIG    ├─ rabbitmq ── epmd, inet_gethost
//!                            │ pipe                 └─ embedded S3
//!                         janitor                          all below  TMP/bulkhead-run-<id>/
//!
//!   name taken ─ janitor started ─ folder made and locked ─ four servers started at once ─ leases granted
//!        │                                                                                      │
//!        └─ lost: another keeper has it, connect to that one                 last lease gone, linger over
//!                                                                                               │
//!   keeper exits ─ harnesses in `close` told ─ janitor: strays ended, folder removed ─ servers stopped ─ name given up
//! ```
//!
//! A lease is a connection to the keeper's socket, so the kernel ends it with its process. Before the first harness
//! has connected, a pipe into the keeper stands for its lease.
//!
//! | killed by SIGKILL | what happens |
//! | --- | --- |
//! | a harness | its connection (or pipe) closes: its slices are removed; was it the last, the servers stop |
//! | the keeper | the kernel signals its children; its pipe to the janitor closes, which ends what is left and removes the folder |
//! | the janitor | the keeper starts another |
//! | keeper and janitor | the children are signalled; the next keeper's sweep finds the folder unlocked, ends strays, removes it |
//! | a server | the keeper notices; whoever asks for something gets an error with the end of that server's log |
//!
//! A keeper that stops gives its name up first, so that whoever comes then starts a fresh one and never meets a
//! half-stopped set; what was connected but not granted is closed, and starts over.
//!
//! Toxiproxy beside a run has a run's folder and a janitor of its own, whose other end the harness holds.
//!
//! `name` is where they meet, `kind` what tells sets apart, `wire` what they say, `begin` and `serve` the keeper's loop, `requests` what it does for
//! them, `leases` its books, `servers` the four,
//! `folder` the run's folder, `janitor` and `strays` the clearing away, `join` and `control` the harness's side.

mod begin;
mod connection;
mod control;
mod folder;
pub mod janitor;
pub(crate) mod join;
mod kind;
mod leases;
pub(crate) mod link;
pub(crate) mod name;
mod requests;
mod serve;
mod servers;
mod strays;
pub(crate) mod wire;

use std::process::ExitCode;

pub(crate) use begin::prepare;
pub use control::{Status, status, stop};
pub(crate) use folder::RunFolder;
pub(crate) use janitor::Janitor;
pub use kind::{Kind, OTHER_HINT, other};
pub use wire::Disturbance;
pub(crate) use wire::WireTenant;

/// The keeper's process: `bulkhead __keeper`, which reads what it is to do from its standard input.
///
/// Its runtime has one thread, the main one: the kernel's death signal follows the thread that started a child.
pub fn main() -> ExitCode {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
        return ExitCode::FAILURE;
    };
    let code = runtime.block_on(begin::run());
    // Whatever still blocks a helper thread must not hold the process.
    runtime.shutdown_background();
    code
}

/// Puts a helper process into a session of its own, so that no terminal's signals reach it.
fn detach(command: &mut tokio::process::Command) {
    let own_session = || nix::unistd::setsid().map(drop).map_err(std::io::Error::from);
    #[expect(
        unsafe_code,
        reason = "the closure makes one system call, which is async-signal-safe, and allocates nothing"
    )]
    unsafe {
        command.pre_exec(own_session);
    }
}
