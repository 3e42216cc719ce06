//! Its processes, sockets and secrets, from start to stop.

use std::{io::Read, net::TcpListener, path::Path};

use bulkhead_model::{Enforcement, Service};
use bulkhead_target::{
    clients,
    services::{StandIn, rabbitmq::Rabbitmq},
};
use nix::{sys::signal::Signal, unistd::Pid};

use super::{beam, broker, channel, declare, eval, get, installed, processes, provisioned, publish, shown};
use crate::support::{LOOPBACK, alone, command_lines, direct_as, place, spec, tenant};

/// Where the sockets of these processes listen, as `/proc/net/tcp` and `tcp6` write addresses.
fn listening(pids: &[i32]) -> Vec<String> {
    let descriptors =
        pids.iter().flat_map(|pid| std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().flatten());
    let targets = descriptors.filter_map(|entry| std::fs::read_link(entry.path()).ok());
    let sockets: Vec<_> = targets
        .filter_map(|target| Some(target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned()))
        .collect();
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(|table| std::fs::read_to_string(table).unwrap());
    let lines = tables.iter().flat_map(|table| table.lines().skip(1));
    let rows = lines.map(|line| line.split_ascii_whitespace().collect::<Vec<_>>());
    let ours = rows.filter(|row| row[3] == "0A" && sockets.iter().any(|socket| socket == row[9]));
    ours.map(|row| row[1].split_once(':').unwrap().0.to_owned()).collect()
}

#[tokio::test]
async fn it_serves_on_loopback_alone_and_leaves_nothing() {
    let mut server = broker().await;
    let report = server.running.report();
    assert_eq!(report.product, "rabbitmq");
    assert!(installed().ends_with(format!("rabbitmq_server-{}", report.version)), "{report:?}");
    let url = server.running.management().await.unwrap().unwrap();
    assert_eq!(server.running.management().await.unwrap().unwrap(), url, "the second call starts nothing");
    assert!(url.starts_with("https://127.0.0.1:"), "{url}");

    let tenants = [tenant("engine", "a"), tenant("plane", "a")];
    let access = provisioned(&mut server, &tenants, Enforcement::Enforced).await;
    for access in &access {
        let (_connection, channel) = channel(access).await;
        declare(&channel, "engine:tasks", &[]).await.unwrap();
        assert!(publish(&channel, "", "engine:tasks", "work").await.unwrap());
        assert_eq!(get(&channel, "engine:tasks").await.unwrap().as_deref(), Some("work"));
    }

    let facts = clients::rabbitmq::server_facts(&access[0]).await.unwrap();
    assert_eq!((facts.product.as_str(), facts.version), ("RabbitMQ", report.version.clone()));

    let family = processes(&server.place);
    let pids: Vec<_> = family.iter().map(|(pid, _)| *pid).collect();
    for expected in ["beam.smp", "epmd", "erl_child_setup"] {
        assert!(
            family.iter().any(|(_, program)| program.starts_with(expected)),
            "no {expected} in {family:?}"
        );
    }
    // AMQP, management and distribution; the port mapper on both families.
    let sockets = listening(&pids);
    assert!(sockets.len() >= 5 && sockets.iter().all(|at| LOOPBACK.contains(&at.as_str())), "{sockets:?}");
    // Nothing that apps speak is spoken in plaintext.
    let protocols = "lists:usort([element(3, L) || L <- rabbit_networking:active_listeners()])";
    let protocols = shown(&mut server.running, protocols).await;
    assert_eq!(protocols, "\"['amqp/ssl',clustering,https]\"");

    let cookie = std::fs::read_to_string(server.place.dir.join(".erlang.cookie")).unwrap();
    let mut secrets: Vec<_> = access.iter().map(|a| a.connections.rabbitmq.password.expose()).collect();
    secrets.push(&cookie);
    let lines = command_lines(&server.place);
    assert!(lines.iter().any(|line| line.contains("beam.smp")), "{lines:?}");
    for secret in secrets {
        assert!(!secret.is_empty() && !lines.iter().any(|line| line.contains(secret)), "{lines:?}");
        let log = server.running.log_tail(usize::MAX).join("\n");
        assert!(log.contains("Server startup complete") && !log.contains(secret));
    }
    assert_eq!(
        shown(&mut server.running, "rabbit_auth_backend_internal:exists(<<\"guest\">>)").await,
        "\"false\""
    );

    server.running.stop().await;
    assert_eq!(processes(&server.place), []);
    assert_eq!(listening(&pids_that_live(&pids)), Vec::<String>::new());
}

fn pids_that_live(pids: &[i32]) -> Vec<i32> {
    let lives = |pid: &&i32| {
        std::fs::read_dir(format!("/proc/{pid}/fd")).is_ok_and(|mut files| files.next().is_some())
    };
    pids.iter().filter(lives).copied().collect()
}

#[tokio::test]
async fn two_brokers_do_not_meet() {
    let (mut one, mut two) = tokio::join!(broker(), broker());
    let names = [&one, &two].map(|server| std::fs::read_to_string(server.place.dir.join("node")).unwrap());
    assert_ne!(names[0], names[1]);
    for (server, other) in [(&mut one, &names[1]), (&mut two, &names[0])] {
        assert_eq!(eval(&mut server.running, &format!("net_adm:ping('{other}')")).await, "pang");
        assert_eq!(eval(&mut server.running, "nodes()").await, "[]");
        assert_eq!(eval(&mut server.running, "length(element(2, erl_epmd:names()))").await, "1");
    }
    let tenants = [tenant("engine", "same")];
    let mut first = provisioned(&mut one, &tenants, Enforcement::Enforced).await.remove(0);
    let second = provisioned(&mut two, &tenants, Enforcement::Enforced).await.remove(0);
    clients::rabbitmq::connect(&first).await.unwrap();
    first.connections.rabbitmq.port = second.connections.rabbitmq.port;
    first.ca = second.ca.clone();
    let refused = clients::rabbitmq::connect(&first).await.unwrap_err().chain();
    assert!(refused.contains("ACCESS") || refused.contains("refused"), "{refused}");

    // A broker that dies is noticed, and takes its helpers with it.
    nix::sys::signal::kill(Pid::from_raw(beam(&one.place)), Signal::SIGKILL).unwrap();
    one.running.stop().await;
    assert!(one.running.exited().is_some_and(|error| error.to_string().contains("ended by itself")));
    assert_eq!(processes(&one.place), []);
    clients::rabbitmq::connect(&second).await.unwrap();
    two.running.stop().await;
}

#[tokio::test]
async fn a_taken_port_is_an_error_with_the_log() {
    crate::support::ensure_now();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let (_folder, free) = place(Service::Rabbitmq, &spec());
    let place = bulkhead_target::services::Place { port: Some(port), ..free };
    let error = Rabbitmq.start(&spec(), &place).await.err().unwrap().to_string();
    assert!(
        error.contains("eaddrinuse") && error.contains(&port.to_string()) && error.contains("its log ends"),
        "{error}"
    );
    assert_eq!(processes(&place), []);
}

/// A home like the installed one, of links, with the descriptions of some applications changed.
pub(crate) fn changed_home(home: &Path, applications: &[&str], change: impl Fn(&str) -> String) {
    let installed = installed();
    for folder in ["sbin", "plugins"] {
        std::fs::create_dir_all(home.join(folder)).unwrap();
    }
    for script in std::fs::read_dir(installed.join("sbin")).unwrap().flatten() {
        std::fs::copy(script.path(), home.join("sbin").join(script.file_name())).unwrap();
    }
    for plugin in std::fs::read_dir(installed.join("plugins")).unwrap().flatten() {
        let copy = home.join("plugins").join(plugin.file_name());
        let name = plugin.file_name().to_string_lossy().split('-').next().unwrap().to_owned();
        if !applications.contains(&name.as_str()) {
            std::os::unix::fs::symlink(plugin.path(), copy).unwrap();
            continue;
        }
        std::fs::create_dir_all(copy.join("ebin")).unwrap();
        for part in
            std::fs::read_dir(plugin.path()).unwrap().flatten().filter(|part| part.file_name() != "ebin")
        {
            std::os::unix::fs::symlink(part.path(), copy.join(part.file_name())).unwrap();
        }
        for file in std::fs::read_dir(plugin.path().join("ebin")).unwrap().flatten() {
            let to = copy.join("ebin").join(file.file_name());
            match file.path().extension().is_some_and(|extension| extension == "app") {
                true => std::fs::write(to, change(&std::fs::read_to_string(file.path()).unwrap())).unwrap(),
                false => std::os::unix::fs::symlink(file.path(), to).unwrap(),
            }
        }
    }
}

/// Starts a changed installation and returns its notes, after it has carried a message.
async fn notes_of_a_changed_home(applications: &[&str], change: impl Fn(&str) -> String) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("home");
    changed_home(&home, applications, change);
    let mut spec = spec();
    spec.places.rabbitmq_home = Some(home);
    let mut server = direct_as(Service::Rabbitmq, &spec).await;
    let access = provisioned(&mut server, &[tenant("engine", "p")], Enforcement::Enforced).await.remove(0);
    let (_connection, channel) = channel(&access).await;
    declare(&channel, "tasks", &[]).await.unwrap();
    assert!(publish(&channel, "", "tasks", "work").await.unwrap());
    let notes = server.running.notes();
    server.running.stop().await;
    assert_eq!(processes(&server.place), []);
    notes
}

#[tokio::test]
async fn an_installation_that_looks_otherwise_is_started_plainly_and_says_so() {
    // Without a list of modules: the broker does not mind, the fast way does not know what to trim.
    let notes = notes_of_a_changed_home(&["ra"], |text| text.replace("{modules,", "{not_modules,")).await;
    assert!(notes.len() == 1 && notes[0].contains("plain") && notes[0].contains("`ra`"), "{notes:?}");
}

#[tokio::test]
async fn an_installation_that_cannot_boot_fast_is_started_plainly_and_says_so() {
    // What is used and not declared is on the plain path only: the fast boot comes as far as the log of its queues.
    let undeclared = |text: &str| text.replace(",gen_batch_server", "");
    let notes = notes_of_a_changed_home(&["ra", "osiris"], undeclared).await;
    assert!(
        notes.len() == 1 && notes[0].contains("plain") && notes[0].contains("ended by itself"),
        "{notes:?}"
    );
}

#[tokio::test]
async fn amqps_begins_with_a_tls_hello() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, bulkhead_target::Authority::new().unwrap().pem()).unwrap();
    let url = bulkhead_model::url::AmqpUrl {
        host: "127.0.0.1".into(),
        port: listener.local_addr().unwrap().port(),
        user: "nobody".into(),
        password: bulkhead_model::Secret::new("canary"),
        vhost: "/".into(),
        tls: true,
    };
    let first = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut bytes = [0; 8];
        stream.read_exact(&mut bytes).unwrap();
        bytes
    });
    let access = alone(&tenant("engine", "t"), bulkhead_target::services::Access::Rabbitmq(url), &ca);
    let refused = clients::rabbitmq::connect(&access).await.unwrap_err().chain();
    assert!(!refused.contains("canary"), "{refused}");
    let bytes = first.join().unwrap();
    assert_eq!(bytes[0], 0x16, "not a TLS handshake but {:?}", String::from_utf8_lossy(&bytes));
}

#[tokio::test]
async fn a_session_starts_the_management_api_when_asked() {
    let session = crate::support::session().await;
    let url = session.management(Service::Rabbitmq).await.unwrap().unwrap();
    let address = url.strip_prefix("https://").unwrap();
    std::net::TcpStream::connect(address).unwrap();
    assert_eq!(session.management(Service::Rabbitmq).await.unwrap(), Some(url));
    assert_eq!(session.management(Service::Redis).await.unwrap(), None, "a server without one");
    session.close().await.unwrap();
}
