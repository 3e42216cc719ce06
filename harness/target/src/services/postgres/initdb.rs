//! Makes a data folder from nothing with `initdb`, as the server's own user.

use std::{path::Path, time::Duration};

use bulkhead_model::Service;
use nix::sys::signal::Signal;

use super::{Installation, account::Account};
use crate::{ChildSpec, Error, services::Place};

/// How `initdb` is called, beyond `-D`. As on Neon: UTF-8, byte order. No password: the superuser never has one.
pub(super) const OPTIONS: [&str; 7] = [
    "--username=bulkhead",
    "--locale=C.UTF-8",
    "--encoding=UTF8",
    "--wal-segsize=1",
    "--no-sync",
    "--auth-local=peer",
    "--auth-host=reject",
];

/// How long a process that was told to end may take.
const GRACE: Duration = Duration::from_secs(5);

/// Fills `data`, which must not exist.
///
/// # Errors
/// With the end of what `initdb` printed.
pub(super) async fn run(
    installation: &Installation,
    account: &Account,
    place: &Place,
    data: &Path,
) -> Result<(), Error> {
    // A failed try leaves its folder, by whose inode the shared memory of a crashed bootstrap is found.
    let mut args = vec!["--no-clean".into(), "-D".into(), data.into()];
    args.extend(OPTIONS.map(Into::into));
    let mut child = ChildSpec {
        service: Service::Postgres,
        run: place.run.clone(),
        program: installation.initdb.clone(),
        args,
        env: Vec::new(),
        dir: place.dir.clone(),
        log: place.dir.join("initdb.log"),
        user: account.switch(),
        death_signal: Signal::SIGKILL,
        piped: false,
    }
    .spawn()?;
    match tokio::time::timeout(place.deadline, child.wait()).await {
        Ok(Ok(status)) if status.success() => Ok(()),
        Ok(Ok(status)) => Err(child.ended(status)),
        Ok(Err(source)) => Err(Error::serve(Service::Postgres, "watch `initdb`")(source)),
        Err(_late) => {
            let log = child.log_tail(20);
            child.stop(Signal::SIGKILL, GRACE).await;
            let last = String::from("`initdb` was still making the data folder");
            Err(Error::NotReady { service: Service::Postgres, waited: place.deadline, last, log })
        }
    }
}
