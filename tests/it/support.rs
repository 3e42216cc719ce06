//! Servers for tests: one started directly and owned by the test, or a session on the shared set.

use std::{
    io::Write as _,
    path::Path,
    sync::{Arc, Once},
    time::Duration,
};

use bulkhead_model::{
    Enforcement, PostgresSlice, RabbitmqSlice, RedisSlice, RunEvent, S3Slice, Secret, Service, Slices,
    Tenant, TenantName,
    url::{AmqpUrl, Connections, PostgresUrl, RedisUrl, S3Access},
};
use bulkhead_target::{
    Authority, Detours, Error, Session, TargetSpec, TenantAccess,
    backends::native,
    services::{self, Access, Place, Running, StandIn},
};
use sqlx::postgres::{PgConnectOptions, PgSslMode};

mod containers;

pub(crate) use containers::brief;

/// Two tenants in one database, one vhost and one bucket, each in its own part of it; Redis has a login for each.
pub(crate) const ALL_SHARED: &str = r#"
[tenants.engine]
postgres = { database = "shared", schema = "engine" }
redis    = { prefix = "engine:" }
rabbitmq = { vhost = "wmohtwtk", queues = "engine:" }
s3       = { bucket = "tl-shared", prefix = "engine/" }

[tenants.plane]
env      = "PLANE_"
postgres = { database = "shared", schema = "plane" }
redis    = { prefix = "plane:" }
rabbitmq = { vhost = "wmohtwtk", queues = "plane:" }
s3       = { bucket = "tl-shared", prefix = "plane/" }
"#;

/// This machine alone, as `/proc/net/tcp` and `tcp6` write addresses.
pub(crate) const LOOPBACK: [&str; 2] = ["0100007F", "00000000000000000000000001000000"];

/// The request that every test starts from; it reads the same variables as the command does.
///
/// Unless `BULKHEAD_LINGER` says otherwise, servers stay a few seconds, so that test binaries that run one after
/// another share one set.
pub(crate) fn spec() -> TargetSpec {
    let mut spec =
        TargetSpec::from_env(env!("CARGO_BIN_EXE_bulkhead")).unwrap_or_else(|problems| panic!("{problems}"));
    if std::env::var_os(bulkhead_target::spec::LINGER.name).is_none() {
        spec.linger = Duration::from_secs(5);
    }
    containers::placed(spec)
}

/// A lease on the common set, which every test process shares.
pub(crate) async fn session() -> Session {
    open(&spec()).await
}

/// A lease on the set that `spec` asks for. Without it a test cannot go on.
pub(crate) async fn open(spec: &TargetSpec) -> Session {
    Session::open(spec, &show).await.unwrap_or_else(|error| give_up(&error))
}

/// Sees that the servers are on this machine.
async fn ensure(spec: &TargetSpec) {
    native::ensure(spec, &show).await.unwrap_or_else(|error| give_up(&error));
}

/// The same for a test that reaches servers by another way than this module's, in whatever context it runs.
pub(crate) fn ensure_now() {
    let ensured = std::thread::spawn(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(ensure(&spec()));
    });
    ensured.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
}

fn show(event: RunEvent) {
    if let RunEvent::Note(text) = event {
        say(&text);
    }
}

/// Writes to the real standard error, past the runner, which shows what a test prints only when it fails.
pub(crate) fn say(text: &str) {
    // Nobody is left to tell when it is closed.
    let _closed = writeln!(std::io::stderr(), "{text}");
}

/// What a test fails with when servers are missing, the message having been said.
struct Missing;

/// Fails the test. That servers are missing is said by the first test that finds out, and the others fail without a
/// word: the process cannot end at once, since tests that need no server are under way and have folders and processes.
fn give_up(error: &Error) -> ! {
    static ONCE: Once = Once::new();
    let text = match error.hint() {
        Some(hint) => format!("{}\nhint: {hint}", error.chain()),
        None => error.chain().to_string(),
    };
    if matches!(error, Error::Missing(_)) {
        ONCE.call_once(|| say(&format!("error: {text}")));
        std::panic::resume_unwind(Box::new(Missing));
    }
    panic!("{text}")
}

/// A server that this test alone owns. It ends with the test's thread, or when this is dropped.
pub(crate) struct Direct {
    pub(crate) running: Box<dyn Running>,
    pub(crate) place: Place,
    folders: Vec<tempfile::TempDir>,
    /// Last, when nothing of the server is left but what went wrong.
    leavings: Option<containers::Leavings>,
}

/// Starts one server directly, without a keeper.
pub(crate) async fn direct(service: Service) -> Direct {
    direct_as(service, &spec()).await
}

/// Starts one server directly as `spec` asks for it.
pub(crate) async fn direct_as(service: Service, spec: &TargetSpec) -> Direct {
    direct_at(service, spec, place(service, spec)).await
}

/// Starts one server directly with these slices in it.
pub(crate) async fn direct_first(service: Service, first: (Vec<Tenant>, Enforcement)) -> Direct {
    let (folder, mut place) = place(service, &spec());
    place.first = Some(first);
    direct_at(service, &spec(), (folder, place)).await
}

async fn direct_at(
    service: Service,
    spec: &TargetSpec,
    (folder, place): (tempfile::TempDir, Place),
) -> Direct {
    let stand_in = stand_in(service);
    if spec.images.is_none() && stand_in.find(spec).is_err() {
        ensure(spec).await;
    }
    let leavings = containers::Leavings::of(spec, &place.run);
    let running = stand_in.start(spec, &place).await.unwrap();
    Direct { running, place, folders: vec![folder], leavings }
}

/// Starts a Redis or Valkey directly, with these arguments after those that the stand-in gives it.
pub(crate) async fn direct_with(service: Service, arguments: &[&str]) -> Direct {
    assert_eq!(service, Service::Redis, "no other server takes settings this way");
    let mut spec = spec();
    if spec.images.is_some() {
        let (spec, image) = containers::with_arguments(spec, service, arguments).await;
        let mut server = direct_as(service, &spec).await;
        server.leavings = server.leavings.map(|leavings| leavings.and_image(image));
        return server;
    }
    let named = spec.places.redis_bin.iter().cloned();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<_> = named.chain(std::env::split_paths(&path)).collect();
    let mut programs = folders
        .iter()
        .flat_map(|folder| ["redis-server", "valkey-server"].map(|program| folder.join(program)));
    let Some(program) = programs.find(|program| program.is_file()) else {
        ensure(&spec).await;
        panic!("no server in {folders:?}");
    };
    let bin = tempfile::Builder::new().prefix("bulkhead-it-").tempdir().unwrap();
    let script = format!("#!/bin/sh\nexec '{}' \"$@\" {}\n", program.display(), arguments.join(" "));
    let path = bin.path().join("redis-server");
    std::fs::write(&path, script).unwrap();
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    spec.places.redis_bin = Some(bin.path().to_path_buf());
    let mut server = direct_as(service, &spec).await;
    // It is there too when the server starts again.
    server.folders.push(bin);
    server
}

/// How the superuser of the PostgreSQL in this folder connects: over its socket, or to one in a container with the password
/// that the folder then has.
pub(crate) fn superuser(folder: &Path, access: &TenantAccess) -> PgConnectOptions {
    let options = PgConnectOptions::new_without_pgpass().port(access.connections.postgres.port);
    let options = options.username("bulkhead");
    match std::fs::read_to_string(folder.join("password")) {
        Err(_) => options.socket(folder),
        Ok(password) => {
            let ca = access.ca.as_ref().unwrap();
            options.host("127.0.0.1").password(&password).ssl_mode(PgSslMode::VerifyFull).ssl_root_cert(ca)
        }
    }
}

/// The stand-in that plays this service.
pub(crate) fn stand_in(service: Service) -> &'static dyn StandIn {
    services::ALL.into_iter().find(|s| s.service() == service).unwrap()
}

/// A folder for one server, removed when the first value is dropped.
pub(crate) fn place(service: Service, spec: &TargetSpec) -> (tempfile::TempDir, Place) {
    // 0711: PostgreSQL, which will not run as root, must be able to pass through.
    let folder = tempfile::Builder::new().prefix("bulkhead-it-").tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o711)).unwrap();
    let dir = folder.path().join(service.name());
    std::fs::create_dir(&dir).unwrap();
    std::fs::set_permissions(&dir, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    let authority = Arc::new(Authority::new().unwrap());
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, authority.pem()).unwrap();
    let run = folder.path().file_name().unwrap().to_string_lossy().into_owned();
    let place = Place { run, dir, authority, ca, deadline: spec.start_deadline, port: None, first: None };
    (folder, place)
}

/// A tenant with slices of its own on every service; `mark` keeps one test's names apart from another's.
pub(crate) fn tenant(name: &str, mark: &str) -> Tenant {
    Tenant {
        name: TenantName::new(name).unwrap(),
        env: String::new(),
        slices: Slices {
            postgres: PostgresSlice { database: format!("{name}db_{mark}"), schema: None },
            redis: RedisSlice { prefix: format!("{mark}:{name}:") },
            rabbitmq: RabbitmqSlice { vhost: format!("/{name}.{mark}"), queues: None },
            s3: S3Slice { bucket: format!("tl-{name}-{mark}"), prefix: None },
        },
    }
}

/// Access to one service alone: the other three lead nowhere.
pub(crate) fn alone(tenant: &Tenant, access: Access, ca: &Path) -> TenantAccess {
    let nobody = || (String::from("nobody"), Secret::new("nothing"));
    let (host, port) = (String::from("127.0.0.1"), 1);
    let ((user, password), parameters) = (nobody(), Vec::new());
    let postgres =
        PostgresUrl { host: host.clone(), port, user, password, database: "none".into(), parameters };
    let (user, password) = nobody();
    let redis = RedisUrl { host: host.clone(), port, user, password, database: 0, tls: true };
    let (user, password) = nobody();
    let rabbitmq = AmqpUrl { host, port, user, password, vhost: "none".into(), tls: true };
    let (access_key_id, secret_access_key) = nobody();
    let endpoint = String::from("https://127.0.0.1:1");
    let s3 = S3Access { endpoint, access_key_id, secret_access_key, bucket: "none".into() };
    let mut connections = Connections { postgres, redis, rabbitmq, s3 };
    match access {
        Access::Postgres(url) => connections.postgres = url,
        Access::Redis(url) => connections.redis = url,
        Access::Rabbitmq(url) => connections.rabbitmq = url,
        Access::S3(access) => connections.s3 = access,
    }
    TenantAccess {
        tenant: tenant.clone(),
        connections,
        ca: Some(ca.to_path_buf()),
        detours: Detours::default(),
    }
}

/// What `ps` shows of every process that carries the run's mark or works in the server's folder.
pub(crate) fn command_lines(place: &Place) -> Vec<String> {
    let mark = format!("BULKHEAD_RUN={}", place.run);
    let processes = std::fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
    let ours = processes.filter(|process| {
        let environment = std::fs::read(process.join("environ")).unwrap_or_default();
        let marked = environment.split(|b| *b == 0).any(|variable| variable == mark.as_bytes());
        marked || std::fs::read_link(process.join("cwd")).is_ok_and(|folder| folder.starts_with(&place.dir))
    });
    ours.map(|process| {
        String::from_utf8_lossy(&std::fs::read(process.join("cmdline")).unwrap_or_default()).into_owned()
    })
    .collect()
}
