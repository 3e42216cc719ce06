//! From an empty folder to a broker that serves, by RabbitMQ's own script or on a prepared code path.

use std::{
    collections::BTreeMap,
    net::Ipv4Addr,
    path::Path,
    time::{Duration, Instant},
};

use bulkhead_model::{Service, url::AmqpUrl};
use tokio::net::TcpStream;

use super::{
    config::Config,
    definitions::{Definitions, Login},
    install::Install,
    node::{Home, LOG, Launch, Node},
    server::{First, Origin, Server},
};
use crate::{
    Error, Identity, clients, private,
    process::tail,
    ready,
    services::{Place, password::Source},
};

/// How the log calls a port that another process has.
pub(super) const TAKEN: &str = "eaddrinuse";

/// Pause between two looks at the log.
const LOOK: Duration = Duration::from_millis(100);

/// The harness's own user and vhost on every broker.
const ADMIN: &str = "bulkhead-admin";

/// The plain way: the script that comes with RabbitMQ, told to replace itself with the node.
pub(super) fn plain(install: &Install, home: &Home) -> Launch {
    Launch {
        program: install.script("rabbitmq-server"),
        args: Vec::new(),
        env: vec![
            // Otherwise the script stays as a parent that answers SIGTERM by starting a second Erlang.
            ("RUNNING_UNDER_SYSTEMD".into(), "true".into()),
            ("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS".into(), home.flags().join(" ").into()),
        ],
    }
}

/// Starts a broker and waits until it serves. A folder in which a broker ran before is taken up again.
pub(super) async fn boot(
    install: &Install,
    place: &Place,
    launch: impl FnOnce(&Home) -> Launch,
) -> Result<Server, Error> {
    let begun = Instant::now();
    let home = Home::prepare(&place.dir)?;
    let port = crate::services::port::pick(Service::Rabbitmq, place)?;
    let admin = admin(port);
    let (definitions, first) = definitions(place, &admin);
    let identity = place.authority.identity("rabbitmq", &place.dir)?;
    configure(place, &definitions, Ipv4Addr::LOCALHOST, port, &identity)?;
    let before = std::fs::read(place.dir.join(LOG)).map_or(0, |log| log.len());
    let mut node = Node::spawn(install, place, &home, launch(&home))?;
    let opened = match serving(&mut node, place, before, &admin, &identity.ca).await {
        Ok(version) => {
            let failed = Error::serve(Service::Rabbitmq, "open the node's console");
            node.caller.open().await.map(|()| version).map_err(failed)
        }
        Err(error) => Err(error),
    };
    let version = match opened {
        Ok(version) => version,
        Err(error) => {
            node.stop().await;
            return Err(error);
        }
    };
    Ok(Server {
        node,
        origin: Origin::Process(Box::new((install.clone(), place.clone()))),
        version,
        port,
        dir: home.dir,
        identity,
        management: None,
        startup: begun.elapsed(),
        notes: Vec::new(),
        vhosts: BTreeMap::new(),
        common: BTreeMap::new(),
        first,
        revoked: BTreeMap::new(),
    })
}

/// The harness's own way in, with a fresh password.
pub(super) fn admin(port: u16) -> AmqpUrl {
    let Login { user, password } = Login::new(ADMIN, Source::Random);
    AmqpUrl { host: Ipv4Addr::LOCALHOST.to_string(), port, user, password, vhost: ADMIN.into(), tls: true }
}

/// What the broker is to have from the beginning: our own user and vhost, and the slices that were asked for with the start.
pub(super) fn definitions(place: &Place, admin: &AmqpUrl) -> (Definitions, Option<First>) {
    let login = Login { user: admin.user.clone(), password: admin.password.clone() };
    let mut definitions = Definitions::admin(&login, ADMIN);
    let first = place.first.as_ref().map(|(tenants, enforcement)| {
        let (theirs, logins) = Definitions::tenants(tenants, *enforcement, Source::Random);
        definitions.join(theirs);
        First { tenants: tenants.clone(), enforcement: *enforcement, logins }
    });
    (definitions, first)
}

/// The files that the broker reads at boot, in its folder.
pub(super) const READ: [&str; 3] = ["definitions.json", "enabled_plugins", "rabbitmq.config"];

/// What `enabled_plugins` says: what is wanted later is turned on then.
pub(super) const NO_PLUGINS: &str = "[].\n";

/// Writes them.
pub(super) fn configure(
    place: &Place,
    definitions: &Definitions,
    listens: Ipv4Addr,
    port: u16,
    identity: &Identity,
) -> Result<(), Error> {
    let document = serde_json::to_string(definitions);
    let document = document.map_err(Error::serve(Service::Rabbitmq, "write its definitions"))?;
    let definitions = place.dir.join("definitions.json");
    private::write(&definitions, &document, 0o600)?;
    private::write(&place.dir.join("enabled_plugins"), NO_PLUGINS, 0o600)?;
    let config = Config { listens, port, identity, definitions: &definitions };
    private::write(&place.dir.join("rabbitmq.config"), &config.text(), 0o600)
}

/// Waits until our own user is let in over TLS, then asks the node itself who it is: a stranger's broker on the same
/// port has neither our password nor our pid.
async fn serving(
    node: &mut Node,
    place: &Place,
    before: usize,
    admin: &AmqpUrl,
    ca: &Path,
) -> Result<String, Error> {
    let begun = Instant::now();
    let caller = node.caller.clone();
    let pid = node.beam.pid().map(|pid| pid.to_string()).unwrap_or_default();
    let log = place.dir.join(LOG);
    let ready = ready::until(Service::Rabbitmq, &mut node.beam, place.deadline, || async {
        reach(admin, ca).await?;
        let asked = caller.eval("os:getpid() ++ \" \" ++ rabbit_misc:version()").await;
        let answer = asked.map_err(|error| error.to_string())?;
        match answer.trim_matches('"').split_once(' ') {
            Some((answering, version)) if answering == pid => Ok(version.to_owned()),
            _ => Err(format!("the node that answers is not process {pid}: {answer}")),
        }
    });
    tokio::select! {
        ready = ready => ready,
        () = port_taken(&log, before) => Err(Error::NotReady {
            service: Service::Rabbitmq,
            waited: begun.elapsed(),
            last: format!("another process has port {} ({TAKEN})", admin.port),
            log: tail(&log, 20),
        }),
    }
}

/// Sees that our own user is let in over TLS.
pub(super) async fn reach(admin: &AmqpUrl, ca: &Path) -> Result<(), String> {
    // Cheaper than a client that reads certificates on every attempt while nobody listens yet.
    TcpStream::connect((admin.host.as_str(), admin.port)).await.map_err(|error| error.to_string())?;
    let connection = clients::rabbitmq::dial(admin, Some(ca)).await.map_err(|error| error.chain())?;
    connection.close(200, "ready".into()).await.map_err(|error| error.to_string())
}

/// Returns when the broker has said that it could not listen: it only logs that and stays up without a listener. What
/// the log held before this start is somebody else's trouble.
async fn port_taken(log: &Path, before: usize) {
    let taken = || {
        let text = std::fs::read(log).unwrap_or_default();
        String::from_utf8_lossy(text.get(before..).unwrap_or_default()).contains(TAKEN)
    };
    while !taken() {
        tokio::time::sleep(LOOK).await;
    }
}
