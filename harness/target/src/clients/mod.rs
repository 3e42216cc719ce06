//! How a tenant connects: one file a service, each with a deadline and the target's own certificate authority.
//!
//! The stand-ins use these too, for their own admin connections. What is sent over a connection is the caller's
//! affair; nothing here knows probes or workloads.

use std::{future::Future, path::Path, time::Duration};

use bulkhead_model::Service;

use crate::{Error, error::Cause};

pub mod management;
pub mod postgres;
pub mod rabbitmq;
pub mod redis;
pub mod s3;
pub mod tls;

/// The longest that connecting may take, name look-up, TLS and login included.
///
/// Generous, because a machine that is busy with a test suite makes a debug build's TLS handshake slow.
pub const CONNECT_DEADLINE: Duration = Duration::from_secs(15);

/// The longest that one command of an admin connection may take.
pub const COMMAND_DEADLINE: Duration = Duration::from_secs(30);

/// How long an admin connection may take to show that it is alive, before another one is made.
pub(crate) const ALIVE_DEADLINE: Duration = Duration::from_secs(5);

/// Runs one attempt under [`CONNECT_DEADLINE`].
async fn bounded<T, E: Into<Cause>>(
    service: Service,
    doing: impl Fn() -> String,
    attempt: impl Future<Output = Result<T, E>>,
) -> Result<T, Error> {
    match tokio::time::timeout(CONNECT_DEADLINE, attempt).await {
        Ok(done) => done.map_err(Error::serve(service, doing())),
        Err(late) => Err(Error::serve(service, format!("{} within {CONNECT_DEADLINE:?}", doing()))(late)),
    }
}

/// Reads the authority's certificate.
fn read_ca(ca: &Path) -> Result<Vec<u8>, Error> {
    std::fs::read(ca).map_err(Error::disk("read", ca))
}
