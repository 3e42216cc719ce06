//! Statements by themselves, of several clients and through the fault proxy.

use anyhow::{Context as _, Result};
use bulkhead_target::clients;
use criterion::Throughput;
use sqlx::PgPool;

use crate::{
    at_once::at_once,
    measure::{Bench, Place, size},
    tables::{COPIED, Client, READ, create, key},
};

/// Clients that share a pool with a connection for each.
const CLIENTS: [u32; 3] = [1, 4, 16];

async fn one(place: &Place) -> Result<Client> {
    Client::connect(&place.direct).await
}

/// What each costs.
pub(crate) fn statements(bench: &mut Bench) {
    let says = "a point read by key, an insert that commits, a transaction of two updates and an insert, a COPY of 1000 rows; \
                one client, TLS, direct";
    let mut group = bench.group("database/statements", says);
    let each = Throughput::Elements(1);
    group.figure("point-read", each.clone(), one, async |client, times| client.reads(times).await);
    group.figure("insert", each.clone(), one, async |client, times| client.inserts(times).await);
    group.figure("transaction", each, one, async |client, times| client.transactions(times).await);
    group.figure(format!("copy-{COPIED}"), Throughput::Elements(COPIED), one, async |client, times| {
        client.copies(times).await
    });
    group.finish();
}

/// What a row's size costs.
pub(crate) fn payloads(bench: &mut Bench) {
    let mut group =
        bench.group("database/payloads", "an insert of 64 B to 64 KiB that commits; one client, TLS, direct");
    for bytes in [64, 1024, 64 * 1024] {
        let client = async |place: &Place| Ok(one(place).await?.writing(bytes));
        let each = Throughput::Bytes(bytes as u64);
        group.figure(format!("insert/{}", size(bytes)), each, client, async |client, times| {
            client.inserts(times).await
        });
    }
    group.finish();
}

/// What all clients get done together.
pub(crate) fn connections(bench: &mut Bench) {
    let says = "a point read by each of 1, 4 and 16 clients at once, from a pool of as many connections; TLS, direct";
    let mut group = bench.group("database/connections", says);
    for clients in CLIENTS {
        group.figure(
            format!("pooled/{clients}"),
            Throughput::Elements(u64::from(clients)),
            async |place| {
                create(&place.direct).await?;
                let pool = clients::postgres::pool(&place.direct, clients).await?;
                Ok((0..clients).map(|_| pool.clone()).collect::<Vec<_>>())
            },
            async |pools, times| at_once(pools, times, reads).await,
        );
    }
    group.finish();
}

async fn reads(pool: PgPool, times: u64) -> Result<()> {
    for number in 0..times {
        let read = sqlx::query_scalar::<_, String>(READ).bind(key(number));
        read.fetch_one(&pool).await.context("read a row")?;
    }
    Ok(())
}

/// What the fault proxy costs.
pub(crate) fn paths(bench: &mut Bench) {
    let says = "a point read and an insert, direct and through the fault proxy, which ends TLS and begins it anew; one client";
    let mut group = bench.group("database/paths", says);
    for (name, proxied) in [("direct", false), ("fault-proxy", true)] {
        let client =
            async |place: &Place| Client::connect(if proxied { &place.proxied } else { &place.direct }).await;
        let each = Throughput::Elements(1);
        group.figure(format!("point-read/{name}"), each.clone(), client, async |client, times| {
            client.reads(times).await
        });
        group.figure(format!("insert/{name}"), each, client, async |client, times| {
            client.inserts(times).await
        });
    }
    group.finish();
}
