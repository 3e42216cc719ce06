//! One end of a queue at a time: how a publisher waits, and how a consumer acknowledges.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use criterion::Throughput;
use lapin::options::BasicCancelOptions;

use crate::{
    line::{Line, USUAL, WINDOW, channel, send},
    measure::{Bench, Group, Place},
};

/// Messages that lie in a queue at once: what is consumed has been published before, without being measured.
const LYING: u64 = 2_000;

/// What a message costs its publisher.
pub(crate) fn publish(bench: &mut Bench) {
    let says = "a message to a durable classic queue: without confirms (until the broker has read all), each confirmed before \
                the next, 100 and then their confirms, and at most 100 unconfirmed; 1 KiB, TLS, direct";
    let mut group = bench.group("queue/publish", says);
    unconfirmed(&mut group);
    let line = async |place: &Place| Line::open(&place.direct, "publish", USUAL).await;
    let each = Throughput::Elements(1);
    group.figure("one-by-one", each.clone(), line, async |line, times| published(line, times, 1).await);
    group.figure(format!("batches-of-{WINDOW}"), each.clone(), line, async |line, times| {
        let (begun, mut left) = (Instant::now(), times);
        while left > 0 {
            let batch = left.min(u64::from(WINDOW));
            // Nothing is waited for before the whole batch is sent.
            line.publish(batch, WINDOW).await?;
            left -= batch;
        }
        emptied(line, begun.elapsed()).await
    });
    group.figure(format!("window-of-{WINDOW}"), each, line, async |line, times| {
        published(line, times, WINDOW).await
    });
    group.finish();
}

/// How long so many take to be published and confirmed.
pub(crate) async fn published(line: &Line, times: u64, window: u16) -> Result<Duration> {
    let begun = Instant::now();
    line.publish(times, window).await?;
    emptied(line, begun.elapsed()).await
}

async fn emptied(line: &Line, took: Duration) -> Result<Duration> {
    line.empty().await?;
    Ok(took)
}

/// On a channel that gives no confirms.
fn unconfirmed(group: &mut Group<'_>) {
    let ready = async |place: &Place| {
        let line = Line::open(&place.direct, "publish", USUAL).await?;
        Ok((line, channel(&place.direct).await?))
    };
    group.figure("no-confirms", Throughput::Elements(1), ready, async |(line, (_, silent)), times| {
        let begun = Instant::now();
        for number in 1..=times {
            let _no_confirm = send(silent, "", &line.queue, line.payload(), line.properties()).await?;
            // The client takes whatever it is given; the broker may be slower.
            if number % LYING == 0 {
                line.settle(silent).await?;
            }
        }
        line.settle(silent).await?;
        emptied(line, begun.elapsed()).await
    });
}

/// What a message costs its consumer.
pub(crate) fn consume(bench: &mut Bench) {
    let says = "a message of those that lie in a durable classic queue, from the consumer's start until the broker has all \
                acknowledgements: each by itself, or every 50 at once; at most 100 unacknowledged, 1 KiB, TLS, direct";
    let mut group = bench.group("queue/consume", says);
    for every in [1, 50] {
        let line = async |place: &Place| Line::open(&place.direct, "consume", USUAL).await;
        group.figure(format!("ack-every-{every}"), Throughput::Elements(1), line, async |line, times| {
            let (mut took, mut left) = (Duration::ZERO, times);
            while left > 0 {
                let lying = left.min(LYING);
                took += consumed(line, lying, every).await?;
                left -= lying;
            }
            Ok(took)
        });
    }
    group.finish();
}

async fn consumed(line: &Line, times: u64, every: u64) -> Result<Duration> {
    line.publish(times, WINDOW).await?;
    let begun = Instant::now();
    let mut deliveries = line.tap().await?;
    line.take(&mut deliveries, times, every).await?;
    line.settle(&line.consumer).await?;
    let took = begun.elapsed();
    let (tag, options) = (deliveries.tag(), BasicCancelOptions::default());
    line.consumer.basic_cancel(tag, options).await.context("end the consumer")?;
    Ok(took)
}
