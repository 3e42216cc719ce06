//! Deadlines that depend on one another, in one place: whoever waits must outlast what it waits for, or it gives up on
//! what is about to be done. The relations are checked as this is compiled. A deadline that stands alone stands where
//! it is used.

use std::time::Duration;

/// From Ctrl-C to the end of the command.
pub const CTRL_C: Duration = Duration::from_secs(5);

/// How long a command that was interrupted waits for its servers to be gone; they also go without it.
pub const INTERRUPTED: Duration = Duration::from_secs(4);

/// How long any other command waits for that.
pub const UNHURRIED: Duration = Duration::from_secs(60);

/// How long one server may take to make or to remove slices, unless the request says otherwise.
pub(crate) const SLICES: Duration = Duration::from_secs(60);

/// How long one server may take to stop in good order before it is killed.
///
/// PostgreSQL would give a stuck backend five seconds before it ends it; ours has less, and then the janitor ends the
/// backend and frees the shared memory.
pub(crate) const SERVER_STOPS: Duration = Duration::from_millis(2500);

/// How long RabbitMQ's helpers have to see that their node is gone before they are killed, which is a part of the
/// server's stop.
pub(crate) const HELPERS_STOP: Duration = Duration::from_secs(2);

/// How long the keeper waits for all its servers, which stop at the same time; what is left is the janitor's.
pub(crate) const SERVERS_STOP: Duration = Duration::from_secs(3);

/// How long processes that the kernel has told to end may take before the janitor kills them.
pub(crate) const STRAYS_END: Duration = Duration::from_millis(300);

/// How long everything that the janitor does may take.
pub(crate) const STRAYS_GONE: Duration = Duration::from_secs(10);

/// How long the keeper waits for its janitor.
pub(crate) const JANITOR_DONE: Duration = Duration::from_secs(15);

/// How long the keeper's end waits for a sweep of earlier runs.
pub(crate) const SWEPT: Duration = Duration::from_secs(10);

/// How long a peer may take to read its last messages when the keeper stops.
pub(crate) const FLUSHED: Duration = Duration::from_secs(1);

/// How long [`crate::Session::close`] waits.
pub(crate) const CLOSED: Duration = Duration::from_secs(30);

const _: () = {
    assert!(outlasts(SERVER_STOPS, HELPERS_STOP), "a server kills its helpers before it is given up");
    assert!(outlasts(SERVERS_STOP, SERVER_STOPS), "a server kills itself before the keeper gives it up");
    let cleared = SERVERS_STOP.saturating_add(STRAYS_END);
    assert!(outlasts(INTERRUPTED, cleared), "Ctrl-C sees the servers stopped and the strays killed");
    assert!(outlasts(CTRL_C, INTERRUPTED), "and leaves the command time to say what it found");
    assert!(outlasts(STRAYS_GONE, STRAYS_END));
    assert!(outlasts(JANITOR_DONE, STRAYS_GONE), "the keeper hears what its janitor could not do");
    let keeper = SERVERS_STOP.saturating_add(JANITOR_DONE).saturating_add(SWEPT).saturating_add(FLUSHED);
    assert!(outlasts(CLOSED, keeper), "a session hears what its keeper could not do");
    assert!(outlasts(UNHURRIED, CLOSED), "and the command what its session says");
};

/// Whether the one that waits goes on when what it waits for has given up.
const fn outlasts(waiter: Duration, waited_for: Duration) -> bool {
    waiter.as_millis() > waited_for.as_millis()
}
