//! One proxy: its listener, its toxics and the generation of them that its connections run.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{
    net::{TcpListener, lookup_host},
    sync::{oneshot, watch},
    task::JoinSet,
};

use crate::{
    chain::Placed,
    connection::{self, Terms},
    error::Error,
    proxies::{Shared, View},
    spec::{Direction, ProxyChange, ProxySpec, ToxicChange, ToxicSpec},
};

/// How long a change waits for connections to take it on; those that are slower take it on later.
const APPLY: Duration = Duration::from_secs(5);

/// A proxy.
#[derive(Debug)]
pub(crate) struct Proxy {
    spec: ProxySpec,
    toxics: Vec<Placed>,
    last: u64,
    generation: watch::Sender<Arc<Generation>>,
    shared: Arc<Shared>,
    connections: Arc<AtomicU64>,
    running: Option<Running>,
    /// Told when no connection runs the present generation any more.
    gone: Option<oneshot::Receiver<()>>,
}

/// The toxics at one moment. When the last connection lets go of it, whoever waits for that is told.
#[derive(Debug)]
pub(crate) struct Generation {
    pub(crate) toxics: Vec<Arc<Placed>>,
    _gone: Option<oneshot::Sender<()>>,
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

#[derive(Debug)]
struct Running {
    stop: oneshot::Sender<()>,
    task: tokio::task::JoinHandle<()>,
}

impl Proxy {
    pub(crate) fn new(spec: ProxySpec, shared: Arc<Shared>) -> Self {
        let (generation, _) = watch::channel(Arc::new(Generation { toxics: Vec::new(), _gone: None }));
        let connections = Arc::default();
        let toxics = Vec::new();
        let mut proxy =
            Self { spec, toxics, last: 0, generation, shared, connections, running: None, gone: None };
        for toxic in std::mem::take(&mut proxy.spec.toxics) {
            proxy.place(toxic);
        }
        let _ = proxy.publish();
        proxy
    }

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

    pub(crate) async fn start_if_enabled(&mut self) -> Result<(), Error> {
        if !self.spec.enabled || self.running.is_some() {
            return Ok(());
        }
        let refused = |error: std::io::Error| Error::Listen {
            address: self.spec.listen.clone(),
            reason: error.to_string(),
        };
        let listener = TcpListener::bind(&self.spec.listen).await.map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        self.spec.listen = address.to_string();
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(accept(listener, self.terms(), self.connections.clone(), stopped));
        self.running = Some(Running { stop, task });
        Ok(())
    }

    pub(crate) async fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            let _ = running.stop.send(());
            let _ = running.task.await;
        }
    }

    pub(crate) async fn change(&mut self, change: ProxyChange) -> Result<(), Error> {
        let listen = match change.listen {
            Some(listen) if !same_address(&listen, &self.spec.listen).await? => Some(listen),
            _ => None,
        };
        let upstream = change.upstream.filter(|upstream| *upstream != self.spec.upstream);
        if listen.is_some() || upstream.is_some() {
            self.stop().await;
        }
        self.spec.listen = listen.unwrap_or_else(|| self.spec.listen.clone());
        self.spec.upstream = upstream.unwrap_or_else(|| self.spec.upstream.clone());
        self.spec.enabled = change.enabled.unwrap_or(self.spec.enabled);
        if !self.spec.enabled {
            self.stop().await;
        }
        self.start_if_enabled().await
    }

    /// Whether it would have to be stopped to have these addresses.
    pub(crate) async fn differs(&self, listen: &str, upstream: &str) -> Result<bool, Error> {
        Ok(!same_address(listen, &self.spec.listen).await? || upstream != self.spec.upstream)
    }

    /// Removes all toxics.
    pub(crate) fn clear(&mut self) {
        self.toxics.clear();
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
        let placed = found.ok_or(Error::ToxicNotFound)?;
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
        let toxics = self.toxics.iter().cloned().map(Arc::new).collect();
        let old = self.generation.send_replace(Arc::new(Generation { toxics, _gone: Some(gone) }));
        drop(old);
        Applied(self.gone.replace(told))
    }

    fn terms(&self) -> Terms {
        Terms {
            proxy: self.spec.name.as_str().into(),
            upstream: self.spec.upstream.as_str().into(),
            generation: self.generation.subscribe(),
            shared: self.shared.clone(),
        }
    }

    fn place(&mut self, spec: ToxicSpec) {
        self.last += 1;
        let before = self.connections.load(Ordering::Relaxed);
        let placed = Placed { id: self.last, version: 0, toss: 0, added: Instant::now(), before, spec };
        self.toxics.push(placed);
    }
}

fn listed(spec: &ToxicSpec, direction: Direction) -> bool {
    match spec.side {
        crate::spec::Side::One(side) => side == direction,
        // Listed once, with those of the first way.
        crate::spec::Side::Both => direction == Direction::Upstream,
    }
}

/// Whether both name the same address. An empty one is a port of the kernel's choice, another each time.
async fn same_address(wanted: &str, now: &str) -> Result<bool, Error> {
    if wanted == now {
        return Ok(true);
    }
    let refused =
        |error: std::io::Error| Error::Listen { address: wanted.to_owned(), reason: error.to_string() };
    let first: Option<SocketAddr> = lookup_host(wanted).await.map_err(refused)?.next();
    Ok(first.is_some_and(|address| address.to_string() == now))
}

/// Accepts until told to stop; then every connection is closed.
async fn accept(
    listener: TcpListener,
    terms: Terms,
    ordinals: Arc<AtomicU64>,
    mut stopped: oneshot::Receiver<()>,
) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            _ = &mut stopped => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => {
                if let Ok((client, _)) = accepted {
                    let ordinal = ordinals.fetch_add(1, Ordering::Relaxed) + 1;
                    connections.spawn(connection::run(client, ordinal, terms.clone()));
                }
            }
        }
    }
    drop(listener);
    connections.shutdown().await;
}
