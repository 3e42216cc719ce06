//! Servers that fail: each is one error that names the server and ends with its log, and nothing stays behind.

use std::{net::TcpListener, os::unix::fs::PermissionsExt, time::Duration};

use bulkhead_model::{Service, Topology};
use bulkhead_target::{Error, Session, keeper};
use nix::sys::signal::Signal;

use super::trace::{self, Harness, Own};
use crate::{
    endings::{segment, segments},
    support::open,
    tools::skipped,
};

/// Opens, which must fail, and sees that nothing is left. The error and its causes.
async fn failure(own: &Own) -> String {
    let error = Session::open(&own.spec, &|_| ()).await.unwrap_err();
    assert_eq!(own.folders(), [] as [String; 0], "whoever reads the error finds everything cleared away");
    own.assert_gone().await;
    error.chain()
}

/// A folder with a program of that name that runs `script`.
fn program(name: &str, script: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(name);
    std::fs::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

async fn port_taken(service: Service) -> String {
    let mut own = Own::new(&format!("port-{service}"));
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    own.spec.ports = vec![(service, taken.local_addr().unwrap().port())];
    let error = failure(&own).await;
    assert!(error.starts_with(&format!("{service}:")), "{error}");
    error
}

#[tokio::test]
async fn postgres_says_that_its_port_is_taken() {
    let error = port_taken(Service::Postgres).await;
    assert!(error.contains("Address already in use"), "{error}");
}

#[tokio::test]
async fn redis_says_that_its_port_is_taken() {
    let error = port_taken(Service::Redis).await;
    assert!(error.contains("Address already in use"), "{error}");
}

#[tokio::test]
async fn rabbitmq_says_that_its_port_is_taken() {
    let error = port_taken(Service::Rabbitmq).await;
    assert!(error.contains("eaddrinuse"), "{error}");
}

#[tokio::test]
async fn s3_says_that_its_port_is_taken() {
    let error = port_taken(Service::S3).await;
    assert!(error.to_lowercase().contains("address already in use"), "{error}");
}

#[tokio::test]
async fn a_server_that_dies_at_boot_is_an_error_with_its_last_lines() {
    let mut own = Own::new("dies");
    let bin = program("redis-server", "echo 'fatal: the moon is in the wrong house' >&2\nexit 7");
    own.spec.places.redis_bin = Some(bin.path().to_owned());
    let error = failure(&own).await;
    assert!(error.starts_with("redis: the server ended by itself (exit status: 7)"), "{error}");
    assert!(error.contains("the moon is in the wrong house"), "{error}");
}

#[tokio::test]
async fn a_server_that_never_gets_ready_is_an_error_with_its_last_lines() {
    let mut own = Own::new("never");
    let bin = program("redis-server", "echo 'still thinking'\nexec sleep 600");
    own.spec.places.redis_bin = Some(bin.path().to_owned());
    // Long enough for the other three: the error is this server's.
    own.spec.start_deadline = Duration::from_secs(25);
    let error = failure(&own).await;
    assert!(error.starts_with("redis: not ready after 25"), "{error}");
    assert!(error.contains("its log ends:\n  still thinking"), "its last lines: {error}");
}

#[tokio::test]
async fn a_server_that_ignores_everything_is_killed() {
    let mut own = Own::new("deaf");
    let bin = program("redis-server", "trap '' TERM INT QUIT HUP\necho 'deaf'\nwhile :; do sleep 600; done");
    own.spec.places.redis_bin = Some(bin.path().to_owned());
    own.spec.start_deadline = Duration::from_secs(8);
    let error = failure(&own).await;
    assert!(error.starts_with("redis: not ready after 8"), "{error}");
    assert!(error.contains("deaf"), "{error}");
}

#[tokio::test]
async fn what_is_missing_is_said_before_anything_starts() {
    let mut own = Own::new("missing");
    own.spec.install = false;
    own.spec.places.redis_bin = Some("/nonexistent/redis".into());
    own.spec.places.rabbitmq_home = Some("/nonexistent/rabbitmq".into());
    let error = Session::open(&own.spec, &|_| ()).await.unwrap_err();
    let Error::Missing(missing) = &error else { panic!("{error:?}") };
    assert_eq!(missing.iter().map(|m| m.service).collect::<Vec<_>>(), [Service::Redis, Service::Rabbitmq]);
    let hint = error.hint().unwrap();
    assert!(hint.contains("apt-get install redis-server rabbitmq-server"), "{hint}");
    assert_eq!(own.folders(), [] as [String; 0]);
    assert_eq!(own.processes(), [] as [String; 0]);
}

#[tokio::test]
async fn a_full_disk_is_an_error_that_says_so() {
    let own = Own::new("full");
    // In a mount namespace of its own, which ends with the processes in it. Only root may make one.
    if !nix::unistd::geteuid().is_root() {
        return skipped("only root can mount a small disk");
    }
    let mut harness = Harness::start_on_a_disk_of(&own, "12m");
    let error = harness.line("failed ").await;
    assert!(error.contains("No space left on device"), "{error}");
    // Whoever writes first finds the disk full: a server, whose last lines tell, or the keeper, which names the file.
    let ended = |service: &Service| error.starts_with(&format!("{service}: the server ended by itself"));
    let of_a_server = Service::ALL.iter().any(ended) && error.contains("; its log ends:; ");
    assert!(of_a_server || error.starts_with("could not write `"), "who wrote what: {error}");
    assert_eq!(harness.line("left ").await, "[]");
    harness.kill().await;
    own.assert_gone().await;
}

#[tokio::test]
async fn a_server_that_dies_while_it_serves_is_an_error_with_its_last_lines() {
    let own = Own::new("later");
    let session = open(&own.spec).await;
    let redis = own.processes().into_iter().find(|process| process.contains("redis-server")).unwrap();
    trace::signal(redis.split(' ').next().unwrap().parse().unwrap(), Signal::SIGKILL);
    trace::until("the keeper notices", || async {
        let status = keeper::status(&own.spec).await.unwrap().unwrap();
        (!status.dead.is_empty()).then_some(())
    })
    .await;
    for error in [
        session.slices(&Topology::builtin()).await.unwrap_err().chain(),
        Session::open(&own.spec, &|_| ()).await.unwrap_err().chain(),
    ] {
        assert!(error.starts_with("redis: the server ended by itself (signal: 9"), "{error}");
        assert!(error.contains("Ready to accept connections"), "{error}");
    }
    session.close().await.unwrap();
    own.assert_gone().await;
}

/// The numbers of the set's processes with this word in their command line.
fn numbers(own: &Own, word: &str) -> Vec<u32> {
    let processes = own.processes();
    let ours = processes.iter().filter(|process| process.contains(word));
    ours.map(|process| process.split(' ').next().unwrap().parse().unwrap()).collect()
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_given_up_with_what_was_half_made_on_it() {
    let mut own = Own::new("silent");
    let patience = own.spec.slice_deadline;
    own.spec.slice_deadline = Duration::from_secs(2);
    let session = open(&own.spec).await;
    let [redis] = numbers(&own, "redis-server")[..] else { panic!("one redis: {:?}", own.processes()) };
    trace::signal(redis, Signal::SIGSTOP);
    let first = session.slices(&Topology::builtin()).await.unwrap_err().chain();
    trace::signal(redis, Signal::SIGCONT);
    // It would answer now, but what it holds of the first request nobody can know.
    let second = session.slices(&Topology::builtin()).await.unwrap_err().chain();
    for error in [first, second] {
        assert!(error.contains("redis: could not make slices within 2s"), "{error}");
        assert!(error.contains("Ready to accept connections"), "{error}");
    }
    // On a busy machine another server may have missed so short a deadline as well, and be named first.
    let joining = Session::open(&own.spec, &|_| ()).await.unwrap_err().chain();
    assert!(joining.contains("the next start brings up a fresh one"), "{joining}");
    let status = keeper::status(&own.spec).await.unwrap().unwrap();
    assert!(status.dead.iter().any(|error| error.starts_with("redis: could not make")), "{:?}", status.dead);
    session.close().await.unwrap();
    own.assert_gone().await;

    // The control: a fresh set makes them.
    own.spec.slice_deadline = patience;
    let fresh = open(&own.spec).await;
    fresh.slices(&Topology::builtin()).await.unwrap();
    fresh.close().await.unwrap();
    own.assert_gone().await;
}

#[tokio::test]
async fn a_postgres_whose_backends_are_stuck_is_gone_all_the_same() {
    let own = Own::new("stuck");
    let session = open(&own.spec).await;
    let held = segment(&own.path().join(&own.folders()[0]).join("postgres")).unwrap();
    assert!(segments().contains(&held), "the control: it holds its shared memory");
    // It would wait five seconds for them, which is longer than anybody waits for it.
    let all = numbers(&own, "postgres");
    assert!(all.len() > 3, "{:?}", own.processes());
    all.into_iter().for_each(|process| trace::signal(process, Signal::SIGSTOP));
    session.close().await.unwrap();
    own.assert_gone().await;
    assert!(!segments().contains(&held), "its shared memory stayed");
}
