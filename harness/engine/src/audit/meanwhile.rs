//! A look at all keys of a Redis that others use, before a run's cases and after them. What appeared in between and bears a
//! mark of the run must lie within some run's names. A mark is the run's id, or a word that its probes write, in the key
//! or in the beginning of what it holds.
//!
//! It is bounded and it only reads: where there are too many keys, or a command is refused, no look is made and the report
//! says why. A key that appeared and bears no mark is somebody else's as far as can be told; it is counted and not named,
//! since an app's keys may name people. What has gone again by the end was not seen, nor is any other logical database.

use std::{collections::HashSet, time::Duration};

use bulkhead_model::{Enforcement, RunAudit, Service, Tenant, Topology, scenario::Case};
use bulkhead_target::{
    Target, TenantAccess,
    backends::env::{self, RunId, Seat},
    clients,
};
use redis::{Cmd, RedisError, RedisResult, Value, aio::MultiplexedConnection};
use tokio::time::timeout;

use crate::{
    probes::{self, Pair},
    run,
};

/// The most keys that a server may hold.
pub const KEYS: usize = 20_000;

/// How many keys one step of a walk asks for.
const STEP: usize = 1000;

/// The most steps of a walk: three times what [`KEYS`] keys take.
pub(crate) const STEPS: u64 = 64;

/// The most bytes that the names may have which one walk brings.
pub(crate) const NAMES: usize = 2 * 1024 * 1024;

/// Into how many keys that appeared it looks.
pub(crate) const LOOKED: u64 = 64;

/// How much of what a key holds is read.
pub(crate) const READ: usize = 16 * 1024;

/// The longest that one of the two looks may take.
const DEADLINE: Duration = Duration::from_secs(60);

/// What tells a run's doing from everybody else's.
#[derive(Clone, Debug)]
pub struct Marks {
    run: RunId,
    words: Vec<String>,
}

/// What was there before the run, everywhere that its tenants' Redis is.
pub struct Watch {
    marks: Marks,
    tenants: Vec<Tenant>,
    places: Vec<Place>,
}

/// One server and logical database, whoever of the tenants uses it.
struct Place {
    viewer: TenantAccess,
    known: HashSet<Vec<u8>>,
}

/// Whether something is left that a look could judge: probes or workloads on a Redis where nothing but a convention keeps
/// tenants apart.
pub fn is_due(topology: &Topology, cases: &[&Case]) -> bool {
    let works = |case: &&Case| {
        let (scenario, probes) = (&case.scenario, probes::select(&case.scenario.probes).unwrap_or_default());
        let works = !(probes.is_empty() && scenario.workload.is_empty());
        works && run::services(scenario).is_ok_and(|services| services.contains(&Service::Redis))
    };
    topology.enforcement(Service::Redis) == Enforcement::Convention && cases.iter().any(works)
}

/// One tenant with access for each server and logical database that some tenant uses.
pub fn places(seats: &[Seat]) -> Vec<&TenantAccess> {
    let mut places: Vec<&TenantAccess> = Vec::new();
    for access in seats.iter().filter_map(|seat| seat.access.as_ref()) {
        let of = |access: &TenantAccess| {
            let url = &access.connections.redis;
            (url.host.clone(), url.port, url.database)
        };
        if !places.iter().any(|place| of(place) == of(access)) {
            places.push(access);
        }
    }
    places
}

impl Marks {
    /// Those of a run of that seed that plays these cases.
    pub fn of(run: &RunId, seed: u64, cases: &[&Case]) -> Self {
        let words = cases.iter().filter_map(|case| {
            let probes = probes::select(&case.scenario.probes).ok()?;
            let names = probes.iter().map(|probe| probe.about().name);
            Some(Pair::words(&run::seed_of(seed, case), case, names))
        });
        Self { run: run.clone(), words: words.flatten().collect() }
    }

    fn are_in(&self, text: &[u8]) -> bool {
        // They are digits and letters, which no encoding changes.
        let text = String::from_utf8_lossy(text);
        text.contains(self.run.as_str()) || self.words.iter().any(|word| text.contains(word))
    }
}

impl Watch {
    /// Notes what is there, where the target's servers are others' too; none on stand-ins.
    ///
    /// # Errors
    /// Why no look is made.
    pub async fn begin(target: &dyn Target, seed: u64, cases: &[&Case]) -> Option<Result<Self, String>> {
        let (run, seats) = target.seats()?;
        Some(Self::over(seats, Marks::of(run, seed, cases)).await)
    }

    /// Notes what is there on every server of these tenants.
    ///
    /// # Errors
    /// Why no look is made.
    pub async fn over(seats: &[Seat], marks: Marks) -> Result<Self, String> {
        let mut places = Vec::new();
        for viewer in self::places(seats) {
            let known = bounded(async {
                let mut connection = connect(viewer).await?;
                walk(&mut connection).await
            });
            places.push(Place { viewer: viewer.clone(), known: known.await? });
        }
        let tenants = seats.iter().map(|seat| seat.tenant.clone()).collect();
        Ok(Self { marks, tenants, places })
    }

    /// Looks at what is there now beside what was there before.
    ///
    /// # Errors
    /// Why no look could be made.
    pub async fn end(self) -> Result<RunAudit, String> {
        let mut found =
            RunAudit { service: Service::Redis, names: 0, outside: Vec::new(), others: 0, unread: 0 };
        for place in &self.places {
            bounded(self.compare(place, &mut found)).await?;
        }
        found.outside.sort();
        found.outside.truncate(RunAudit::SHOWN);
        Ok(found)
    }

    async fn compare(&self, place: &Place, found: &mut RunAudit) -> Result<(), String> {
        let mut connection = connect(&place.viewer).await?;
        let now = walk(&mut connection).await?;
        found.names += now.len();
        let mut looked = 0;
        for key in now.difference(&place.known) {
            let name = String::from_utf8_lossy(key);
            if self.tenants.iter().any(|tenant| env::is_of_a_run(tenant, &name)) {
                continue;
            }
            let mut marked = self.marks.are_in(key);
            if !marked {
                let held = if looked < LOOKED { held(&mut connection, key).await } else { None };
                looked += 1;
                found.unread += usize::from(held.is_none());
                marked = held.is_some_and(|held| self.marks.are_in(&held));
            }
            match marked {
                true => found.outside.push(name.into_owned()),
                false => found.others += 1,
            }
        }
        Ok(())
    }
}

async fn connect(viewer: &TenantAccess) -> Result<MultiplexedConnection, String> {
    clients::redis::connect(viewer).await.map_err(|error| error.chain())
}

async fn bounded<T>(look: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    let late = |_| Err(format!("the look was not over within {DEADLINE:?}"));
    timeout(DEADLINE, look).await.unwrap_or_else(late)
}

/// Every key of the logical database.
///
/// # Errors
/// What the server refuses, or that there are more than are looked at.
async fn walk(connection: &mut MultiplexedConnection) -> Result<HashSet<Vec<u8>>, String> {
    let too_many = |keys: usize| format!("the server holds {keys} keys, and at most {KEYS} are looked at");
    let keys: usize = ask(connection, &redis::cmd("DBSIZE"), "count the keys").await?;
    if keys > KEYS {
        return Err(too_many(keys));
    }
    let (mut cursor, mut found, mut bytes) = (String::from("0"), HashSet::new(), 0);
    for _ in 0..STEPS {
        let mut step = redis::cmd("SCAN");
        step.arg(&cursor).arg("COUNT").arg(STEP);
        let (next, keys): (String, Vec<Vec<u8>>) = ask(connection, &step, "walk through the keys").await?;
        bytes += keys.iter().map(Vec::len).sum::<usize>();
        found.extend(keys);
        if found.len() > KEYS {
            return Err(too_many(found.len()));
        }
        if bytes > NAMES {
            return Err(format!(
                "the names of all keys have more than the {NAMES} bytes that are read of them"
            ));
        }
        if next == "0" {
            return Ok(found);
        }
        cursor = next;
    }
    Err(format!("the server had not told all of its keys after {STEPS} steps of {STEP}"))
}

async fn ask<T: redis::FromRedisValue>(
    connection: &mut MultiplexedConnection,
    command: &Cmd,
    doing: &str,
) -> Result<T, String> {
    let answer = command.query_async(connection).await;
    answer.map_err(|error: RedisError| format!("could not {doing}: {error}"))
}

/// What the key holds: the beginning of a string, or all of anything else that takes little. None where it takes more, has
/// gone or may not be read.
async fn held(connection: &mut MultiplexedConnection, key: &[u8]) -> Option<Vec<u8>> {
    let held: RedisResult<Option<Vec<u8>>> = async {
        let kind: String = redis::cmd("TYPE").arg(key).query_async(connection).await?;
        let (read, arguments): (&str, &[&str]) = match kind.as_str() {
            "string" => {
                let beginning = redis::cmd("GETRANGE").arg(key).arg(0).arg(READ - 1).take();
                return beginning.query_async(connection).await.map(Some);
            }
            "hash" => ("HGETALL", &[]),
            "list" => ("LRANGE", &["0", "-1"]),
            "set" => ("SMEMBERS", &[]),
            "zset" => ("ZRANGE", &["0", "-1"]),
            "stream" => ("XRANGE", &["-", "+"]),
            _ => return Ok(None),
        };
        let takes: Option<usize> =
            redis::cmd("MEMORY").arg("USAGE").arg(key).arg("SAMPLES").arg(0).query_async(connection).await?;
        if takes.is_none_or(|takes| takes > READ) {
            return Ok(None);
        }
        let all: Value = redis::cmd(read).arg(key).arg(arguments).query_async(connection).await?;
        let mut text = Vec::new();
        add(&all, &mut text);
        Ok(Some(text))
    }
    .await;
    held.ok().flatten()
}

/// Adds every text in an answer.
fn add(value: &Value, text: &mut Vec<u8>) {
    match value {
        Value::BulkString(bytes) => text.extend([bytes.as_slice(), b"\n"].concat()),
        Value::Array(values) | Value::Set(values) => values.iter().for_each(|value| add(value, text)),
        Value::Map(pairs) => pairs.iter().for_each(|(name, value)| {
            add(name, text);
            add(value, text);
        }),
        _ => {}
    }
}
