//! The commands, each by itself, and the values that they move.

use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use criterion::Throughput;
use redis::{Cmd, Script};

use crate::{
    VALUE,
    measure::{Bench, Group, Place, size},
    values::Client,
};

/// Keys of an MGET.
const KEYS: u64 = 10;

/// Commands that are sent before the first answer is read.
const PIPELINES: [u64; 2] = [16, 100];

/// As apps limit rates: it counts in the window and says whether this one is within the limit.
const RATE_LIMIT: &str = r"
local count = redis.call('INCR', KEYS[1])
if count == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return count <= tonumber(ARGV[2])
";

/// A limit that nobody reaches here, and the milliseconds of a window.
const LIMIT: u64 = 1 << 40;
const WINDOW: u64 = 1000;

/// The time from a command to its answer, for one client that waits for each.
pub(crate) fn commands(bench: &mut Bench) {
    let says = "from a command, or a pipeline, to its answer; one client, values of 1 KiB, TLS, direct";
    let mut group = bench.group("cache/commands", says);
    get_and_set(&mut group, VALUE, None);
    group.figure("incr", Throughput::Elements(1), counter, async |client, times| {
        let begun = Instant::now();
        for _ in 0..times {
            let incr = Cmd::incr(&client.key, 1).query_async::<u64>(&mut client.connection).await;
            incr.with_context(|| format!("INCR `{}`", client.key))?;
        }
        Ok(begun.elapsed())
    });
    group.figure(format!("mget-{KEYS}"), Throughput::Elements(KEYS), several, async |clients, times| {
        let keys: Vec<_> = clients.iter().map(|client| client.key.clone()).collect();
        let client = clients.first_mut().context("no client")?;
        let begun = Instant::now();
        for _ in 0..times {
            let got = Cmd::mget(&keys).query_async::<Vec<Vec<u8>>>(&mut client.connection).await;
            let got = got.context("MGET")?;
            ensure!(got.len() == keys.len() && got.iter().all(|value| value.len() == VALUE), "MGET: {got:?}");
        }
        Ok(begun.elapsed())
    });
    for commands in PIPELINES {
        pipeline(&mut group, commands);
    }
    rate_limit(&mut group);
    group.finish();
}

/// What a value's size costs.
pub(crate) fn payloads(bench: &mut Bench) {
    let says = "GET and SET of values of 64 B to 64 KiB; one client, TLS, direct";
    let mut group = bench.group("cache/payloads", says);
    for bytes in [64, 1024, 16 * 1024, 64 * 1024] {
        get_and_set(&mut group, bytes, Some(bytes));
    }
    group.finish();
}

/// Both of one client, in bytes where these are what varies.
fn get_and_set(group: &mut Group<'_>, bytes: usize, varies: Option<usize>) {
    let client = async |place: &Place| Client::connect(&place.direct, 1, bytes).await;
    let each = varies.map_or(Throughput::Elements(1), |bytes| Throughput::Bytes(bytes as u64));
    let name = |command: &str| match varies {
        Some(bytes) => format!("{command}/{}", size(bytes)),
        None => command.to_owned(),
    };
    group.figure(name("get"), each.clone(), client, async |client, times| client.gets(times).await);
    group.figure(name("set"), each, client, async |client, times| client.sets(times).await);
}

fn pipeline(group: &mut Group<'_>, commands: u64) {
    let each = Throughput::Elements(commands);
    group.figure(format!("pipeline-of-{commands}-gets"), each, one, async |client, times| {
        let mut gets = redis::pipe();
        for _ in 0..commands {
            gets.get(&client.key);
        }
        let begun = Instant::now();
        for _ in 0..times {
            let got = gets.query_async::<Vec<Vec<u8>>>(&mut client.connection).await.context("a pipeline")?;
            ensure!(got.iter().all(|value| value.len() == VALUE), "a pipeline's answers are not the values");
        }
        Ok(begun.elapsed())
    });
}

fn rate_limit(group: &mut Group<'_>) {
    group.figure("lua-rate-limit", Throughput::Elements(1), counter, async |client, times| {
        let script = Script::new(RATE_LIMIT);
        let begun = Instant::now();
        for _ in 0..times {
            let mut admission = script.key(&client.key);
            let admission = admission.arg(WINDOW).arg(LIMIT);
            let admitted = admission.invoke_async::<bool>(&mut client.connection).await;
            ensure!(admitted.context("the rate limit's script")?, "the rate limit refused");
        }
        Ok(begun.elapsed())
    });
}

async fn one(place: &Place) -> Result<Client> {
    Client::connect(&place.direct, 1, VALUE).await
}

/// Without a value: what is counted begins at nothing.
async fn counter(place: &Place) -> Result<Client> {
    let mut client = Client::connect(&place.direct, 2, 0).await?;
    Cmd::del(&client.key).exec_async(&mut client.connection).await.context("DEL")?;
    Ok(client)
}

async fn several(place: &Place) -> Result<Vec<Client>> {
    let first = one(place).await?;
    let mut clients = Vec::new();
    for number in 1..=KEYS {
        clients.push(Client::on(first.connection.clone(), &place.direct, number, VALUE).await?);
    }
    Ok(clients)
}
