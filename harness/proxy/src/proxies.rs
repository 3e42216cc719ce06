//! All proxies of a process: what may be asked of them, with Toxiproxy's rules and refusals.
//!
//! One change at a time to each proxy, none to another's; readers never wait. A change of toxics is in force on every
//! open connection when its call returns.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use crate::{
    clock::Clock,
    connection::{Buffers, Pipes},
    error::Error,
    events::{Change, Events, What},
    live::{Connection, Flow, Touched},
    past::Past,
    proxy::{Proxy, Snapshot},
    seed::Seed,
    slots::Slots,
    spec::{ProxyChange, ProxySpec, ToxicChange, ToxicSpec},
    tape::{Entry, Tape},
    tls::Tls,
};

/// How a set of proxies behaves.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Where every random choice comes from.
    pub seed: Seed,
    /// Whether the end of one way closes the connection whole, as in Toxiproxy, in place of being passed on.
    pub whole_close: bool,
}

/// A set of proxies. Clones are the same set.
#[derive(Clone, Debug)]
pub struct Proxies {
    shared: Arc<Shared>,
    slots: Slots,
}

/// What every connection of every proxy needs.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) settings: Settings,
    seed: AtomicU64,
    pub(crate) began: Instant,
    tape: Tape,
    pub(crate) events: Events,
    pub(crate) past: Past,
    pub(crate) clock: Arc<Clock>,
    pub(crate) pipes: Pipes,
    pub(crate) buffers: Buffers,
}

impl Shared {
    pub(crate) fn seed(&self) -> Seed {
        Seed(self.seed.load(Ordering::Relaxed))
    }

    /// Puts what a toxic did onto the tape and tells it to whoever listens.
    pub(crate) fn record(&self, entry: Entry) {
        let told = self.events.heard().then(|| entry.clone());
        let number = self.tape.write(entry);
        if let Some(entry) = told {
            self.tell(|| What::Fault(Entry { number, ..entry }));
        }
    }

    pub(crate) fn tell(&self, what: impl FnOnce() -> What) {
        self.events.tell(self.began, what);
    }
}

/// A proxy as it is now.
#[derive(Clone, Debug)]
pub struct View {
    /// Its name.
    pub name: String,
    /// Where it listens; the resolved address once it has listened.
    pub listen: String,
    /// Where it dials.
    pub upstream: String,
    /// Whether it listens.
    pub enabled: bool,
    /// Its toxics, upstream first, then downstream, each in order of creation.
    pub toxics: Vec<ToxicSpec>,
    /// TLS as it was asked for; its `Debug` and JSON show no key.
    pub tls: Option<Tls>,
}

/// What a list of proxies came to.
#[derive(Debug)]
pub struct Populated {
    /// Those that are there now, in the list's order, as far as it came.
    pub proxies: Vec<View>,
    /// What stopped it.
    pub error: Option<Error>,
}

impl Proxies {
    /// None yet.
    pub fn new(settings: Settings) -> Self {
        let shared = Shared {
            settings,
            seed: AtomicU64::new(settings.seed.0),
            began: Instant::now(),
            tape: Tape::default(),
            events: Events::default(),
            past: Past::default(),
            clock: Arc::default(),
            pipes: Pipes::default(),
            buffers: Buffers::default(),
        };
        Self { shared: Arc::new(shared), slots: Slots::default() }
    }

    /// What it was made with.
    pub fn settings(&self) -> Settings {
        self.shared.settings
    }

    /// How long ago that was.
    pub fn age(&self) -> Duration {
        self.shared.began.elapsed()
    }

    /// The seed of connections from now on.
    pub fn seed(&self) -> Seed {
        self.shared.seed()
    }

    /// Sets it, for connections to come; those that are open keep theirs.
    pub fn reseed(&self, seed: Seed) {
        self.shared.seed.store(seed.0, Ordering::Relaxed);
    }

    /// What happens from now on.
    pub fn events(&self) -> &Events {
        &self.shared.events
    }

    /// Every fault that touched bytes.
    pub fn tape(&self) -> &Tape {
        &self.shared.tape
    }

    /// The connections that are open now, by proxy and age.
    pub fn connections(&self) -> Vec<Connection> {
        self.snapshots().iter().flat_map(|(_, seen)| seen.live.connections()).collect()
    }

    /// The bytes that have flowed through each proxy, up to now, those that are gone among them; one entry for each
    /// listener and upstream that it had.
    pub fn flows(&self) -> Vec<Flow> {
        self.shared.past.flows()
    }

    /// What each toxic has touched, those that were removed among them.
    pub fn touched(&self) -> Vec<Touched> {
        self.shared.past.touched()
    }

    /// All of them, by name.
    pub fn all(&self) -> Vec<View> {
        self.snapshots().iter().map(|(_, seen)| seen.view()).collect()
    }

    /// One of them.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn get(&self, name: &str) -> Result<View, Error> {
        self.snapshot(name).map(|seen| seen.view())
    }

    /// Whether there is one of that name.
    ///
    /// # Errors
    /// When there is not.
    pub fn exists(&self, name: &str) -> Result<(), Error> {
        self.snapshot(name).map(|_| ())
    }

    /// One toxic of a proxy, if it has one of that name.
    ///
    /// # Errors
    /// When there is no such proxy.
    pub fn toxic(&self, proxy: &str, toxic: &str) -> Result<Option<ToxicSpec>, Error> {
        self.snapshot(proxy).map(|seen| seen.toxic(toxic).cloned())
    }

    /// Makes one, with its toxics, and lets it listen if it is to.
    ///
    /// # Errors
    /// When the name is taken or it cannot listen; then nothing was made.
    pub async fn create(&self, spec: ProxySpec) -> Result<View, Error> {
        let (this, name) = (self.clone(), spec.name.clone());
        finished(async move {
            let mut held = this.slots.reserve(&name).await;
            if held.proxy().is_some() {
                return Err(Error::ProxyExists);
            }
            let proxy = this.made(spec).await?;
            let view = held.put(proxy).view();
            this.tell_proxy(&name, Change::Added);
            Ok(view)
        })
        .await
    }

    /// Makes all of a list in its order. One that is there already with the same addresses is left alone, unless
    /// `enable` asks that it listens as the list says; one with others, or with other TLS, is replaced. The first that
    /// fails ends it.
    pub async fn populate(&self, specs: Vec<ProxySpec>, enable: bool) -> Populated {
        let (mut proxies, mut error) = (Vec::new(), None);
        for spec in specs {
            let this = self.clone();
            match finished(async move { this.create_or_replace(spec, enable).await }).await {
                Ok(view) => proxies.push(view),
                Err(refused) => {
                    error = Some(refused);
                    break;
                }
            }
        }
        let proxies = proxies.into_iter().map(|view| self.as_left(view)).collect();
        Populated { proxies, error }
    }

    /// A list may name a proxy twice: the one that was replaced is told as it was left, stopped.
    fn as_left(&self, view: View) -> View {
        match self.get(&view.name) {
            Ok(now) if now.listen == view.listen && now.upstream == view.upstream => now,
            _ => View { enabled: false, ..view },
        }
    }

    async fn create_or_replace(&self, spec: ProxySpec, enable: bool) -> Result<View, Error> {
        let mut held = self.slots.reserve(&spec.name).await;
        if let Some(there) = held.proxy() {
            let other_tls = there.differs_in_tls(spec.tls.as_ref());
            if !other_tls && !there.differs(&spec.listen, &spec.upstream).await? {
                if enable {
                    let enabled = there.enable(spec.enabled).await;
                    held.show();
                    self.tell_proxy(&spec.name, Change::Changed);
                    enabled?;
                }
                return held.view();
            }
            there.stop().await;
            held.show();
            self.tell_proxy(&spec.name, Change::Changed);
        }
        let name = spec.name.clone();
        let proxy = self.made(spec).await?;
        let view = held.put(proxy).view();
        self.tell_proxy(&name, Change::Added);
        Ok(view)
    }

    /// Changes one. Another address or upstream closes its connections.
    ///
    /// # Errors
    /// When there is none of that name or it cannot listen.
    pub async fn change(&self, name: &str, change: ProxyChange) -> Result<View, Error> {
        let mut held = self.slots.hold(name).await?;
        let (this, name) = (self.clone(), name.to_owned());
        finished(async move {
            let proxy = held.proxy().ok_or(Error::ProxyNotFound)?;
            let result = proxy.change(change).await;
            held.show();
            this.tell_proxy(&name, Change::Changed);
            result?;
            held.view()
        })
        .await
    }

    /// Removes one and closes its connections.
    ///
    /// # Errors
    /// When there is none of that name.
    pub async fn delete(&self, name: &str) -> Result<(), Error> {
        let mut held = self.slots.hold(name).await?;
        let (this, name) = (self.clone(), name.to_owned());
        finished(async move {
            let mut proxy = held.take().ok_or(Error::ProxyNotFound)?;
            proxy.stop().await;
            this.tell_proxy(&name, Change::Removed);
            Ok(())
        })
        .await
    }

    /// Lets every proxy listen and removes all toxics.
    ///
    /// # Errors
    /// The first of those that cannot listen, by name; all others are done.
    pub async fn reset(&self) -> Result<(), Error> {
        let mut resets = Vec::new();
        for (name, _) in self.snapshots() {
            let this = self.clone();
            resets.push(tokio::spawn(async move {
                let mut held = this.slots.hold(&name).await?;
                let proxy = held.proxy().ok_or(Error::ProxyNotFound)?;
                let started = proxy.start().await;
                proxy.clear();
                let applied = proxy.publish();
                held.show();
                applied.wait().await;
                this.tell_proxy(&name, Change::Changed);
                started
            }));
        }
        let mut result = Ok(());
        for reset in resets {
            match reset.await.unwrap_or(Err(Error::CutOff)) {
                // Deleted meanwhile.
                Ok(()) | Err(Error::ProxyNotFound) => {}
                Err(error) => result = result.and(Err(error)),
            }
        }
        result
    }

    /// Adds a toxic at the end of its chain.
    ///
    /// # Errors
    /// When there is no such proxy or the name is taken.
    pub async fn add_toxic(&self, proxy: &str, toxic: ToxicSpec) -> Result<ToxicSpec, Error> {
        let name = toxic.name.clone();
        let added = self.on(proxy, |proxy| proxy.add_toxic(toxic)).await?;
        self.tell_toxic(proxy, &name, Change::Added);
        Ok(added)
    }

    /// Changes a toxic.
    ///
    /// # Errors
    /// When there is no such proxy or toxic.
    pub async fn change_toxic(
        &self,
        proxy: &str,
        toxic: &str,
        change: ToxicChange,
    ) -> Result<ToxicSpec, Error> {
        self.change_toxic_with(proxy, toxic, |_| Ok(change)).await
    }

    /// Changes a toxic by what it is at that moment.
    ///
    /// # Errors
    /// When there is no such proxy or toxic, or no change comes of it.
    pub async fn change_toxic_with(
        &self,
        proxy: &str,
        toxic: &str,
        change: impl FnOnce(&ToxicSpec) -> Result<ToxicChange, Error> + Send,
    ) -> Result<ToxicSpec, Error> {
        let changed = self.on(proxy, |proxy| {
            let change = change(proxy.toxic(toxic).ok_or(Error::ToxicNotFound)?)?;
            proxy.change_toxic(toxic, change)
        });
        let changed = changed.await?;
        self.tell_toxic(proxy, toxic, Change::Changed);
        Ok(changed)
    }

    /// Removes a toxic.
    ///
    /// # Errors
    /// When there is no such proxy or toxic.
    pub async fn remove_toxic(&self, proxy: &str, toxic: &str) -> Result<(), Error> {
        self.on(proxy, |proxy| proxy.remove_toxic(toxic)).await?;
        self.tell_toxic(proxy, toxic, Change::Removed);
        Ok(())
    }

    /// Changes the toxics of one, and waits until every open connection has taken them on.
    async fn on<R: Send>(
        &self,
        name: &str,
        change: impl FnOnce(&mut Proxy) -> Result<R, Error> + Send,
    ) -> Result<R, Error> {
        let mut held = self.slots.hold(name).await?;
        let proxy = held.proxy().ok_or(Error::ProxyNotFound)?;
        let answer = change(proxy)?;
        let applied = proxy.publish();
        held.show();
        applied.wait().await;
        Ok(answer)
    }

    async fn made(&self, spec: ProxySpec) -> Result<Proxy, Error> {
        let enabled = spec.enabled;
        let mut proxy = Proxy::new(spec, self.shared.clone());
        proxy.enable(enabled).await?;
        Ok(proxy)
    }

    fn tell_proxy(&self, name: &str, change: Change) {
        self.shared.tell(|| What::Proxy { proxy: name.into(), change });
    }

    fn tell_toxic(&self, proxy: &str, toxic: &str, change: Change) {
        self.shared.tell(|| What::Toxic { proxy: proxy.into(), toxic: toxic.into(), change });
    }

    fn snapshot(&self, name: &str) -> Result<Arc<Snapshot>, Error> {
        self.slots.snapshot(name).ok_or(Error::ProxyNotFound)
    }

    fn snapshots(&self) -> Vec<(String, Arc<Snapshot>)> {
        self.slots.snapshots()
    }
}

/// Runs a change in a task of its own: whoever asked for it may go away, it is finished all the same.
async fn finished<R: Send + 'static>(
    change: impl Future<Output = Result<R, Error>> + Send + 'static,
) -> Result<R, Error> {
    tokio::spawn(change).await.unwrap_or(Err(Error::CutOff))
}
