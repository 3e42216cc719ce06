//! What a queue is, what goes through it, and what lies between it and its clients.

use std::time::Instant;

use anyhow::Result;
use criterion::Throughput;
use lapin::Consumer;

use crate::{
    line::{Kind, Line, Shape, USUAL, WINDOW, acknowledge, confirmed, next, send},
    measure::{Bench, Place, size},
    publish::published,
};

/// A line whose consumer waits.
pub(crate) async fn tapped(
    place: &Place,
    name: &str,
    shape: Shape,
    proxied: bool,
) -> Result<(Line, Consumer)> {
    let access = if proxied { &place.proxied } else { &place.direct };
    let line = Line::open(access, name, shape).await?;
    let deliveries = line.tap().await?;
    Ok((line, deliveries))
}

/// What each kind of queue costs.
pub(crate) fn kinds(bench: &mut Bench) {
    let says = "a message to a durable classic, quorum and stream queue (publish: until confirmed, through: until \
                acknowledged by a consumer at work); at most 100 unconfirmed and unacknowledged, 1 KiB, TLS, direct";
    let mut group = bench.group("queue/kinds", says);
    for kind in [Kind::Classic, Kind::Quorum, Kind::Stream] {
        let (shape, name) = (Shape { kind, ..USUAL }, kind.name());
        let line = async |place: &Place| Line::open(&place.direct, &format!("{name}.publish"), shape).await;
        group.figure(format!("publish/{name}"), Throughput::Elements(1), line, async |line, times| {
            published(line, times, WINDOW).await
        });
        let line = async |place: &Place| tapped(place, &format!("{name}.through"), shape, false).await;
        group.figure(
            format!("through/{name}"),
            Throughput::Elements(1),
            line,
            async |(line, deliveries), times| line.through(deliveries, times).await,
        );
    }
    group.finish();
}

/// What outliving the broker costs.
pub(crate) fn durability(bench: &mut Bench) {
    let says = "a message until confirmed: persistent to a durable, and transient to a transient classic queue; each before the \
                next, and at most 100 unconfirmed; 1 KiB, TLS, direct";
    let mut group = bench.group("queue/durability", says);
    for durable in [true, false] {
        let (shape, name) = (Shape { durable, ..USUAL }, if durable { "durable" } else { "transient" });
        for (waits, window) in [("one-by-one", 1), ("window-of-100", WINDOW)] {
            let line = async |place: &Place| Line::open(&place.direct, name, shape).await;
            group.figure(format!("{waits}/{name}"), Throughput::Elements(1), line, async |line, times| {
                published(line, times, window).await
            });
        }
    }
    group.finish();
}

/// What a message's size costs.
pub(crate) fn payloads(bench: &mut Bench) {
    let says = "a message of 16 B to 64 KiB through a durable classic queue, until acknowledged by a consumer at work; at most \
                100 unconfirmed and unacknowledged, TLS, direct";
    let mut group = bench.group("queue/payloads", says);
    for bytes in [16, 1024, 16 * 1024, 64 * 1024] {
        let shape = Shape { bytes, ..USUAL };
        let line = async |place: &Place| tapped(place, &format!("payload.{bytes}"), shape, false).await;
        group.figure(
            size(bytes),
            Throughput::Bytes(bytes as u64),
            line,
            async |(line, deliveries), times| line.through(deliveries, times).await,
        );
    }
    group.finish();
}

/// What the fault proxy costs.
pub(crate) fn paths(bench: &mut Bench) {
    let says = "a message through a durable classic queue, direct and with the fault proxy before both clients: one at a time \
                (end-to-end), and at most 100 unconfirmed and unacknowledged (through); 1 KiB, TLS";
    let mut group = bench.group("queue/paths", says);
    for (name, proxied) in [("direct", false), ("fault-proxy", true)] {
        let line = async |place: &Place| tapped(place, &format!("path.{name}"), USUAL, proxied).await;
        let each = Throughput::Elements(1);
        group.figure(format!("end-to-end/{name}"), each.clone(), line, async |(line, deliveries), times| {
            let begun = Instant::now();
            one_at_a_time(line, deliveries, times).await?;
            Ok(begun.elapsed())
        });
        group.figure(format!("through/{name}"), each, line, async |(line, deliveries), times| {
            line.through(deliveries, times).await
        });
    }
    group.finish();
}

/// Publishes one after another, each when the one before was acknowledged and confirmed.
pub(crate) async fn one_at_a_time(line: &Line, deliveries: &mut Consumer, times: u64) -> Result<()> {
    for _ in 0..times {
        let sent = send(&line.publisher, "", &line.queue, line.payload(), line.properties()).await?;
        acknowledge(&next(deliveries).await?, false).await?;
        confirmed(sent).await?;
    }
    Ok(())
}
