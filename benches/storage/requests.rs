//! Requests by themselves, of several clients and through the fault proxy.

use anyhow::Result;
use criterion::Throughput;

use crate::{
    at_once::at_once,
    measure::{Bench, Group, Place, size},
    objects::{Client, PART, PARTS, RANGE},
};

/// Bytes of an object, unless they are what varies.
const OBJECT: usize = 64 * 1024;

/// Objects of a listing.
const LISTED: usize = 200;

/// Clients at once.
const CLIENTS: [u64; 3] = [1, 4, 16];

/// What each costs.
pub(crate) fn requests(bench: &mut Bench) {
    let says = "a put and a get of 64 KiB, a range of 4 KiB of it, an upload of two parts of 5 MiB, a list of 200 \
                objects; one client, TLS, direct";
    let mut group = bench.group("storage/requests", says);
    put_and_get(&mut group, OBJECT, |request| request.to_owned());
    let each = Throughput::Bytes(RANGE as u64);
    group.figure("range", each, one, async |client, times| client.gets(times, Some(RANGE)).await);
    let each = Throughput::Bytes(PART as u64 * u64::from(PARTS.unsigned_abs()));
    let large = async |place: &Place| Client::connect(&place.direct, 2, PART).await;
    group.figure("multipart", each, large, async |client, times| client.uploads(times).await);
    let listed = async |place: &Place| {
        let client = Client::connect(&place.direct, 3, 16).await?;
        client.fill(LISTED).await?;
        Ok(client)
    };
    group.figure("list", Throughput::Elements(LISTED as u64), listed, async |client, times| {
        client.lists(times, LISTED).await
    });
    group.finish();
}

async fn one(place: &Place) -> Result<Client> {
    Client::connect(&place.direct, 1, OBJECT).await
}

fn put_and_get(group: &mut Group<'_>, bytes: usize, name: impl Fn(&str) -> String) {
    let client = async |place: &Place| Client::connect(&place.direct, 1, bytes).await;
    let each = Throughput::Bytes(bytes as u64);
    group.figure(name("put"), each.clone(), client, async |client, times| client.puts(times).await);
    group.figure(name("get"), each, client, async |client, times| client.gets(times, None).await);
}

/// What an object's size costs.
pub(crate) fn payloads(bench: &mut Bench) {
    let mut group =
        bench.group("storage/payloads", "a put and a get of 1 KiB to 1 MiB; one client, TLS, direct");
    for bytes in [1024, 64 * 1024, 1024 * 1024] {
        put_and_get(&mut group, bytes, |request| format!("{request}/{}", size(bytes)));
    }
    group.finish();
}

/// What all clients get done together.
pub(crate) fn clients(bench: &mut Bench) {
    let says = "a get of 64 KiB by each of 1, 4 and 16 clients at once; TLS, direct";
    let mut group = bench.group("storage/clients", says);
    for number in CLIENTS {
        group.figure(
            format!("get/{number}"),
            Throughput::Elements(number),
            async |place| {
                let mut clients = Vec::new();
                for client in 1..=number {
                    clients.push(Client::connect(&place.direct, client, OBJECT).await?);
                }
                Ok(clients)
            },
            async |clients, times| {
                at_once(clients, times, async |client: Client, times| {
                    client.gets(times, None).await.map(drop)
                })
                .await
            },
        );
    }
    group.finish();
}

/// What the fault proxy costs.
pub(crate) fn paths(bench: &mut Bench) {
    let says = "a put and a get of 64 KiB, direct and through the fault proxy; one client, TLS";
    let mut group = bench.group("storage/paths", says);
    for (name, proxied) in [("direct", false), ("fault-proxy", true)] {
        let client = async |place: &Place| {
            let access = if proxied { &place.proxied } else { &place.direct };
            Client::connect(access, 1, OBJECT).await
        };
        let each = Throughput::Bytes(OBJECT as u64);
        group.figure(format!("put/{name}"), each.clone(), client, async |client, times| {
            client.puts(times).await
        });
        group.figure(format!("get/{name}"), each, client, async |client, times| {
            client.gets(times, None).await
        });
    }
    group.finish();
}
