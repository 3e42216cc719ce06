//! All proxies of a process: what may be asked of them, with Toxiproxy's rules and refusals.
//!
//! One change at a time; readers never wait. A change of toxics is in force on every open connection when its call
//! returns.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use crate::{
    clock::Clock,
    connection::Pipes,
    error::Error,
    live::{Connection, Flow, Touched},
    proxy::Proxy,
    seed::Seed,
    spec::{ProxyChange, ProxySpec, ToxicChange, ToxicSpec},
    tape::Tape,
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
    proxies: Arc<Mutex<BTreeMap<String, Proxy>>>,
    /// Held while something changes.
    changing: Arc<tokio::sync::Mutex<()>>,
}

/// What every connection of every proxy needs.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) settings: Settings,
    pub(crate) began: Instant,
    pub(crate) tape: Tape,
    pub(crate) clock: Arc<Clock>,
    pub(crate) pipes: Pipes,
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
            began: Instant::now(),
            tape: Tape::default(),
            clock: Arc::default(),
            pipes: Pipes::default(),
        };
        Self { shared: Arc::new(shared), proxies: Arc::default(), changing: Arc::default() }
    }

    /// What it was made with.
    pub fn settings(&self) -> Settings {
        self.shared.settings
    }

    /// Every fault that touched bytes.
    pub fn tape(&self) -> &Tape {
        &self.shared.tape
    }

    /// The connections that are open now, by proxy and age.
    pub fn connections(&self) -> Vec<Connection> {
        self.locked().values().flat_map(|proxy| proxy.live().connections()).collect()
    }

    /// The bytes that have flowed through each proxy, up to now; one entry for each listener and upstream that it had.
    pub fn flows(&self) -> Vec<Flow> {
        self.locked().values().flat_map(|proxy| proxy.live().flows()).collect()
    }

    /// What each toxic has touched, those that were removed among them.
    pub fn touched(&self) -> Vec<Touched> {
        let touched = |(name, proxy): (&String, &Proxy)| proxy.live().touched(&name.as_str().into());
        self.locked().iter().flat_map(touched).collect()
    }

    /// All of them, by name.
    pub fn all(&self) -> Vec<View> {
        self.locked().values().map(Proxy::view).collect()
    }

    /// One of them.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn get(&self, name: &str) -> Result<View, Error> {
        self.locked().get(name).map(Proxy::view).ok_or(Error::ProxyNotFound)
    }

    /// Makes one, with its toxics, and lets it listen if it is to.
    ///
    /// # Errors
    /// When the name is taken or it cannot listen; then nothing was made.
    pub async fn create(&self, spec: ProxySpec) -> Result<View, Error> {
        let _changing = self.changing.lock().await;
        if self.locked().contains_key(&spec.name) {
            return Err(Error::ProxyExists);
        }
        let mut proxy = Proxy::new(spec, self.shared.clone());
        proxy.start_if_enabled().await?;
        let view = proxy.view();
        self.locked().insert(view.name.clone(), proxy);
        Ok(view)
    }

    /// Changes one. Another address or upstream closes its connections.
    ///
    /// # Errors
    /// When there is none of that name or it cannot listen.
    pub async fn change(&self, name: &str, change: ProxyChange) -> Result<View, Error> {
        let _changing = self.changing.lock().await;
        let mut proxy = self.taken(name)?;
        let result = proxy.change(change).await;
        let view = proxy.view();
        self.locked().insert(name.to_owned(), proxy);
        result.map(|()| view)
    }

    /// Removes one and closes its connections.
    ///
    /// # Errors
    /// When there is none of that name.
    pub async fn delete(&self, name: &str) -> Result<(), Error> {
        let _changing = self.changing.lock().await;
        let mut proxy = self.taken(name)?;
        proxy.stop().await;
        Ok(())
    }

    /// Makes all of a list in its order. One that is there already with the same addresses is left alone, one with
    /// others is replaced. The first that fails ends it.
    pub async fn populate(&self, specs: Vec<ProxySpec>) -> Populated {
        let mut proxies = Vec::new();
        for spec in specs {
            match self.create_or_replace(spec).await {
                Ok(view) => proxies.push(view),
                Err(error) => return Populated { proxies, error: Some(error) },
            }
        }
        Populated { proxies, error: None }
    }

    async fn create_or_replace(&self, spec: ProxySpec) -> Result<View, Error> {
        let changing = self.changing.lock().await;
        if let Ok(mut there) = self.taken(&spec.name) {
            match there.differs(&spec.listen, &spec.upstream).await {
                Ok(true) => there.stop().await,
                kept => {
                    let view = there.view();
                    self.locked().insert(view.name.clone(), there);
                    return kept.map(|_| view);
                }
            }
        }
        drop(changing);
        self.create(spec).await
    }

    /// Lets every proxy listen and removes all toxics.
    ///
    /// # Errors
    /// The first of those that cannot listen; all others are done.
    pub async fn reset(&self) -> Result<(), Error> {
        let names: Vec<String> = self.locked().keys().cloned().collect();
        let mut result = Ok(());
        for name in names {
            let enabled = ProxyChange { enabled: Some(true), ..ProxyChange::default() };
            let started = self.change(&name, enabled).await.map(|_| ());
            let cleared = self
                .on(&name, |proxy| {
                    proxy.clear();
                    Ok(())
                })
                .await;
            for done in [started, cleared] {
                if !matches!(done, Ok(()) | Err(Error::ProxyNotFound)) {
                    result = result.and(done);
                }
            }
        }
        result
    }

    /// Adds a toxic at the end of its chain.
    ///
    /// # Errors
    /// When there is no such proxy or the name is taken.
    pub async fn add_toxic(&self, proxy: &str, toxic: ToxicSpec) -> Result<ToxicSpec, Error> {
        self.on(proxy, |proxy| proxy.add_toxic(toxic)).await
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
        self.on(proxy, |proxy| proxy.change_toxic(toxic, change)).await
    }

    /// Removes a toxic.
    ///
    /// # Errors
    /// When there is no such proxy or toxic.
    pub async fn remove_toxic(&self, proxy: &str, toxic: &str) -> Result<(), Error> {
        self.on(proxy, |proxy| proxy.remove_toxic(toxic)).await
    }

    /// Changes the toxics of one, and waits until every open connection has taken them on.
    async fn on<R>(
        &self,
        name: &str,
        change: impl FnOnce(&mut Proxy) -> Result<R, Error>,
    ) -> Result<R, Error> {
        let _changing = self.changing.lock().await;
        let (answer, applied) = {
            let mut proxies = self.locked();
            let proxy = proxies.get_mut(name).ok_or(Error::ProxyNotFound)?;
            let answer = change(proxy)?;
            (answer, proxy.publish())
        };
        applied.wait().await;
        Ok(answer)
    }

    fn taken(&self, name: &str) -> Result<Proxy, Error> {
        self.locked().remove(name).ok_or(Error::ProxyNotFound)
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Proxy>> {
        self.proxies.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
