//! Clients that work at the same time.

use std::{
    future::Future,
    time::{Duration, Instant},
};

use anyhow::Result;
use tokio::task::JoinSet;

/// Lets each client do its work so many times, each in a task of its own as in an app, and says how long all took.
pub(crate) async fn at_once<C: Clone, F>(
    clients: &[C],
    times: u64,
    work: impl Fn(C, u64) -> F,
) -> Result<Duration>
where
    F: Future<Output = Result<()>> + Send + 'static,
{
    let begun = Instant::now();
    let mut tasks: JoinSet<_> = clients.iter().map(|client| work(client.clone(), times)).collect();
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    Ok(begun.elapsed())
}
