//! Ways into a container to the console of its node.
//!
//! Nothing outside the container reaches its loopback, so each is a program inside, which the engine takes a tenth of a second
//! to start. They are kept for the next expression.

use std::sync::{Arc, Mutex, PoisonError};

use crate::{
    backends::docker::{Ends, Inside},
    error::Cause,
};

/// Where the console is in a container, whose loopback nobody else reaches.
pub(super) const PORT: u16 = 25_699;

/// Connects a program's two ends with it, in the shell that the image has.
const BRIDGE: &str = "if command -v bash >/dev/null; then \
        exec bash -c 'exec 3<>/dev/tcp/127.0.0.1/$0; cat <&3 & cat >&3; kill $!' \"$0\"; \
    else exec nc 127.0.0.1 \"$0\"; fi";

/// Those to one node. Whoever has a copy shares them.
#[derive(Clone)]
pub(super) struct Bridges {
    inside: Inside,
    idle: Arc<Mutex<Vec<Ends>>>,
}

impl std::fmt::Debug for Bridges {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bridges").field("inside", &self.inside).finish_non_exhaustive()
    }
}

impl Bridges {
    pub(super) fn to(inside: Inside) -> Self {
        Self { inside, idle: Arc::default() }
    }

    /// One over which nothing is asked; it is the caller's alone.
    ///
    /// # Errors
    /// When the engine does not start one.
    pub(super) async fn take(&self) -> Result<Ends, Cause> {
        while let Some(mut bridge) = self.idle().pop() {
            // Its program ended with the container, or with the node.
            if bridge.quiet() {
                return Ok(bridge);
            }
        }
        self.inside.start("root", &["sh", "-c", BRIDGE, &PORT.to_string()]).await
    }

    /// Leaves one whose answer was read whole to the next who asks.
    pub(super) fn give_back(&self, bridge: Ends) {
        self.idle().push(bridge);
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Ends>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
