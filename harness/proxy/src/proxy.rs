//! One proxy: its listener, its toxics and the generation of them that its connections run.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::oneshot;

use crate::{
    accept, address,
    chain::Placed,
    connection::Terms,
    error::Error,
    live::{Live, Place},
    proxies::{Shared, View},
    spec::{Direction, ProxyChange, ProxySpec, ToxicChange, ToxicSpec},
    tls::Tls,
};

/// How long a change waits for connections to take it on; those that are slower take it on later.
const APPLY: Duration = Duration::from_secs(5);

/// A proxy.
#[derive(Debug)]
pub(crate) struct Proxy {
    spec: ProxySpec,
    toxics: Vec<Arc<Placed>>,
    last: u64,
    present: Arc<Present>,
    shared: Arc<Shared>,
    live: Arc<Live>,
    running: Option<Running>,
    /// Told when no connection runs the present generation any more.
    gone: Option<oneshot::Receiver<()>>,
}

/// The toxics at one moment. When the last connection lets go of it, whoever waits for that is told.
#[derive(Debug, Default)]
pub(crate) struct Generation {
    pub(crate) toxics: Vec<Arc<Placed>>,
    number: u64,
    _gone: Option<oneshot::Sender<()>>,
}

/// The generation that a proxy has now.
#[derive(Debug, Default)]
pub(crate) struct Present {
    /// Read alone to see whether there is a newer one.
    number: AtomicU64,
    generation: Mutex<Arc<Generation>>,
}

impl Present {
    pub(crate) fn get(&self) -> Arc<Generation> {
        self.generation.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The present generation where it is not that one.
    pub(crate) fn after(&self, held: &Generation) -> Option<Arc<Generation>> {
        (self.number.load(Ordering::Acquire) != held.number).then(|| self.get())
    }

    fn set(&self, generation: Generation) {
        let number = generation.number;
        let mut present = self.generation.lock().unwrap_or_else(PoisonError::into_inner);
        let old = std::mem::replace(&mut *present, Arc::new(generation));
        self.number.store(number, Ordering::Release);
        drop(present);
        drop(old);
    }
}

/// Told when no connection runs an older generation any more.
#[derive(Debug)]
pub(crate) struct Applied(Option<oneshot::Receiver<()>>);

impl Applied {
    pub(crate) async fn wait(self) {
        if let Some(gone) = self.0 {
            // Either way of ending says that the old generation is gone.
            let _ = tokio::time::timeout(APPLY, gone).await;
        }
    }
}

/// A proxy at one moment, for readers.
#[derive(Debug)]
pub(crate) struct Snapshot {
    spec: ProxySpec,
    toxics: Vec<Arc<Placed>>,
    pub(crate) live: Arc<Live>,
}

impl Snapshot {
    pub(crate) fn view(&self) -> View {
        let on = |direction| {
            self.toxics.iter().map(|placed| &placed.spec).filter(move |spec| listed(spec, direction))
        };
        View {
            name: self.spec.name.clone(),
            listen: self.spec.listen.clone(),
            upstream: self.spec.upstream.clone(),
            enabled: self.spec.enabled,
            toxics: Direction::ALL.into_iter().flat_map(on).cloned().collect(),
            tls: self.spec.tls.clone(),
        }
    }

    pub(crate) fn toxic(&self, name: &str) -> Option<&ToxicSpec> {
        self.toxics.iter().map(|placed| &placed.spec).find(|spec| spec.name == name)
    }
}

#[derive(Debug)]
struct Running {
    stop: oneshot::Sender<()>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.past.take_over(&self.live);
    }
}

impl Proxy {
    pub(crate) fn new(spec: ProxySpec, shared: Arc<Shared>) -> Self {
        let (toxics, present) = (Vec::new(), Arc::default());
        let live = shared.past.account(&spec.name);
        let mut proxy = Self { spec, toxics, last: 0, present, shared, live, running: None, gone: None };
        for toxic in std::mem::take(&mut proxy.spec.toxics) {
            proxy.place(toxic);
        }
        let _ = proxy.publish();
        proxy
    }

    /// What readers see until the next change.
    pub(crate) fn snapshot(&self) -> Snapshot {
        let (spec, toxics) = (self.spec.clone(), self.toxics.clone());
        Snapshot { spec, toxics, live: self.live.clone() }
    }

    /// Listens, unless it does already. Not enabled where that fails.
    pub(crate) async fn start(&mut self) -> Result<(), Error> {
        if self.running.is_some() {
            return Ok(());
        }
        self.spec.enabled = false;
        let listener = address::listen(&self.spec.listen).await?;
        let local =
            listener.local_addr().map_err(|error| Error::Listen { at: None, reason: error.to_string() })?;
        self.spec.listen = address::shown(local);
        self.spec.enabled = true;
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(accept::run(listener, Arc::new(self.terms()), stopped));
        self.running = Some(Running { stop, task });
        let ProxySpec { name, listen, upstream, .. } = &self.spec;
        tracing::info!(name, listen, upstream, "Started proxy");
        Ok(())
    }

    /// Closes its connections and listens no more.
    pub(crate) async fn stop(&mut self) {
        self.spec.enabled = false;
        if let Some(running) = self.running.take() {
            let _ = running.stop.send(());
            let _ = running.task.await;
            let ProxySpec { name, listen, upstream, .. } = &self.spec;
            tracing::info!(name, listen, upstream, "Terminated proxy");
        }
    }

    pub(crate) async fn enable(&mut self, enabled: bool) -> Result<(), Error> {
        if enabled {
            return self.start().await;
        }
        self.stop().await;
        Ok(())
    }

    pub(crate) async fn change(&mut self, change: ProxyChange) -> Result<(), Error> {
        let listen = change.listen.unwrap_or_else(|| self.spec.listen.clone());
        let upstream = change.upstream.unwrap_or_else(|| self.spec.upstream.clone());
        let enabled = change.enabled.unwrap_or(self.spec.enabled);
        let other_tls = change.tls.as_ref().is_some_and(|tls| *tls != self.spec.tls);
        if self.differs(&listen, &upstream).await? {
            self.stop().await;
            self.spec.listen = listen;
            self.spec.upstream = upstream;
        }
        if other_tls {
            // Stopped, it keeps the port that it was given.
            self.stop().await;
            self.spec.tls = change.tls.flatten();
        }
        self.enable(enabled).await
    }

    /// Whether it would have to be stopped to have these addresses. As in Toxiproxy, the port that an address with
    /// port 0 was given is not the port that it asks for now.
    pub(crate) async fn differs(&self, listen: &str, upstream: &str) -> Result<bool, Error> {
        let resolved = address::resolve(listen).await.map_err(Error::Address)?;
        Ok(resolved.to_string() != self.spec.listen || upstream != self.spec.upstream)
    }

    /// Whether it ends TLS otherwise than that. Whoever does not speak of TLS leaves it as it is.
    pub(crate) fn differs_in_tls(&self, tls: Option<&Tls>) -> bool {
        tls.is_some() && tls != self.spec.tls.as_ref()
    }

    /// Removes all toxics.
    pub(crate) fn clear(&mut self) {
        self.toxics.clear();
    }

    pub(crate) fn toxic(&self, name: &str) -> Option<&ToxicSpec> {
        self.toxics.iter().map(|placed| &placed.spec).find(|spec| spec.name == name)
    }

    pub(crate) fn add_toxic(&mut self, toxic: ToxicSpec) -> Result<ToxicSpec, Error> {
        if self.toxics.iter().any(|placed| placed.spec.name == toxic.name) {
            return Err(Error::ToxicExists);
        }
        self.place(toxic.clone());
        Ok(toxic)
    }

    pub(crate) fn change_toxic(&mut self, name: &str, change: ToxicChange) -> Result<ToxicSpec, Error> {
        let found = self.toxics.iter_mut().find(|placed| placed.spec.name == name);
        let placed = Arc::make_mut(found.ok_or(Error::ToxicNotFound)?);
        if let Some(attributes) = change.attributes {
            placed.spec.attributes = attributes;
            placed.version += 1;
        }
        if let Some(toxicity) = change.toxicity
            && toxicity.to_bits() != placed.spec.toxicity.to_bits()
        {
            placed.spec.toxicity = toxicity;
            placed.toss += 1;
        }
        if let Some(trigger) = change.trigger
            && trigger != placed.spec.trigger
        {
            placed.spec.trigger = trigger;
            placed.turn += 1;
            (placed.added, placed.before) = (Instant::now(), self.live.accepted());
        }
        Ok(placed.spec.clone())
    }

    pub(crate) fn remove_toxic(&mut self, name: &str) -> Result<(), Error> {
        let at =
            self.toxics.iter().position(|placed| placed.spec.name == name).ok_or(Error::ToxicNotFound)?;
        self.toxics.remove(at);
        Ok(())
    }

    /// Hands the toxics to all connections, now and to come.
    pub(crate) fn publish(&mut self) -> Applied {
        let (gone, told) = oneshot::channel();
        let toxics = self.toxics.clone();
        let number = self.present.get().number + 1;
        self.present.set(Generation { toxics, number, _gone: Some(gone) });
        self.live.wake();
        Applied(self.gone.replace(told))
    }

    fn terms(&self) -> Terms {
        Terms {
            place: Arc::new(Place {
                proxy: self.spec.name.as_str().into(),
                listener: self.spec.listen.as_str().into(),
                upstream: self.spec.upstream.as_str().into(),
            }),
            tls: self.spec.tls.clone(),
            present: self.present.clone(),
            live: self.live.clone(),
            shared: self.shared.clone(),
        }
    }

    fn place(&mut self, spec: ToxicSpec) {
        self.last += 1;
        let before = self.live.accepted();
        let placed =
            Placed { id: self.last, version: 0, toss: 0, turn: 0, added: Instant::now(), before, spec };
        self.toxics.push(Arc::new(placed));
    }
}

fn listed(spec: &ToxicSpec, direction: Direction) -> bool {
    match spec.side {
        crate::spec::Side::One(side) => side == direction,
        // Listed once, with those of the first way.
        crate::spec::Side::Both => direction == Direction::Upstream,
    }
}
