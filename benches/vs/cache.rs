//! Redis: `redis-benchmark` beside our clients. Both write and read [`VALUE`] bytes under the same names, drawn anew for each
//! command, over as many connections, each of which waits for the answers to what it sent.
//!
//! What bounds our clients is one send and one receive a command, as it bounds the tool: of the 9 µs of processor time that a
//! command costs, the kernel takes 58 %, libc's memory 10 %, and the rest is spread over rustls, tokio and the Redis crate,
//! none of which has a function above 2 % (`perf record`, SET). With SET, which costs the server more, the two are level within
//! what rounds differ by (0.93 to 1.04 in three runs), though ours cost less; with GET ours make a third more.

use std::{ffi::OsString, path::Path, time::Duration};

use anyhow::{Context as _, Result, ensure};
use bulkhead_model::{Act, Found, OpId, Service};
use bulkhead_target::{Login, TenantAccess, clients};
use redis::{Cmd, Pipeline, aio::MultiplexedConnection};

use crate::{
    Plan,
    compare::{Arena, Client, Measure, Turn, runtime},
    draw::Draw,
    pen::Pen,
    tool::{self, Tool},
};

/// Connections.
const CONNECTIONS: u32 = 50;

/// Keys, and bytes of a value.
const KEYS: u32 = 10_000;
const VALUE: usize = 64;

/// What a row does: its command, how many are sent at once, and the least ratio.
#[derive(Clone, Copy)]
struct Work {
    command: &'static str,
    at_once: usize,
    target: f64,
}

const ROWS: [Work; 4] = [
    Work { command: "SET", at_once: 1, target: 1.0 },
    Work { command: "GET", at_once: 1, target: 1.0 },
    Work { command: "SET", at_once: 16, target: 0.9 },
    Work { command: "GET", at_once: 16, target: 0.9 },
];

/// Adds the rows.
pub(crate) fn measure(arena: &mut Arena<'_>) -> Result<()> {
    let Some(program) = tool::find("redis-benchmark") else {
        arena.table.missing("redis", "no redis-benchmark on PATH (apt-get install redis-tools)");
        return Ok(());
    };
    let access = arena.access.clone();
    runtime()?.block_on(fill(&access))?;
    let Plan { quick, turn, .. } = arena.plan;
    for work in ROWS.into_iter().take(if quick { 2 } else { ROWS.len() }) {
        let Work { command, at_once, target } = work;
        let name = format!("redis {command}, {CONNECTIONS} connections, pipeline {at_once}");
        // How many a turn takes is what the turn before it came to.
        let mut commands = 20_000.0;
        let mut theirs = |turn: Duration| {
            let done = benchmark(&program, &access, work, commands)?;
            commands = done.rate * turn.as_secs_f64();
            Ok(done)
        };
        if !quick {
            theirs(turn)?;
        }
        let measure = Measure { name, service: Service::Redis, turn, target };
        arena.compare(&measure, || connect(access.clone(), work), theirs)?;
    }
    Ok(())
}

/// Names as `redis-benchmark` makes them.
fn key(access: &TenantAccess, number: u32) -> String {
    access.tenant.slices.redis.key(&format!("bench:{number:012}"))
}

/// Lets every key be there.
async fn fill(access: &TenantAccess) -> Result<()> {
    let mut connection = clients::redis::connect(access).await?;
    let mut sets = Pipeline::new();
    for number in 0..KEYS {
        sets.set(key(access, number), [b'v'; VALUE].as_slice());
    }
    sets.exec_async(&mut connection).await.context("SET every key")
}

/// One of ours.
struct Getter {
    connection: MultiplexedConnection,
    work: Work,
    prefix: String,
    value: Vec<u8>,
    draw: Draw,
}

async fn connect(access: TenantAccess, work: Work) -> Result<Vec<Getter>> {
    let mut all = Vec::new();
    for number in 0..CONNECTIONS {
        let connection = clients::redis::connect(&access).await?;
        let (prefix, value) = (access.tenant.slices.redis.key("bench:"), vec![b'v'; VALUE]);
        all.push(Getter { connection, work, prefix, value, draw: Draw::new(number) });
    }
    Ok(all)
}

impl Getter {
    fn key(&mut self) -> String {
        format!("{}{:012}", self.prefix, self.draw.below(KEYS))
    }

    fn is_set(&self) -> bool {
        self.work.command == "SET"
    }

    fn command(&self, key: &str) -> Cmd {
        if self.is_set() { Cmd::set(key, &self.value) } else { Cmd::get(key) }
    }

    fn begin(&self, pen: &Pen<'_>, key: &str) -> Option<OpId> {
        pen.begin(|| match self.is_set() {
            true => Act::Keep { key: key.to_owned(), value: text(&self.value), lives: 0, evictable: false },
            false => Act::Look { key: key.to_owned() },
        })
    }

    async fn one(&mut self, pen: &Pen<'_>) -> Result<()> {
        let key = self.key();
        let (op, command) = (self.begin(pen, &key), self.command(&key));
        if self.is_set() {
            command.exec_async(&mut self.connection).await.context("SET")?;
            pen.end(op);
        } else {
            let got = command.query_async::<Vec<u8>>(&mut self.connection).await.context("GET")?;
            ensure!(got.len() == VALUE, "GET: {} bytes", got.len());
            pen.found(op, || Found::Value(Some(text(&got))));
        }
        Ok(())
    }

    async fn several(&mut self, pen: &Pen<'_>) -> Result<()> {
        let (mut pipeline, mut ops) = (Pipeline::with_capacity(self.work.at_once), Vec::new());
        for _ in 0..self.work.at_once {
            let key = self.key();
            ops.push(self.begin(pen, &key));
            pipeline.add_command(self.command(&key));
        }
        if self.is_set() {
            pipeline.exec_async(&mut self.connection).await.context("a pipeline of SET")?;
            ops.into_iter().for_each(|op| pen.end(op));
        } else {
            let got = pipeline.query_async::<Vec<Vec<u8>>>(&mut self.connection).await;
            for (op, got) in ops.into_iter().zip(got.context("a pipeline of GET")?) {
                ensure!(got.len() == VALUE, "a pipeline of GET: {} bytes", got.len());
                pen.found(op, || Found::Value(Some(text(&got))));
            }
        }
        Ok(())
    }
}

fn text(value: &[u8]) -> String {
    String::from_utf8_lossy(value).into_owned()
}

impl Client for Getter {
    async fn step(&mut self, pen: &Pen<'_>) -> Result<u32> {
        match self.work.at_once {
            1 => self.one(pen).await?,
            _ => self.several(pen).await?,
        }
        Ok(u32::try_from(self.work.at_once)?)
    }
}

/// One turn of `redis-benchmark`. It takes a password only on its command line: this one is a throw-away stand-in's, whose
/// server listens on loopback and ends with the bench.
fn benchmark(program: &Path, access: &TenantAccess, work: Work, commands: f64) -> Result<Turn> {
    let (host, port) = access.address(Service::Redis)?;
    let Login { user, password } = access.login(Service::Redis);
    let mut words: Vec<OsString> = ["--tls", "--cacert"].map(OsString::from).to_vec();
    words.push(access.ca.as_ref().context("the stand-in has an authority")?.into());
    let (port, connections, keys) = (port.to_string(), CONNECTIONS.to_string(), KEYS.to_string());
    let (commands, at_once) = (format!("{commands:.0}"), work.at_once.to_string());
    let options = [
        ["-h", &host],
        ["-p", &port],
        ["--user", &user],
        ["-a", password.expose()],
        ["-c", &connections],
        ["-n", &commands],
        ["-P", &at_once],
        ["-r", &keys],
    ];
    words.extend(options.into_iter().flatten().map(OsString::from));
    let key = format!("{}__rand_int__", access.tenant.slices.redis.key("bench:"));
    words.extend(["-q", work.command, &key].map(OsString::from));
    if work.command == "SET" {
        words.push("v".repeat(VALUE).into());
    }
    let (mut overall, mut steady) = (None, Vec::new());
    let processor = Tool::new(program, password)?.arguments(words).run(|line, _| {
        overall = figure(line, " requests per second").or(overall);
        steady.extend(figure(line, " (overall").filter(|_| line.contains("rps=")));
        Ok(())
    })?;
    // It counts from when the connections are begun, so the first of its quarters of a second has the handshakes in it.
    let overall = overall.context("`redis-benchmark` did not say how many requests per second it made")?;
    let steady = steady.get(1..).filter(|rest| !rest.is_empty());
    let rate = steady.map_or(overall, |rest| rest.iter().sum::<f64>() / rest.len() as f64);
    Ok(Turn { rate, operations: commands.parse()?, processor })
}

/// The number before these words.
fn figure(line: &str, before: &str) -> Option<f64> {
    let (head, _) = line.split_once(before)?;
    head.rsplit([' ', '=']).next()?.parse().ok()
}
