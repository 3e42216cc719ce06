//! What links lead through besides our own proxy: a proxy each in a Toxiproxy of another process, on which all toxics are.
//!
//! That server does not tell what its toxics touch. What a fault has touched is what came over the link while the server
//! showed its toxics to be there, as our own proxy in front of it counts: bytes the toxics' ways for those that act on
//! bytes, connections that ended for those that end them.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use bulkhead_model::{Effect, TouchRecord};
use bulkhead_proxy::{
    Proxies,
    events::{Change, Heard, Listener, What},
    foreign::{Foreign, SeenToxic},
    spec::{Direction, ProxyChange, ProxySpec, Side, ToxicSpec},
};
use bulkhead_target::{Cause, Error};
use serde_json::Value;

/// Tells the links of one case from those of all others in the server.
static COUNT: AtomicU64 = AtomicU64::new(0);

/// The servers that this process knows: one of them is cheap to drive on, and costs a client's making to find.
static SERVERS: Mutex<BTreeMap<SocketAddr, Foreign>> = Mutex::new(BTreeMap::new());

/// The links' other half.
#[derive(Debug)]
pub(super) struct Behind {
    foreign: Foreign,
    number: u64,
    /// What each link's proxy is called there.
    proxies: Mutex<BTreeMap<String, String>>,
    placed: Mutex<Vec<Placed>>,
}

/// A toxic of ours, and what the server shows in its place.
#[derive(Debug)]
struct Placed {
    link: String,
    toxic: String,
    shown: Vec<SeenToxic>,
    since: Instant,
    /// What had come over the link before.
    before: Came,
    heard: Listener,
    /// What came meanwhile, once it is over.
    came: Option<Came>,
}

/// What came over a link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Came {
    up: u64,
    down: u64,
    /// How many connections ended.
    ended: u64,
}

impl Behind {
    pub(super) async fn connect(api: SocketAddr) -> Result<Self, Error> {
        let known = locked(&SERVERS).get(&api).cloned();
        let foreign = match known {
            Some(foreign) => foreign,
            None => {
                let found = Foreign::connect(&api.to_string()).await;
                let found = found.map_err(|error| Error::Reported(error.to_string()))?;
                locked(&SERVERS).entry(api).or_insert(found).clone()
            }
        };
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        Ok(Self { foreign, number, proxies: Mutex::default(), placed: Mutex::default() })
    }

    pub(super) async fn version(&self) -> Result<String, Error> {
        self.foreign.version().await.map_err(|error| Error::Reported(error.to_string()))
    }

    /// Makes a link's proxy there, and says where it listens.
    pub(super) async fn open(&self, link: &str, upstream: String) -> Result<String, Cause> {
        // Of letters that the crate can send.
        let name = format!("{}-{}", self.number, link.replace('.', "-"));
        let spec = ProxySpec {
            name: name.clone(),
            listen: String::from("127.0.0.1:0"),
            upstream,
            enabled: true,
            toxics: Vec::new(),
            tls: None,
        };
        let made = self.foreign.create(&spec).await?;
        locked(&self.proxies).insert(link.to_owned(), name);
        Ok(made.listen)
    }

    pub(super) async fn put(&self, link: &str, spec: &ToxicSpec, proxies: &Proxies) -> Result<(), Cause> {
        let proxy = self.proxy(link)?;
        // Before the first is there, so that nothing that it meets is missed.
        let (since, heard, before) = (Instant::now(), proxies.events().listen(), came_so_far(proxies, link));
        let mut shown = Vec::new();
        for part in self.parts(link, spec) {
            match self.foreign.add_toxic(&proxy, &part).await {
                Ok(seen) => shown.push(seen),
                Err(error) => {
                    for seen in shown {
                        self.foreign.remove_toxic(&proxy, &seen.name).await?;
                    }
                    return Err(error.into());
                }
            }
        }
        let (link, toxic) = (link.to_owned(), spec.name.clone());
        locked(&self.placed).push(Placed { link, toxic, shown, since, before, heard, came: None });
        Ok(())
    }

    pub(super) async fn take_off(&self, link: &str, toxic: &str, proxies: &Proxies) -> Result<u64, Cause> {
        let proxy = self.proxy(link)?;
        // Before it goes, which ends connections of some.
        let (place, names) = {
            let mut placed = locked(&self.placed);
            let on = |on: &Placed| on.link == link && on.toxic == toxic && on.came.is_none();
            let place = placed.iter().position(on);
            let place = place.ok_or_else(|| format!("there is no toxic `{toxic}` on the link `{link}`"))?;
            let (now, on) = (came_so_far(proxies, link), &mut placed[place]);
            let (up, down) = (now.up.saturating_sub(on.before.up), now.down.saturating_sub(on.before.down));
            on.came = Some(Came { up, down, ended: on.ended() });
            (place, on.shown.iter().map(|seen| seen.name.clone()).collect::<Vec<_>>())
        };
        let mut removed: Result<(), Cause> = Ok(());
        for name in names {
            if let Err(error) = self.foreign.remove_toxic(&proxy, &name).await {
                removed = Err(error.into());
            }
        }
        removed?;
        let mut placed = locked(&self.placed);
        let on = &mut placed[place];
        let mut came = on.came.unwrap_or_default();
        // A reset that waits is carried out before the toxic is gone.
        if on.shown.iter().any(|seen| seen.kind == "reset_peer") {
            came.ended = came.ended.saturating_add(on.ended());
            on.came = Some(came);
        }
        Ok(touched_by(&on.shown, came))
    }

    pub(super) async fn enable(&self, link: &str, enabled: bool) -> Result<(), Cause> {
        let change = ProxyChange { enabled: Some(enabled), ..ProxyChange::default() };
        Ok(self.foreign.change(&self.proxy(link)?, change).await.map(drop)?)
    }

    /// A line for each toxic that the server showed, with what came its way.
    pub(super) fn touches(&self, fault: usize, toxics: &str, now: u64) -> Vec<TouchRecord> {
        let placed = locked(&self.placed);
        let over = placed.iter().filter(|on| on.toxic.starts_with(toxics));
        let lines = over.flat_map(|on| {
            let ago = u64::try_from(on.since.elapsed().as_nanos()).unwrap_or(u64::MAX);
            on.came.into_iter().flat_map(move |came| {
                on.shown.iter().map(move |seen| TouchRecord {
                    fault,
                    when: now.saturating_sub(ago),
                    link: on.link.clone(),
                    connection: 0,
                    way: seen.stream.clone(),
                    offset: 0,
                    bytes: came.ways(seen),
                    effect: Effect::Touched(told(seen)),
                })
            })
        });
        lines.collect()
    }

    pub(super) async fn close(&self) -> Result<(), Cause> {
        let all = std::mem::take(&mut *locked(&self.proxies));
        let mut ended = Ok(());
        for name in all.into_values() {
            if let Err(error) = self.foreign.delete(&name).await {
                ended = Err(error.into());
            }
        }
        ended
    }

    fn proxy(&self, link: &str) -> Result<String, Cause> {
        let known = locked(&self.proxies).get(link).cloned();
        known.ok_or_else(|| format!("there is no link `{link}`").into())
    }

    /// The toxic as that server takes it: one for each way, which has no word for both, under the name that the crate gives
    /// one, or under its own where that is taken.
    fn parts(&self, link: &str, spec: &ToxicSpec) -> Vec<ToxicSpec> {
        let placed = locked(&self.placed);
        let there = placed.iter().filter(|on| on.link == link && on.came.is_none());
        let taken: Vec<_> = there.flat_map(|on| &on.shown).map(|seen| seen.name.clone()).collect();
        let part = |direction: Direction| {
            let stream = direction.name().to_owned();
            let usual = format!("{}_{stream}", spec.kind.name());
            let name = if taken.contains(&usual) { format!("{}-{stream}", spec.name) } else { usual };
            ToxicSpec { name, side: Side::One(direction), stream, ..spec.clone() }
        };
        Direction::ALL.into_iter().filter(|direction| spec.side.covers(*direction)).map(part).collect()
    }
}

impl Placed {
    /// How many of the link's connections have ended since it is there, or since this was last asked.
    fn ended(&mut self) -> u64 {
        let ended = |heard: &Heard| {
            let Heard::Event(event) = heard else { return false };
            matches!(&event.what, What::Connection { proxy, change: Change::Removed, .. } if **proxy == *self.link)
        };
        u64::try_from(self.heard.waiting().iter().filter(|heard| ended(heard)).count()).unwrap_or(u64::MAX)
    }
}

impl Came {
    /// The bytes that came the way that a toxic is on. Of answers that it holds, or lets nowhere, none come: then those that
    /// asked for them count.
    fn ways(self, seen: &SeenToxic) -> u64 {
        match Side::parse(&seen.stream) {
            Some(Side::One(Direction::Downstream)) if self.down > 0 => self.down,
            Some(Side::One(_)) => self.up,
            _ => 0,
        }
    }

    /// Whether as much came as `limit_data` lets through.
    fn is_beyond(self, seen: &SeenToxic) -> bool {
        let limit = seen.attributes.get("bytes").and_then(Value::as_u64);
        limit.is_none_or(|limit| self.ways(seen) >= limit)
    }
}

/// How many bytes, or connections, a toxic met, shown once for each way, of what came while it was there.
fn touched_by(shown: &[SeenToxic], came: Came) -> u64 {
    let bytes = || shown.iter().fold(0_u64, |all, seen| all.saturating_add(came.ways(seen)));
    match shown.first().map(|seen| seen.kind.as_str()) {
        // They let all bytes through until they end the connection.
        Some("slow_close" | "reset_peer") => came.ended,
        // Others may have ended one before.
        Some("limit_data") if shown.iter().any(|seen| came.is_beyond(seen)) => came.ended,
        Some("limit_data") => 0,
        Some("timeout") => bytes().saturating_add(came.ended),
        _ => bytes(),
    }
}

/// What has gone on to that server, and come back from it, over a link of ours.
fn came_so_far(proxies: &Proxies, link: &str) -> Came {
    let flows = proxies.flows();
    let of_it = flows.iter().filter(|flow| *flow.proxy == *link);
    of_it.fold(Came::default(), |all, flow| Came {
        up: all.up.saturating_add(flow.up.sent),
        down: all.down.saturating_add(flow.down.received),
        ended: 0,
    })
}

/// A toxic as the server shows it, in words.
fn told(seen: &SeenToxic) -> String {
    let number = |(name, value): (&String, &Value)| format!(" {name} {value}");
    let numbers: String = seen.attributes.iter().map(number).collect();
    format!("{}{numbers} of toxicity {}, as Toxiproxy shows it", seen.kind, seen.toxicity)
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use bulkhead_proxy::{
        Settings,
        api::{Api, Options},
        seed::Seed,
        server::Server,
        toxics::{self, Attributes},
        trigger::Trigger,
    };
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::{TcpListener, TcpStream},
    };

    use super::*;

    fn spec(name: &str, kind: &str) -> ToxicSpec {
        let kind = toxics::find(kind).unwrap();
        let (attributes, trigger) = (Attributes::of(kind.fields()), Trigger::default());
        let (stream, side) = (String::from("both"), Side::Both);
        ToxicSpec { name: name.into(), kind, stream, side, toxicity: 1.0, attributes, trigger }
    }

    /// Our own API, which answers as Toxiproxy does.
    async fn server() -> SocketAddr {
        let proxies = Proxies::new(Settings { seed: Seed(7), whole_close: false });
        let server = Server::bind("127.0.0.1:0", Api::new(proxies, Options::default())).await.unwrap();
        let api = server.address().unwrap();
        tokio::spawn(server.run(std::future::pending()));
        api
    }

    /// A server that sends back what it gets.
    async fn echo() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut read, mut write) = stream.split();
                    tokio::io::copy(&mut read, &mut write).await.unwrap_or_default()
                });
            }
        });
        address
    }

    #[tokio::test]
    async fn a_toxic_both_ways_is_two_there_and_what_comes_meanwhile_is_what_it_touched() {
        let api = server().await;
        let behind = Behind::connect(api).await.unwrap();
        let upstream = behind.open("engine.redis", echo().await).await.unwrap();
        let front = Proxies::new(Settings { seed: Seed(7), whole_close: false });
        let listen = ProxySpec {
            name: "engine.redis".into(),
            listen: "127.0.0.1:0".into(),
            upstream,
            enabled: true,
            toxics: Vec::new(),
            tls: None,
        };
        let listen = front.create(listen).await.unwrap().listen;
        let mut client = TcpStream::connect(&listen).await.unwrap();
        let mut said = [0; 4];
        client.write_all(b"ping").await.unwrap();
        client.read_exact(&mut said).await.unwrap();

        let there = async || {
            let all = Foreign::connect(&api.to_string()).await.unwrap().all().await.unwrap();
            all.into_iter().flat_map(|proxy| proxy.toxics).map(|toxic| toxic.name).collect::<Vec<_>>()
        };
        behind.put("engine.redis", &spec("fault-1-0", "latency"), &front).await.unwrap();
        behind.put("engine.redis", &spec("fault-2-0", "latency"), &front).await.unwrap();
        let mut names = there().await;
        names.sort();
        let expected =
            ["fault-2-0-downstream", "fault-2-0-upstream", "latency_downstream", "latency_upstream"];
        assert_eq!(names, expected);
        client.write_all(b"pong!").await.unwrap();
        client.read_exact(&mut [0; 5]).await.unwrap();
        assert_eq!(behind.take_off("engine.redis", "fault-1-0", &front).await.unwrap(), 10);
        behind.take_off("engine.redis", "fault-1-0", &front).await.unwrap_err();
        assert_eq!(there().await.len(), 2);
        let told = behind.touches(1, "fault-1-", u64::MAX);
        let ways: Vec<_> = told.iter().map(|line| (line.way.as_str(), line.bytes)).collect();
        assert_eq!(ways, [("upstream", 5), ("downstream", 5)]);
        assert!(behind.touches(2, "fault-2-", 0).is_empty(), "it is there still");

        // Nothing comes to one that is cut, and what nothing came to has touched nothing.
        behind.enable("engine.redis", false).await.unwrap();
        assert_eq!(client.read(&mut said).await.unwrap_or(0), 0);
        behind.put("engine.redis", &spec("fault-3-0", "slicer"), &front).await.unwrap();
        assert_eq!(behind.take_off("engine.redis", "fault-3-0", &front).await.unwrap(), 0);
        behind.close().await.unwrap();
        assert!(Foreign::connect(&api.to_string()).await.unwrap().all().await.unwrap().is_empty());
    }

    #[test]
    fn what_ends_connections_touches_each_once() {
        let shown = |kind: &str| {
            ["upstream", "downstream"].map(|stream| SeenToxic {
                name: format!("{kind}_{stream}"),
                kind: kind.into(),
                stream: stream.into(),
                toxicity: 1.0,
                attributes: serde_json::Map::new(),
            })
        };
        let came = Came { up: 30, down: 4, ended: 2 };
        for (kind, touched) in
            [("latency", 34), ("reset_peer", 2), ("limit_data", 2), ("slow_close", 2), ("timeout", 36)]
        {
            assert_eq!(touched_by(&shown(kind), came), touched, "{kind}");
        }
        assert_eq!(touched_by(&shown("bandwidth")[1..], came), 4);
        // Of answers that are all held none comes: what asked for them does.
        assert_eq!(touched_by(&shown("latency")[1..], Came { down: 0, ..came }), 30);
        // Below the limit something else ended them.
        let [mut limit, _] = shown("limit_data");
        for (bytes, touched) in [(30, 2), (31, 0)] {
            limit.attributes.insert("bytes".into(), bytes.into());
            assert_eq!(touched_by(std::slice::from_ref(&limit), came), touched, "{bytes}");
        }
    }
}
