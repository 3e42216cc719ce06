//! How a command lets go of what it opened. From Ctrl-C on, whenever that comes, it waits no longer than a person does
//! for stand-ins to be gone: they go without it, too. Names on real services do not, so it waits for them.

use std::{future::Future, pin::pin, time::Duration};

use bulkhead_target::{
    Error,
    deadlines::{INTERRUPTED, UNHURRIED},
};
use tokio::time::timeout;

use crate::{failure::Hinted, interrupt::Interrupt};

/// Waits until stand-ins are gone, and says why some may not be.
pub(crate) async fn stand_ins(
    closing: impl Future<Output = Result<(), Error>>,
    interrupt: &mut Interrupt,
) -> Option<anyhow::Error> {
    let mut closing = pin!(closing);
    let (closed, patience) = tokio::select! {
        closed = timeout(UNHURRIED, &mut closing) => (closed, UNHURRIED),
        () = interrupt.asked() => (timeout(INTERRUPTED, &mut closing).await, INTERRUPTED),
    };
    let late = || {
        let what = format!("the servers were still stopping after {}", seconds(patience));
        Hinted::error(what, "they go on with that by themselves, and the next start clears away what is left")
    };
    closed.map_or_else(|_| Some(late()), |closed| closed.err().map(anyhow::Error::from))
}

/// Waits until a run's names on real services are removed, and says why some may not be.
pub(crate) async fn names(closing: impl Future<Output = Result<(), Error>>) -> Option<anyhow::Error> {
    let what = match timeout(UNHURRIED, closing).await {
        Ok(Ok(())) => return None,
        Ok(Err(error)) => format!("names of the run may be left: {}", error.chain()),
        Err(_) => format!("the run's names were still being removed after {}", seconds(UNHURRIED)),
    };
    Some(Hinted::error(what, "`bulkhead clean`, given the same variables, removes what is left of them"))
}

fn seconds(patience: Duration) -> String {
    format!("{} s", patience.as_secs())
}
