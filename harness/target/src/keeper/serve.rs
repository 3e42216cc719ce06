//! The keeper's loop: everything that happens arrives in one place, one after the other, so that "the last lease is
//! gone" and "somebody has just come" can never both be true.

use std::{collections::BTreeMap, io::Write, process::ExitCode, sync::Arc, time::Duration};

use tokio::{
    io::AsyncReadExt,
    net::{UnixListener, unix::pipe},
    signal::unix::{Signal, SignalKind, signal},
    sync::mpsc,
    task::{JoinHandle, JoinSet},
    time::{Instant, sleep_until},
};

use crate::{Error, TargetSpec};

use super::{
    connection::{Connection, Role},
    folder::{self, RunFolder},
    janitor::Janitor,
    leases::{HoldingId, LeaseId, Leases},
    name,
    servers::{Servers, Step},
    strays,
    wire::{
        self, Answer, Granted, Intent, Opening, PROTOCOL, Request, StatusParts, ToHarness, ToKeeper, Wanted,
        WireAccess, WireTenant, Word,
    },
};

/// How often a fresh folder may be swept from under us before that is an error.
const FOLDER_ATTEMPTS: usize = 100;

/// How long the end waits for a sweep of earlier runs.
const SWEEP_DEADLINE: Duration = Duration::from_secs(10);

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
    /// An answer is ready.
    Answered(Asked, Answer),
    /// The harness that spawned this keeper has its lease, or is gone.
    SpawnerGone,
}

/// Who waits for an answer: a connection and its request's number.
#[derive(Clone, Copy)]
pub(super) struct Asked(LeaseId, u64);

/// Why the loop ended.
enum End {
    /// Nobody holds the servers any more.
    Idle,
    /// It was told to.
    Commanded,
    /// The servers did not start.
    Failed(String),
}

enum Phase {
    /// What has been told so far, for those who come later.
    Starting(Vec<ToHarness>),
    Serving(Arc<Servers>),
}

struct Keeper {
    spec: TargetSpec,
    run: String,
    folder: Arc<RunFolder>,
    janitor: Janitor,
    phase: Phase,
    leases: Leases,
    connections: BTreeMap<LeaseId, Connection>,
    last_connection: LeaseId,
    token: u64,
    /// Whether the spawning harness is on its way: its pipe is open and it has not connected.
    spawner: bool,
    /// Those who wait until everything is gone.
    waiting: Vec<Asked>,
    /// When to stop, while nobody holds the servers.
    stop_at: Option<Instant>,
    commanded: bool,
    failed: Option<String>,
    events: mpsc::UnboundedSender<Event>,
    tasks: JoinSet<()>,
}

/// The whole life of a keeper.
pub(super) async fn run() -> ExitCode {
    let (word, started) = match begin().await {
        Ok(Some(started)) => (Word::Listening, Some(started)),
        Ok(None) => (Word::Lost, None),
        Err(error) => (Word::Failed(error.chain()), None),
    };
    if let Ok(line) = wire::line(&word) {
        let mut out = std::io::stdout();
        // The harness may be gone already; then its pipe says so.
        let _gone = out.write_all(&line).and_then(|()| out.flush());
    }
    let Some((opening, listener, stdin)) = started else { return ExitCode::SUCCESS };
    match keep(opening, listener, stdin).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// Reads the opening and takes the name.
async fn begin() -> Result<Option<(Opening, UnixListener, pipe::Receiver)>, Error> {
    let failed =
        |source: std::io::Error| Error::Keeper { doing: String::from("begin"), source: source.into() };
    let stdin = std::os::fd::AsFd::as_fd(&std::io::stdin()).try_clone_to_owned().map_err(failed)?;
    let mut stdin = pipe::Receiver::from_owned_fd(stdin).map_err(failed)?;
    let mut line = Vec::new();
    while line.last() != Some(&b'\n') {
        // Byte by byte: what follows the line is the end that stands for the first lease.
        match stdin.read_u8().await {
            Ok(byte) => line.push(byte),
            Err(error) => return Err(failed(error)),
        }
    }
    let opening: Opening = serde_json::from_slice(&line).map_err(|error| failed(error.into()))?;
    let listener = name::listen(&opening.name).map_err(failed)?;
    Ok(listener.map(|listener| (opening, listener, stdin)))
}

async fn keep(opening: Opening, listener: UnixListener, stdin: pipe::Receiver) -> Result<(), Error> {
    let Opening { spec, token, .. } = opening;
    let (events, mut happened) = mpsc::unbounded_channel();
    let prepared = prepare(&spec).await;
    let (run, folder, janitor) = match prepared {
        Ok(prepared) => prepared,
        Err(error) => {
            refuse_all(listener, stdin, &error.chain()).await;
            return Err(error);
        }
    };
    let sweep = sweep(&spec);
    let mut keeper = Keeper {
        spec,
        run,
        folder: Arc::new(folder),
        janitor,
        phase: Phase::Starting(Vec::new()),
        leases: Leases::default(),
        connections: BTreeMap::new(),
        last_connection: 0,
        token,
        spawner: true,
        waiting: Vec::new(),
        stop_at: None,
        commanded: false,
        failed: None,
        events,
        tasks: JoinSet::new(),
    };
    keeper.watch_spawner(stdin);
    keeper.start_servers();
    let end = keeper.serve(&listener, &mut happened).await;
    // First of all, so that whoever comes from here on starts a fresh keeper.
    drop(listener);
    keeper.finish(end, sweep).await
}

/// Starts the janitor, then makes the folder that it is to clear away.
async fn prepare(spec: &TargetSpec) -> Result<(String, RunFolder, Janitor), Error> {
    for _ in 0..FOLDER_ATTEMPTS {
        let run = folder::fresh_run();
        let path = folder::path(&spec.temp, &run);
        let janitor = Janitor::start(&spec.executable, &run, &path)?;
        match RunFolder::make(path) {
            Ok(Some(folder)) => return Ok((run, folder, janitor)),
            Ok(None) => janitor.finish().await?,
            Err(error) => {
                janitor.finish().await?;
                return Err(error);
            }
        }
    }
    let source = "other keepers keep sweeping it away".into();
    Err(Error::Keeper { doing: String::from("make the run's folder"), source })
}

/// Tells those who have come, and the one who is on its way, why there will be no servers.
async fn refuse_all(listener: UnixListener, mut stdin: pipe::Receiver, why: &str) {
    let refuse = async {
        // The spawning harness connects next; its pipe ends when it has read the refusal or is gone.
        let mut rest = [0; 1];
        loop {
            tokio::select! {
                accepted = listener.accept() => {
                    let Ok((stream, _)) = accepted else { return };
                    let (events, mut happened) = mpsc::unbounded_channel();
                    let connection = Connection::open(stream, 0, events);
                    let _hello = happened.recv().await;
                    connection.send(ToHarness::Refused(why.to_owned()));
                    connection.close().await;
                }
                _ = stdin.read(&mut rest) => return,
            }
        }
    };
    let _bounded = tokio::time::timeout(SWEEP_DEADLINE, refuse).await;
}

/// Clears away what earlier runs left that nobody owns any more.
fn sweep(spec: &TargetSpec) -> JoinHandle<()> {
    let temp = spec.temp.clone();
    tokio::task::spawn_blocking(move || {
        for (run, folder) in folder::stale(&temp) {
            // What cannot be cleared now is found again by the next keeper.
            let _next_time = strays::clear(&run, &folder.path);
        }
    })
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
            return End::Failed(String::from("keeper: could not watch for signals"));
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
                accepted = listener.accept() => {
                    if let Ok((stream, _)) = accepted && name::is_ours(&stream).is_ok_and(|ours| ours) {
                        self.last_connection += 1;
                        let connection = Connection::open(stream, self.last_connection, self.events.clone());
                        self.connections.insert(self.last_connection, connection);
                    }
                }
                Some(event) = happened.recv() => self.handle(event),
                _ = children.recv() => self.look_at_children(),
                _ = terminate.recv() => return End::Commanded,
                _ = interrupt.recv() => return End::Commanded,
                () = async { sleep_until(stop_at.unwrap_or_else(Instant::now)).await }, if stop_at.is_some() => {
                    return End::Idle;
                }
            }
        }
    }

    /// Sets the time to stop when nobody holds the servers, and clears it when somebody does.
    fn note_idleness(&mut self) {
        let undecided =
            self.connections.values().filter(|connection| connection.role == Role::Unknown).count();
        if self.spawner || self.leases.count() + undecided > 0 {
            self.stop_at = None;
            return;
        }
        let linger = match &self.phase {
            // Nobody has used them, or nobody can.
            Phase::Starting(_) => Duration::ZERO,
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
            Event::Started(Err(error)) => self.failed = Some(error.chain()),
            Event::Made(asked, holding, result) => self.made(asked, holding, result),
            Event::Removed(asked, holding, result) => {
                self.leases.gone(holding);
                if let Some(asked) = asked {
                    self.answer(asked, result.map(|()| Answer::Done));
                }
            }
            Event::Answered(asked, answer) => self.answer(asked, Ok(answer)),
            Event::SpawnerGone => self.spawner = false,
        }
    }

    fn greet(&mut self, id: LeaseId, protocol: u32, intent: Intent) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let Intent::Lease { kind, linger, token } = intent else {
            connection.role = Role::Control;
            return;
        };
        if token == Some(self.token) {
            // The connection holds the lease from here on. The pipe's end may be noticed later than what follows.
            self.spawner = false;
        }
        let refusal = if protocol != PROTOCOL {
            Some(String::from(
                "keeper: another version of Bulkhead keeps this set: stop it with `bulkhead down`",
            ))
        } else if kind != name::kind(&self.spec) {
            Some(String::from(
                "keeper: this set runs with other servers than were asked for: stop it with `bulkhead down`",
            ))
        } else if let Phase::Serving(servers) = &self.phase {
            servers.dead().into_iter().next()
        } else {
            None
        };
        if let Some(why) = refusal {
            connection.role = Role::Control;
            connection.send(ToHarness::Refused(why));
            return;
        }
        connection.role = Role::Lease { granted: false };
        self.leases.begin(id, linger);
        match &self.phase {
            Phase::Starting(told) => told.iter().for_each(|message| connection.send(message.clone())),
            Phase::Serving(_) => self.grant(id),
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

    fn request(&mut self, asked: Asked, what: Request) {
        match what {
            Request::Provision(wanted) => self.provision(asked, wanted),
            Request::Release(tenants) => self.release(asked, &tenants),
            Request::Logs(lines) => {
                if let Some(servers) = self.serving(asked) {
                    let events = self.events.clone();
                    self.tasks.spawn(async move {
                        let logs = servers.logs(lines).await;
                        let _stopping = events.send(Event::Answered(asked, Answer::Logs(logs)));
                    });
                }
            }
            Request::Leave => self.leave(asked),
            Request::Detach => {
                self.leases.detach(asked.0);
                self.answer(asked, Ok(Answer::Done));
            }
            Request::Status => {
                let status = self.status();
                self.answer(asked, Ok(Answer::Status(status)));
            }
            Request::Stop => {
                self.waiting.push(asked);
                self.commanded = true;
            }
        }
    }

    /// The servers; when they do not serve yet, whoever asked is told so.
    fn serving(&self, asked: Asked) -> Option<Arc<Servers>> {
        match &self.phase {
            Phase::Serving(servers) => Some(Arc::clone(servers)),
            Phase::Starting(_) => {
                self.answer(asked, Err(String::from("keeper: the servers are still starting")));
                None
            }
        }
    }

    fn provision(&mut self, asked: Asked, wanted: Wanted) {
        let Some(servers) = self.serving(asked) else { return };
        if !self.leases.lives(asked.0) {
            return self.answer(asked, Err(String::from("keeper: slices need a lease")));
        }
        let holding = match self.leases.reserve(asked.0, wanted.tenants.clone(), wanted.exact) {
            Ok(holding) => holding,
            Err(taken) => return self.answer(asked, Err(taken)),
        };
        let events = self.events.clone();
        self.tasks.spawn(async move {
            let tenants: Vec<_> = wanted.tenants.into_iter().map(|tenant| tenant.0).collect();
            let made = servers.provision(&tenants, wanted.enforcement).await;
            let made = made.map(|access| access.into_iter().map(WireAccess).collect());
            let _stopping = events.send(Event::Made(asked, holding, made));
        });
    }

    fn made(&mut self, asked: Asked, holding: HoldingId, result: Result<Vec<WireAccess>, String>) {
        match result {
            Ok(access) => {
                if self.leases.made(holding, access.clone()) {
                    self.answer(asked, Ok(Answer::Slices(access)));
                } else {
                    self.remove(None, holding);
                }
            }
            Err(error) => {
                self.leases.gone(holding);
                self.answer(asked, Err(error));
            }
        }
    }

    fn release(&mut self, asked: Asked, tenants: &[WireTenant]) {
        match self.leases.find(asked.0, tenants) {
            Some(holding) => self.remove(Some(asked), holding),
            None => {
                let why = "keeper: this lease has no such slices: release what one request made, as a whole";
                self.answer(asked, Err(String::from(why)));
            }
        }
    }

    fn remove(&mut self, asked: Option<Asked>, holding: HoldingId) {
        let Phase::Serving(servers) = &self.phase else { return };
        let Some(tenants) = self.leases.going(holding) else { return };
        let (servers, events) = (Arc::clone(servers), self.events.clone());
        self.tasks.spawn(async move {
            let removed = servers.remove(&tenants).await;
            let _stopping = events.send(Event::Removed(asked, holding, removed));
        });
    }

    fn leave(&mut self, asked: Asked) {
        if let Some(connection) = self.connections.get_mut(&asked.0) {
            connection.role = Role::Control;
        }
        self.end_lease(asked.0);
        self.note_idleness();
        if self.stop_at.is_some_and(|at| at <= Instant::now()) {
            self.waiting.push(asked);
        } else {
            self.answer(asked, Ok(Answer::Done));
        }
    }

    fn end_lease(&mut self, id: LeaseId) {
        for holding in self.leases.end(id) {
            self.remove(None, holding);
        }
    }

    fn status(&self) -> StatusParts {
        let (servers, dead) = match &self.phase {
            Phase::Serving(servers) => (servers.reports(), servers.dead()),
            Phase::Starting(_) => (Vec::new(), Vec::new()),
        };
        StatusParts {
            run: self.run.clone(),
            dir: self.folder.path.clone(),
            pid: std::process::id(),
            servers,
            leases: self.leases.count(),
            exact: self.leases.exact(),
            dead,
        }
    }

    fn answer(&self, Asked(id, number): Asked, result: Result<Answer, String>) {
        if let Some(connection) = self.connections.get(&id) {
            connection.send(ToHarness::Answer { number, result });
        }
    }

    fn look_at_children(&mut self) {
        if self.janitor.is_gone()
            && let Ok(janitor) = Janitor::start(&self.spec.executable, &self.run, &self.folder.path)
        {
            self.janitor = janitor;
        }
        if let Phase::Serving(servers) = &self.phase {
            let servers = Arc::clone(servers);
            self.tasks.spawn(async move { servers.look().await });
        }
        // Tasks that are over are not kept.
        while self.tasks.try_join_next().is_some() {}
    }

    async fn finish(mut self, end: End, sweep: JoinHandle<()>) -> Result<(), Error> {
        if matches!(end, End::Commanded) {
            for connection in self.connections.values().filter(|c| matches!(c.role, Role::Lease { .. })) {
                connection.send(ToHarness::Ending(String::from(COMMANDED)));
            }
        }
        // This also drops servers that are still starting, and with them their processes.
        self.tasks.shutdown().await;
        if let Phase::Serving(servers) = &self.phase {
            servers.stop().await;
        }
        let cleared = self.janitor.finish().await;
        let _later = tokio::time::timeout(SWEEP_DEADLINE, sweep).await;
        for Asked(id, number) in &self.waiting {
            if let Some(connection) = self.connections.get(id) {
                let result = cleared.as_ref().map(|()| Answer::Done).map_err(Error::chain);
                connection.send(ToHarness::Answer { number: *number, result });
            }
        }
        if let End::Failed(why) = end {
            for connection in self.connections.values().filter(|c| matches!(c.role, Role::Lease { .. })) {
                connection.send(ToHarness::Refused(why.clone()));
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
    }
}

/// Terminate, interrupt, and the end of a child.
fn signals() -> std::io::Result<[Signal; 3]> {
    Ok([signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?, signal(SignalKind::child())?])
}
