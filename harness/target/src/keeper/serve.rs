//! The keeper's loop: everything that happens arrives in one place, one after the other, so that "the last lease is
//! gone" and "somebody has just come" can never both be true.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tokio::{
    io::AsyncReadExt,
    net::{UnixListener, UnixStream, unix::pipe},
    signal::unix::{Signal, SignalKind, signal},
    sync::mpsc,
    task::{JoinHandle, JoinSet},
    time::{Instant, sleep_until},
};

use crate::{Error, TargetSpec, backends::docker, deadlines::SWEPT};

use super::{
    begin::{prepare, refuse_all, sweep},
    connection::{Connection, Role},
    folder::RunFolder,
    janitor::Janitor,
    kind,
    leases::{HoldingId, LeaseId, Leases},
    name,
    servers::{Servers, Step},
    wire::{Answer, Failure, Granted, Intent, Opening, PROTOCOL, ToHarness, ToKeeper, Wanted, WireAccess},
};

/// How long a keeper whose servers did not start waits for those who are on their way to hear it.
const REFUSAL_DEADLINE: Duration = Duration::from_secs(10);

/// Why a harness is refused.
const OTHER_VERSION: &str =
    "keeper: another version of Bulkhead keeps this set: stop it with `bulkhead down`";

/// A stop that nobody asked for by leaving.
const COMMANDED: &str = "the servers were stopped by `bulkhead down` or a signal to their keeper";

/// Something that happened.
pub(super) enum Event {
    /// A connection said something.
    Message(LeaseId, ToKeeper),
    /// A connection ended.
    Closed(LeaseId),
    /// The start went a step on.
    Step(Step),
    /// The start is over.
    Started(Result<Servers, Error>),
    /// Slices were made, or not.
    Made(Asked, HoldingId, Result<Vec<WireAccess>, String>),
    /// Slices were removed, or not.
    Removed(Option<Asked>, HoldingId, Result<(), String>),
    /// A lease has had its time to detach these slices.
    Overdue(HoldingId),
    /// The servers were looked at because a child has ended.
    Looked,
    /// An answer is ready.
    Answered(Asked, Answer),
    /// The harness that spawned this keeper has its lease, or is gone.
    SpawnerGone,
}

/// Who waits for an answer: a connection and its request's number.
#[derive(Clone, Copy)]
pub(super) struct Asked(pub(super) LeaseId, pub(super) u64);

/// Why the loop ended.
enum End {
    /// Nobody holds the servers any more.
    Idle,
    /// It was told to.
    Commanded,
    /// The servers did not start.
    Failed(Failure),
}

/// How far a keeper has come.
pub(super) enum Phase {
    /// What has been told so far, for those who come later.
    Starting(Vec<ToHarness>),
    Serving(Arc<Servers>),
    /// The servers did not start; everything is cleared away, and whoever comes still is told why.
    Failed(Failure),
}

pub(super) struct Keeper {
    pub(super) spec: TargetSpec,
    pub(super) run: String,
    pub(super) folder: Arc<RunFolder>,
    janitor: Option<Janitor>,
    pub(super) phase: Phase,
    pub(super) leases: Leases,
    pub(super) connections: BTreeMap<LeaseId, Connection>,
    last_connection: LeaseId,
    token: u64,
    /// Whether the spawning harness is on its way: its pipe is open and it has not connected.
    spawner: bool,
    /// Those who wait until everything is gone.
    pub(super) waiting: Vec<Asked>,
    /// Exact slices that wait for how another lease's come out.
    pub(super) deferred: Vec<(Asked, Wanted)>,
    /// When to stop, while nobody holds the servers.
    pub(super) stop_at: Option<Instant>,
    pub(super) commanded: bool,
    failed: Option<Failure>,
    pub(super) events: mpsc::UnboundedSender<Event>,
    pub(super) tasks: JoinSet<()>,
}

/// Starts the servers, keeps them as long as anybody holds them, and leaves nothing behind.
pub(super) async fn keep(
    opening: Opening,
    listener: UnixListener,
    stdin: pipe::Receiver,
) -> Result<(), Error> {
    let Opening { spec, token, .. } = opening;
    let (events, mut happened) = mpsc::unbounded_channel();
    let prepared = prepare(&spec.executable, &spec.temp).await;
    let (run, folder, janitor) = match prepared {
        Ok(prepared) => prepared,
        Err(error) => {
            refuse_all(listener, stdin, &Failure::from(&error)).await;
            return Err(error);
        }
    };
    let sweep = sweep(&spec);
    let mut keeper = Keeper {
        spec,
        run,
        folder: Arc::new(folder),
        janitor: Some(janitor),
        phase: Phase::Starting(Vec::new()),
        leases: Leases::default(),
        connections: BTreeMap::new(),
        last_connection: 0,
        token,
        spawner: true,
        waiting: Vec::new(),
        deferred: Vec::new(),
        stop_at: None,
        commanded: false,
        failed: None,
        events,
        tasks: JoinSet::new(),
    };
    keeper.watch_spawner(stdin);
    keeper.start_servers();
    let end = keeper.serve(&listener, &mut happened).await;
    if let End::Failed(failure) = end {
        keeper.refuse(failure, &listener, &mut happened).await;
        return keeper.finish(None, sweep).await;
    }
    // First of all, so that whoever comes from here on starts a fresh keeper.
    drop(listener);
    let why = matches!(end, End::Commanded).then_some(COMMANDED);
    keeper.finish(why, sweep).await
}

impl Keeper {
    fn watch_spawner(&mut self, mut stdin: pipe::Receiver) {
        let events = self.events.clone();
        self.tasks.spawn(async move {
            let _end = stdin.read_to_end(&mut Vec::new()).await;
            let _stopping = events.send(Event::SpawnerGone);
        });
    }

    fn start_servers(&mut self) {
        let (events, spec, run) = (self.events.clone(), self.spec.clone(), self.run.clone());
        let folder = Arc::clone(&self.folder);
        self.tasks.spawn(async move {
            let tell = |step| {
                let _stopping = events.send(Event::Step(step));
            };
            let started = Servers::start(&spec, &run, &folder, tell).await;
            let _stopping = events.send(Event::Started(started));
        });
    }

    async fn serve(&mut self, listener: &UnixListener, happened: &mut mpsc::UnboundedReceiver<Event>) -> End {
        let Ok([mut terminate, mut interrupt, mut children]) = signals() else {
            return End::Failed(Failure::plain("keeper: could not watch for signals"));
        };
        loop {
            if let Some(error) = self.failed.take() {
                return End::Failed(error);
            }
            if self.commanded {
                return End::Commanded;
            }
            self.note_idleness();
            let stop_at = self.stop_at;
            tokio::select! {
                // In this order: who has come counts before what is over.
                biased;
                Ok((stream, _)) = listener.accept() => self.accept(stream),
                Some(event) = happened.recv() => self.handle(event),
                _ = children.recv() => self.look_at_children(),
                () = docker::ENDED.notified() => self.look_at_children(),
                _ = terminate.recv() => return End::Commanded,
                _ = interrupt.recv() => return End::Commanded,
                () = async { sleep_until(stop_at.unwrap_or_else(Instant::now)).await }, if stop_at.is_some() => {
                    return End::Idle;
                }
            }
        }
    }

    fn accept(&mut self, stream: UnixStream) {
        if name::is_ours(&stream).is_ok_and(|ours| ours) {
            self.last_connection += 1;
            let connection = Connection::open(stream, self.last_connection, self.events.clone());
            self.connections.insert(self.last_connection, connection);
        }
    }

    /// How many connections have not said yet what they came for.
    fn undecided(&self) -> usize {
        self.connections.values().filter(|connection| connection.role == Role::Unknown).count()
    }

    /// Sets the time to stop when nobody holds the servers, and clears it when somebody does.
    pub(super) fn note_idleness(&mut self) {
        if self.spawner || self.leases.count() + self.undecided() > 0 {
            self.stop_at = None;
            return;
        }
        let linger = match &self.phase {
            // Nobody has used them, or nobody can.
            Phase::Starting(_) | Phase::Failed(_) => Duration::ZERO,
            Phase::Serving(servers) if !servers.dead().is_empty() => Duration::ZERO,
            Phase::Serving(_) => self.leases.linger(),
        };
        let now = Instant::now();
        let stop_at = now + linger;
        self.stop_at = Some(self.stop_at.map_or(stop_at, |earlier| earlier.min(stop_at)));
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Message(id, ToKeeper::Hello { protocol, intent }) => self.greet(id, protocol, intent),
            Event::Message(id, ToKeeper::Request { number, what }) => self.request(Asked(id, number), what),
            Event::Closed(id) => {
                self.connections.remove(&id);
                self.end_lease(id);
            }
            Event::Step(step) => {
                if let Phase::Starting(told) = &mut self.phase {
                    told.push(message(&step));
                    for connection in
                        self.connections.values().filter(|c| c.role == Role::Lease { granted: false })
                    {
                        connection.send(message(&step));
                    }
                }
            }
            Event::Started(Ok(servers)) => {
                self.phase = Phase::Serving(Arc::new(servers));
                let waiting =
                    self.connections.iter().filter(|(_, c)| c.role == Role::Lease { granted: false });
                for id in waiting.map(|(id, _)| *id).collect::<Vec<_>>() {
                    self.grant(id);
                }
            }
            Event::Started(Err(error)) => self.failed = Some(Failure::from(&error)),
            Event::Made(asked, holding, result) => self.made(asked, holding, result),
            Event::Removed(asked, holding, result) => {
                self.leases.gone(holding);
                if let Some(asked) = asked {
                    self.answer(asked, result.map(|()| Answer::Done));
                }
                self.settle();
            }
            Event::Overdue(holding) => {
                self.leases.is_overdue(holding);
                self.settle();
            }
            Event::Looked => self.tell_of_the_dead(),
            Event::Answered(asked, answer) => self.answer(asked, Ok(answer)),
            Event::SpawnerGone => self.spawner = false,
        }
    }

    fn greet(&mut self, id: LeaseId, protocol: u32, intent: Intent) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let Intent::Lease { kind: asked, linger, token } = intent else {
            connection.role = Role::Control;
            return;
        };
        if token == Some(self.token) {
            // The connection holds the lease from here on. The pipe's end may be noticed later than what follows.
            self.spawner = false;
        }
        let refusal = match &self.phase {
            _ if protocol != PROTOCOL => Some(Failure::plain(OTHER_VERSION)),
            _ if asked != name::kind(&self.spec) => Some(kind::refusal(&self.spec, &asked)),
            Phase::Failed(failure) => Some(failure.clone()),
            Phase::Serving(servers) => servers.dead().first().map(Failure::plain),
            Phase::Starting(_) => None,
        };
        if let Some(failure) = refusal {
            connection.role = Role::Control;
            connection.send(ToHarness::Refused(failure));
            return;
        }
        connection.role = Role::Lease { granted: false };
        self.leases.begin(id, linger);
        match &self.phase {
            Phase::Starting(told) => told.iter().for_each(|message| connection.send(message.clone())),
            Phase::Serving(_) => self.grant(id),
            Phase::Failed(_) => {}
        }
    }

    fn grant(&mut self, id: LeaseId) {
        let Phase::Serving(servers) = &self.phase else { return };
        let Some(connection) = self.connections.get_mut(&id) else { return };
        connection.role = Role::Lease { granted: true };
        connection.send(ToHarness::Granted(Granted {
            lease: id,
            run: self.run.clone(),
            pid: std::process::id(),
            servers: servers.reports(),
        }));
    }

    /// Starts another janitor when this one has ended.
    fn look_at_janitor(&mut self) {
        if self.janitor.as_mut().is_some_and(Janitor::is_gone)
            && let Ok(janitor) = Janitor::start(&self.spec.executable, &self.run, &self.folder.path)
        {
            self.janitor = Some(janitor);
        }
    }

    fn look_at_children(&mut self) {
        self.look_at_janitor();
        if let Phase::Serving(servers) = &self.phase {
            let servers = Arc::clone(servers);
            let events = self.events.clone();
            self.tasks.spawn(async move {
                servers.look().await;
                let _stopping = events.send(Event::Looked);
            });
        }
        // Tasks that are over are not kept.
        while self.tasks.try_join_next().is_some() {}
    }

    /// Tells the holders of leases that a server is of no use any more.
    fn tell_of_the_dead(&self) {
        let Phase::Serving(servers) = &self.phase else { return };
        let Some(why) = servers.dead().into_iter().next() else { return };
        for connection in self.connections.values().filter(|c| c.role == Role::Lease { granted: true }) {
            connection.send(ToHarness::ServerDied(why.clone()));
        }
    }

    /// Clears everything away, then tells those who wait, and the spawning harness when it comes, why there will be no
    /// servers.
    async fn refuse(
        &mut self,
        failure: Failure,
        listener: &UnixListener,
        happened: &mut mpsc::UnboundedReceiver<Event>,
    ) {
        let cleared = self.clear().await;
        let failure = match cleared {
            Ok(()) => failure,
            Err(error) => Failure { why: format!("{}; {}", failure.why, error.chain()), ..failure },
        };
        for connection in self.connections.values_mut().filter(|c| c.role == Role::Lease { granted: false }) {
            connection.role = Role::Control;
            connection.send(ToHarness::Refused(failure.clone()));
        }
        self.phase = Phase::Failed(failure);
        let rest = async {
            while self.spawner || self.undecided() > 0 {
                tokio::select! {
                    Ok((stream, _)) = listener.accept() => self.accept(stream),
                    Some(event) = happened.recv() => self.handle(event),
                }
            }
        };
        let _late = tokio::time::timeout(REFUSAL_DEADLINE, rest).await;
    }

    /// Lets the janitor clear the run away. Harmless when it has already.
    async fn clear(&mut self) -> Result<(), Error> {
        self.look_at_janitor();
        match self.janitor.take() {
            Some(janitor) => janitor.finish().await,
            None => Ok(()),
        }
    }

    /// Stops what runs and tells those who wait for that. `ending` is what the holders of leases are told first.
    async fn finish(mut self, ending: Option<&str>, sweep: JoinHandle<()>) -> Result<(), Error> {
        if let Some(why) = ending {
            for connection in self.connections.values().filter(|c| matches!(c.role, Role::Lease { .. })) {
                connection.send(ToHarness::Ending(why.to_owned()));
            }
        }
        // This also drops servers that are still starting, and with them their processes.
        self.tasks.shutdown().await;
        if let Phase::Serving(servers) = &self.phase {
            servers.stop().await;
        }
        let cleared = self.clear().await;
        let _later = tokio::time::timeout(SWEPT, sweep).await;
        for Asked(id, number) in &self.waiting {
            if let Some(connection) = self.connections.get(id) {
                let result = cleared.as_ref().map(|()| Answer::Done).map_err(|error| error.chain());
                connection.send(ToHarness::Answer { number: *number, result });
            }
        }
        futures::future::join_all(self.connections.into_values().map(Connection::close)).await;
        cleared
    }
}

fn message(step: &Step) -> ToHarness {
    match step {
        Step::Starting(service) => ToHarness::Starting(*service),
        Step::Ready(report) => ToHarness::Ready(report.clone()),
        Step::Note(note) => ToHarness::Note(note.clone()),
    }
}

/// Terminate, interrupt, and the end of a child.
fn signals() -> std::io::Result<[Signal; 3]> {
    Ok([signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?, signal(SignalKind::child())?])
}
