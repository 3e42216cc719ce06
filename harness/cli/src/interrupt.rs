//! Ctrl-C and SIGTERM: the first one ends the work in order, a second one ends the process at once.

use std::io;

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
};

/// The code of a process that did not want to wait: 128 + SIGINT.
const AT_ONCE: i32 = 130;

/// Resolves when the user or the system asks the process to end.
#[derive(Clone, Debug)]
pub(crate) struct Interrupt(watch::Receiver<bool>);

impl Interrupt {
    /// Listens from now on. Must be called inside the runtime.
    ///
    /// # Errors
    /// When the system refuses the handlers.
    pub(crate) fn listen() -> io::Result<Self> {
        let (asked, receiver) = watch::channel(false);
        let (mut ctrl_c, mut term) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        tokio::spawn(async move {
            either(&mut ctrl_c, &mut term).await;
            // Nobody may be listening any more: the second signal still ends the process.
            let _ = asked.send(true);
            either(&mut ctrl_c, &mut term).await;
            std::process::exit(AT_ONCE);
        });
        Ok(Self(receiver))
    }

    /// Whether it was.
    pub(crate) fn was_asked(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits for it.
    pub(crate) async fn asked(&mut self) {
        if self.0.wait_for(|asked| *asked).await.is_err() {
            // The listener lives as long as the runtime; should it be gone, nothing can ask any more.
            std::future::pending::<()>().await;
        }
    }
}

async fn either(one: &mut Signal, other: &mut Signal) {
    tokio::select! {
        _ = one.recv() => {}
        _ = other.recv() => {}
    }
}
