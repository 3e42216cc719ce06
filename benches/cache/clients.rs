//! Clients that work at the same time, and whoever listens.

use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use bulkhead_target::clients;
use criterion::Throughput;
use futures::{Stream, StreamExt as _};
use redis::{Cmd, Msg, aio::MultiplexedConnection};

use crate::{
    VALUE,
    at_once::at_once,
    measure::{Bench, Place},
    values::Client,
};

/// How many there are.
const CLIENTS: [u64; 3] = [1, 10, 50];

/// What all clients get done together, on a connection each and on one that they share.
pub(crate) fn connections(bench: &mut Bench) {
    let says = "a GET by each of 1, 10 and 50 clients at once, on a connection each (pooled) or all on one (multiplexed); \
                1 KiB, TLS, direct";
    let mut group = bench.group("cache/connections", says);
    for clients in CLIENTS {
        for shared in [false, true] {
            let name = if shared { "multiplexed" } else { "pooled" };
            group.figure(
                format!("{name}/{clients}"),
                Throughput::Elements(clients),
                async |place| many(place, clients, shared).await,
                async |clients, times| {
                    at_once(clients, times, async |mut client: Client, times| {
                        client.gets(times).await.map(drop)
                    })
                    .await
                },
            );
        }
    }
    group.finish();
}

/// So many clients.
async fn many(place: &Place, clients: u64, shared: bool) -> Result<Vec<Client>> {
    let first = Client::connect(&place.direct, 1, VALUE).await?;
    let mut all = Vec::new();
    for number in 1..=clients {
        all.push(if shared {
            Client::on(first.connection.clone(), &place.direct, number, VALUE).await?
        } else {
            Client::connect(&place.direct, number, VALUE).await?
        });
    }
    Ok(all)
}

/// One who publishes, and those who listen.
struct Channel {
    name: String,
    publisher: MultiplexedConnection,
    subscribers: Vec<Box<dyn Stream<Item = Msg> + Unpin>>,
}

/// How long a message takes to reach everybody.
pub(crate) fn fan_out(bench: &mut Bench) {
    let says = "from PUBLISH until each of 1, 10 and 50 subscribers, each with a connection of its own, has the message; \
                1 KiB, TLS, direct";
    let mut group = bench.group("cache/fan-out", says);
    for subscribers in CLIENTS {
        group.figure(
            subscribers,
            Throughput::Elements(subscribers),
            async |place| listen(place, subscribers).await,
            async |channel, times| {
                let message = vec![b'm'; VALUE];
                let publish = Cmd::publish(&channel.name, message);
                let begun = Instant::now();
                for _ in 0..times {
                    let told = publish.query_async::<u64>(&mut channel.publisher).await.context("PUBLISH")?;
                    ensure!(told == subscribers, "PUBLISH told {told} of {subscribers} subscribers");
                    for subscriber in &mut channel.subscribers {
                        let message = subscriber.next().await.context("a subscription ended")?;
                        ensure!(message.get_payload_bytes().len() == VALUE, "a message came in part");
                    }
                }
                Ok(begun.elapsed())
            },
        );
    }
    group.finish();
}

async fn listen(place: &Place, subscribers: u64) -> Result<Channel> {
    let name = place.direct.tenant.slices.redis.key("bench:news");
    let mut streams = Vec::<Box<dyn Stream<Item = Msg> + Unpin>>::new();
    for _ in 0..subscribers {
        let mut subscriber = clients::redis::subscriber(&place.direct).await?;
        subscriber.subscribe(&name).await.context("SUBSCRIBE")?;
        streams.push(Box::new(subscriber.into_on_message()));
    }
    let publisher = clients::redis::connect(&place.direct).await?;
    Ok(Channel { name, publisher, subscribers: streams })
}
