//! Waiting for a server: a condition polled often with a generous cap, that notices at once when the server is gone.

use std::{future::Future, time::Duration};

use bulkhead_model::Service;
use tokio::time::Instant;

use crate::{Error, instance::Instance};

/// Pause between two attempts at a process.
const POLL: Duration = Duration::from_millis(5);

/// Pause between two attempts at a container: each goes through a program of the engine, which takes the connection before
/// anybody listens, and starts take their processors from one another.
const POLL_INSIDE: Duration = Duration::from_millis(25);

/// One attempt's bound, so that a server which accepts and never answers is asked again.
const ATTEMPT: Duration = Duration::from_secs(5);

/// How far back the log is searched for a reason.
const LOG_LINES: usize = 400;

/// Polls `attempt` until it gives a value; `Err` is its reason for not yet.
///
/// # Errors
/// [`Error::Exited`] as soon as the process ends, [`Error::NotReady`] with the last reason after `deadline`.
pub(crate) async fn until<T, F, A>(
    service: Service,
    child: &mut Instance,
    deadline: Duration,
    mut attempt: A,
) -> Result<T, Error>
where
    F: Future<Output = Result<T, String>>,
    A: FnMut() -> F,
{
    let start = Instant::now();
    let poll = match child {
        Instance::Process(_) => POLL,
        Instance::Container(_) => POLL_INSIDE,
    };
    loop {
        let left = deadline.saturating_sub(start.elapsed()).min(ATTEMPT);
        let last = tokio::select! {
            status = child.wait() => {
                return Err(match status {
                    Ok(status) => child.ended(status),
                    Err(source) => Error::Serve { service, doing: "watch the server".into(), source: source.into() },
                });
            }
            tried = tokio::time::timeout(left, attempt()) => match tried {
                Ok(Ok(value)) => {
                    child.serves().await;
                    return Ok(value);
                }
                Ok(Err(reason)) => reason,
                Err(_) => match port_taken(child) {
                    Some(line) => {
                        return Err(Error::NotReady { service, waited: start.elapsed(), last: line, log: child.log_tail(20) });
                    }
                    None => String::from("it accepted and did not answer"),
                },
            },
        };
        if start.elapsed() >= deadline {
            return Err(Error::NotReady { service, waited: start.elapsed(), last, log: child.log_tail(20) });
        }
        tokio::time::sleep(poll).await;
    }
}

/// The line of the log that says that another process has the server's port. RabbitMQ says so and runs on without it,
/// while that other process accepts our connections and never answers.
fn port_taken(child: &Instance) -> Option<String> {
    let says_so = |line: &String| line.contains("eaddrinuse");
    let line = child.log_tail(LOG_LINES).into_iter().find(says_so)?;
    Some(format!("another process has its port: {}", line.trim()))
}
