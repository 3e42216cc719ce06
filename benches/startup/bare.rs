//! One server alone, started as the target starts it, without a keeper and without the others.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use bulkhead_model::Service;
use bulkhead_target::{TargetSpec, services};

use crate::alone::place;

/// Boots one server, with its management API where that is `managed`, and ends it. The time from an empty folder to a
/// server that serves.
pub(crate) async fn boot(spec: &TargetSpec, service: Service, managed: bool) -> Result<Duration> {
    let (folder, place) = place(spec, service)?;
    let stand_in = services::ALL.into_iter().find(|stand_in| stand_in.service() == service);
    let start = Instant::now();
    let mut running = stand_in.context("no such stand-in")?.start(spec, &place).await?;
    if managed {
        running.management().await?.context("the server has no management API")?;
    }
    let ready = start.elapsed();
    running.stop().await;
    drop(folder);
    Ok(ready)
}
